"""What a model file must show before it ships: a TOML file that the model team writes, read strictly.

A mistyped key must not become a condition that nobody checks, so every key that is not known is refused.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import msgspec

from app.core.errors import InputError
from app.core.language import Language
from evaluation.output import printable
from evaluation.runs.records import How

MAX_FILE = 1024 * 1024

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
"""From 0 to 1."""
Count = Annotated[int, msgspec.Meta(ge=0)]
Positive = Annotated[float, msgspec.Meta(gt=0)]


class RunThresholds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every given run of a task in a language must show; that there is such a run is itself a condition."""

    task: str
    language: Language
    how: How | None = None
    """Only runs of this way of scoring are meant, and there must be one; by default all."""
    questions: Count | None = None
    """At least so many questions, so that a run of a few does not count."""
    accuracy: Share | None = None
    """At least."""
    interval_low: Share | None = None
    """At least: the lower end of the accuracy's 95 % Wilson interval."""
    kinki_rate: Share | None = None
    """At most: of the questions with a prohibited option (禁忌), the share where one was chosen."""
    kinki_interval_high: Share | None = None
    """At most: the upper end of that rate's 95 % Wilson interval."""
    baseline: bool = False
    """Whether there must be a baseline. Where one is given, significantly worse than it is refused in any case."""
    largest_loss: Annotated[float, msgspec.Meta(gt=0, le=100)] | None = None
    """Points of accuracy against the baseline: the upper end of the loss's 95 % interval must be below."""
    failed: Count | None = None
    """At most so many questions of which the engine died."""
    too_long: Count | None = None
    """At most so many questions that did not fit into the model's context."""
    unreadable: Count | None = None
    """At most so many answers that name no option clearly."""


class SpeedThresholds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Medians of what `inro-eval speed` measured."""

    prompt_tokens: Annotated[int, msgspec.Meta(gt=0)] | None = None
    """At this length of context; by default at every one that was measured."""
    prompt_per_second: Positive | None = None
    """At least so many tokens of a prompt read a second."""
    decode_per_second: Positive | None = None
    """At least so many tokens of an answer written a second."""
    first_token_s: Positive | None = None
    """At most so many seconds to the first token."""


class Thresholds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    format: Literal["inro-gate-thresholds/1"] = "inro-gate-thresholds/1"
    chat_template: bool = False
    """Whether the file must hold a chat template."""
    run: tuple[RunThresholds, ...] = ()
    speed: SpeedThresholds | None = None


@dataclass(frozen=True)
class ThresholdsFile:
    name: str
    sha256: str
    thresholds: Thresholds


def read_thresholds(path: Path) -> ThresholdsFile:
    """Raises InputError for a file that is no such TOML, has a key that is not known, or asks for nothing."""
    if (size := path.stat().st_size) > MAX_FILE:
        raise InputError(f"{path} has {size:,} bytes: that is no file of thresholds.")
    raw = path.read_bytes()
    try:
        table = tomllib.loads(raw.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{path} is no TOML file: {error}.") from error
    for place, key, known in _unknown_keys(table, Thresholds):
        raise InputError(f"{path}: {place}{printable(key[:80])} is not known; {_nearest(key, known)}.")
    try:
        thresholds = msgspec.convert(table, Thresholds)
    except msgspec.ValidationError as error:
        raise InputError(f"{path}: {error}; shares are from 0 to 1.") from error
    if not thresholds.run:
        raise InputError(f"{path} asks for no run: give at least one [[run]] with its task and language.")
    speed = thresholds.speed
    if speed and not (speed.prompt_per_second or speed.decode_per_second or speed.first_token_s):
        raise InputError(f"{path}: [speed] needs prompt_per_second, decode_per_second or first_token_s.")
    return ThresholdsFile(path.name, hashlib.sha256(raw).hexdigest(), thresholds)


def _unknown_keys(
    table: Mapping[str, Any], struct: type[msgspec.Struct], place: str = ""
) -> Iterator[tuple[str, str, list[str]]]:
    """Where, the key, and the keys that there are."""
    fields = {field.name: field.type for field in msgspec.structs.fields(struct)}
    for key, value in table.items():
        if key not in fields:
            yield place, key, list(fields)
            continue
        inner = next((one for one in get_args(fields[key]) if _is_struct(one)), None)
        if inner is None:
            continue
        for number, entry in enumerate(value if isinstance(value, list) else [value], start=1):
            if isinstance(entry, dict):
                where = f"{key}, entry {number}: " if isinstance(value, list) else f"{key}: "
                yield from _unknown_keys(entry, inner, where)


def _is_struct(one: Any) -> bool:
    return isinstance(one, type) and issubclass(one, msgspec.Struct)


def _nearest(key: str, known: list[str]) -> str:
    close = get_close_matches(key, known, n=1)
    return f"did you mean {close[0]}" if close else f"there are {', '.join(known)}"
