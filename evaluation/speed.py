"""The report of `inro-eval speed`, which the release gate reads again."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from app.core.errors import InputError
from evaluation.measured_model import MeasuredModel

MAX_FILE = 1024 * 1024
"""Bytes of a report that are read."""


class Spread(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The same thing measured several times: the range shows how noisy the machine was."""

    median: float
    low: float
    """The smallest value."""
    high: float
    """The largest."""
    repeats: int


class SpeedAt(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One length of context."""

    prompt_tokens: int
    """Of each prompt: what was read before the first token was written."""
    new_tokens: int
    """Written after each prompt."""
    prompt_per_second: Spread
    """Prompt tokens read a second, nothing of them known from an earlier question."""
    decode_per_second: Spread
    """Tokens written a second after the first, behind a context of that length."""
    first_token_s: Spread
    """Seconds from the request to the first token."""


class SpeedMachine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    processor: str
    cores: int
    """Physical ones that the command may use."""
    threads: int
    """Of the engine, in this measurement."""
    gpu_layers: int
    repacked: bool
    """Whether the weights were rearranged for this processor."""
    llama_cpp_commit: str
    llama_cpp_python: str


class SpeedReport(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    format: Literal["inro-speed/1"] = "inro-speed/1"
    model: MeasuredModel
    machine: SpeedMachine
    resident_bytes: int
    """Memory that the worker held after the longest context: weights, cache, buffers and the process itself."""
    contexts: tuple[SpeedAt, ...]
    """In the order in which they were asked for; at least one."""


def read_speed(path: Path) -> SpeedReport:
    """What `inro-eval speed -o` wrote. Raises InputError for a file that is not such a report."""
    if (size := path.stat().st_size) > MAX_FILE:
        raise InputError(f"{path} has {size:,} bytes: that is no report of inro-eval speed.")
    try:
        return msgspec.json.decode(path.read_bytes(), type=SpeedReport)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{path} is no report of inro-eval speed: {error}.") from error


def table(report: SpeedReport) -> str:
    model, machine = report.model, report.machine
    rows = [("prompt tokens", "read a second", "written a second", "first token, s")]
    rows += (
        (
            f"{at.prompt_tokens:,}",
            _shown(at.prompt_per_second),
            _shown(at.decode_per_second),
            _shown(at.first_token_s, 3),
        )
        for at in report.contexts
    )
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    repeats = min(at.prompt_per_second.repeats for at in report.contexts)
    return "\n".join(
        [
            f"{model.file}: {model.description}, {model.file_bytes / 1e9:.2f} GB, sha256 {model.sha256}",
            f"{machine.processor}: {machine.threads} threads on {machine.cores} cores",
            "",
            *lines,
            "",
            f"Medians of {repeats} repeats, with the smallest and the largest. "
            f"The engine held {report.resident_bytes / 1e9:.2f} GB of memory.",
        ]
    )


def _shown(spread: Spread, digits: int = 1) -> str:
    return f"{spread.median:,.{digits}f} ({spread.low:,.{digits}f} to {spread.high:,.{digits}f})"
