"""Whether a run's records make sense: its file is data from outside once it lies on a disk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from app.core.errors import InputError
from evaluation.items import Item
from evaluation.output import printable
from evaluation.runs.records import Record, Trial
from evaluation.runs.store import ITEMS, Run

_MOST_POINTS = 1_000_000.0
_MOST_OPTIONS = 1_000


def check(run: Run) -> None:
    """Raises InputError, naming the question, for a record that contradicts itself, and for more records than the run
    has questions."""
    path = run.folder / ITEMS
    if len(run.records) > run.identity.items:
        raise InputError(f"{path} holds more questions than the run has: the file was changed.")
    for record in run.records:
        for wrong in (*_wrong_item(record.item), *_wrong_record(record)):
            name = printable(record.item.id[:80])
            raise InputError(f"{path}: the record of question {name} has {wrong}: the file was changed.")


def _wrong_item(item: Item) -> Iterator[str]:
    if not 1 <= len(item.options) <= 26:
        yield "options that cannot be lettered"
    if len(item.options) > _MOST_OPTIONS:
        yield f"more than {_MOST_OPTIONS:,} options"
    if not item.answers or not _positions(item.answers, len(item.options)):
        yield "right answers that are no options"
    if not _positions(item.prohibited, len(item.options)):
        yield "prohibited options that are no options"
    if not 0 <= item.points <= _MOST_POINTS:
        yield "points that are none"
    if item.human_accuracy is not None and not 0 <= item.human_accuracy <= 1:
        yield "an accuracy of people that is none"


def _wrong_record(record: Record) -> Iterator[str]:
    count = len(record.item.options)
    if not _positions(record.chosen or (), count):
        yield "a choice that is no option"
    if record.correct and record.status != "answered":
        yield "a right answer, though it has none"
    for trial in record.trials:
        yield from _wrong_trial(trial, count)


def _wrong_trial(trial: Trial, count: int) -> Iterator[str]:
    if sorted(trial.order) != list(range(count)):
        yield "an order that is none"
    if not _positions(trial.chosen or (), count):
        yield "a choice that is no option"
    if any(len(numbers) not in (0, count) for numbers in (trial.logprobs, trial.tokens, trial.greedy)):
        yield "not one number for each option"


def _positions(positions: Sequence[int], count: int) -> bool:
    """Whether they are positions of options, ascending, none twice."""
    return list(positions) == sorted(set(positions)) and all(0 <= position < count for position in positions)
