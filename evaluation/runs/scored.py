"""A run by a model file from its preparation to its summary: what the command and the window do alike."""

from __future__ import annotations

from collections.abc import Callable
from math import isinf
from pathlib import Path

import msgspec

from app import __version__
from app.core.files import write_atomically
from app.core.language import Language
from evaluation.labels import letters
from evaluation.reporting.summary import RunSummary, summarise, summary_json
from evaluation.runs.backend import Backend, Question
from evaluation.runs.engine_backend import EngineBackend
from evaluation.runs.records import Record, RunIdentity
from evaluation.runs.request import Prepared
from evaluation.runs.runner import data_sha256, run
from evaluation.runs.store import ITEMS, RESULT, RunFile, read_run
from evaluation.runs.ways import way

_CLOSE = 0.3
"""Nats. What rounding makes of questions asked together was up to 0.07 in a small Q8_0 file."""
_CHECKED = 4  # questions


def settle_batching(folder: Path, resume: bool, backend: EngineBackend, prepared: Prepared) -> str:
    """Decide whether `backend` asks questions together, and return a sentence where it does not; empty otherwise.

    A resumed run stays as it began; a new one asks together where that leaves the probabilities as they are.
    """
    if resume and (folder / ITEMS).exists() and (earlier := read_run(folder)).records:
        backend.together = earlier.identity.settings.batched
        return ""
    difference = _difference(backend, prepared)
    backend.together = difference <= _CLOSE
    if backend.together:
        return ""
    found = (
        "cannot be asked together of this model"
        if isinf(difference)
        else f"asked together differ from those asked alone by up to {difference:.2g} nats on this machine"
    )
    return f"Questions {found}, so each is asked by itself, which takes longer."


def _difference(backend: EngineBackend, prepared: Prepared) -> float:
    items = prepared.items[:_CHECKED]
    prompts = [prepared.wording.prompt(item) for item in items]
    backend.share(prompts)
    questions = [Question(prompt, letters(len(item.options))) for prompt, item in zip(prompts, items, strict=True)]
    return backend.largest_difference(questions)


def identity(task: str, language: Language, prepared: Prepared, backend: Backend) -> RunIdentity:
    return RunIdentity(
        inro=__version__,
        model=backend.model,
        engine=backend.engine,
        task=task,
        language=language,
        items=len(prepared.items),
        data_sha256=data_sha256(prepared.items),
        settings=prepared.settings,
    )


def ask(prepared: Prepared, backend: Backend, file: RunFile, on_record: Callable[[Record], None]) -> None:
    """Ask what `file` has no record of; `on_record` is told of every record, kept ones included."""
    run(way(prepared.settings, prepared.wording), backend, prepared.items, file, on_record)


def sum_up(folder: Path) -> RunSummary:
    """Write the summary of the run in `folder` beside its records."""
    summary = summarise(read_run(folder))
    result = msgspec.json.format(msgspec.json.encode(summary_json(summary)), indent=2) + b"\n"
    write_atomically(folder / RESULT, result)
    return summary
