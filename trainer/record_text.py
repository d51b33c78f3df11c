"""A run record as text for a person."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from trainer.planning.text import duration, size
from trainer.records import DataFile, RunRecord

MOST_LOSSES = 12
"""Lines of losses; the first and the last are always among them."""

_OF_MEMORY = ("memory", "gpu_memory", "peak_memory", "peak_gpu_memory", "peak_gpu_memory_reserved")


def record_text(record: RunRecord) -> str:
    sections: list[tuple[str, Iterable[str]]] = [
        ("run", _run(record)),
        ("counts", _pairs(record.counts)),
        ("losses", _losses(record)),
        ("validation", _validation(record)),
        ("evaluation", _evaluation(record)),
        ("data", _files(record.data)),
        ("held out", _files(record.held_out)),
        ("base", _files(record.base)),
        ("configuration", _pairs(record.configuration)),
        ("machine", _machine(record)),
        ("versions", _pairs(record.versions)),
    ]
    return "\n".join(chain.from_iterable(_section(name, lines) for name, lines in sections))


def _section(name: str, lines: Iterable[str]) -> Iterator[str]:
    found = list(lines)
    if found:
        yield name
        yield from (f"  {line}" for line in found)


def _run(record: RunRecord) -> Iterator[str]:
    yield f"{record.recipe}, started {record.started}, {duration(record.duration_s / 3600)} of computing"
    for resumed in record.resumed:
        yield f"went on from step {resumed.step} at {resumed.at}"
    if record.stopped_early:
        yield "ended early: the validation loss no longer fell"
    if record.best_step is not None:
        yield f"the weights are those of step {record.best_step}, with the lowest validation loss"
    if record.git:
        yield f"program at commit {record.git.commit}{' with changes in no commit' if record.git.dirty else ''}"


def _pairs(values: dict[str, Any]) -> Iterator[str]:
    for name, value in values.items():
        yield f"{name}: {_value(value)}"


def _value(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, list | tuple):
        return ", ".join(map(_value, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _losses(record: RunRecord) -> Iterator[str]:
    losses = record.losses
    gap = max(1, -(-len(losses) // MOST_LOSSES))
    for number, entry in enumerate(losses):
        if number % gap == 0 or number == len(losses) - 1:
            yield f"step {entry.step:>7,}  {entry.loss:.4f}  learning rate {entry.learning_rate:.2e}"


def _validation(record: RunRecord) -> Iterator[str]:
    for entry in record.validation:
        best = "  the best" if entry.step == record.best_step else ""
        yield f"step {entry.step:>7,}  {entry.loss:.4f}{best}"


def _evaluation(record: RunRecord) -> Iterator[str]:
    for one in record.evaluation:
        low, high = one.interval_95
        yield (
            f"step {one.step:>7,}  {one.task} ({one.language}): {one.correct} of {one.n} right, {one.accuracy:.1%} "
            f"(95 % interval {low:.1%} to {high:.1%})"
        )


def _files(files: Iterable[DataFile]) -> Iterator[str]:
    for file in files:
        yield f"{file.name}  {size(file.bytes)}  sha256 {file.sha256}"


def _machine(record: RunRecord) -> Iterator[str]:
    for name, value in record.machine.items():
        yield f"{name}: {size(int(value)) if name in _OF_MEMORY else _value(value)}"
    for one in record.energy:
        yield f"energy of {one.of}: {one.watt_hours:,.1f} Wh"
