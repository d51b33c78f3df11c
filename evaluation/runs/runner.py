"""Asking a model all questions of a run, and writing down each as it ends.

Killed at any moment and resumed, a run ends with the same records as one that was not: the questions are asked in
groups that depend on the questions alone, and a group that was cut short is asked again as a whole.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

from app.core.errors import InputError
from evaluation.items import Item
from evaluation.output import printable
from evaluation.runs.backend import Backend, Prompt
from evaluation.runs.records import Record, item_sha256
from evaluation.runs.store import ITEMS, RunFile
from evaluation.runs.ways import Asked, Way

_WINDOW = 64
"""Items whose prompts are held at once: memory stays bounded whatever their number."""
_SAMPLE = 16


def in_order(items: Sequence[Item]) -> tuple[Item, ...]:
    """The order of asking: those with as many options, whose prompts begin alike, after each other."""
    return tuple(sorted(items, key=lambda item: len(item.options)))


def data_sha256(items: Sequence[Item]) -> str:
    """Of all questions, in this order."""
    return hashlib.sha256("\n".join(map(item_sha256, items)).encode("ascii")).hexdigest()


def run(
    way: Way, backend: Backend, items: Sequence[Item], file: RunFile, on_record: Callable[[Record], None]
) -> tuple[Record, ...]:
    """Ask every item that `file` has no record of, in the order of `in_order`, and return the records of all.

    `on_record` is told of each, kept ones included. Whatever the backend raises ends the run; what was recorded until
    then is in `file`. Raises InputError where `file` has a record of another question, or of one that was asked in
    other words.
    """
    kept = {one.item.id: one for one in file.kept}
    if others := kept.keys() - {item.id for item in items}:
        raise InputError(_other_words(min(others)))
    records: list[Record] = []
    for _, alike in groupby(in_order(items), key=lambda item: len(item.options)):
        own = list(alike)
        backend.share(_sample(way, own))
        for group in _groups(way, backend, own):
            for record in _answered(way, backend, group, kept, file):
                records.append(record)
                on_record(record)
    return tuple(records)


def _sample(way: Way, items: Sequence[Item]) -> list[Prompt]:
    step = max(1, len(items) // _SAMPLE)
    return [question.prompt for item in items[::step] for question in way.asked(item).questions]


def _groups(way: Way, backend: Backend, items: Sequence[Item]) -> Iterator[list[Asked]]:
    for start in range(0, len(items), _WINDOW):
        window = [way.asked(item) for item in items[start : start + _WINDOW]]
        for places in backend.groups([asked.questions for asked in window], way.decoding):
            yield window[places.start : places.stop]


def _answered(
    way: Way,
    backend: Backend,
    group: Sequence[Asked],
    kept: dict[str, Record],
    file: RunFile,
) -> Iterator[Record]:
    known = [_earlier(asked, kept) for asked in group]
    if all(known):
        yield from (record for record in known if record)
        return
    # As a whole, so that the others' numbers do not depend on where a run was cut.
    for record, earlier in zip(way.records(backend, group), known, strict=True):
        if earlier is None:
            file.append(record)
        yield earlier or record


def _earlier(asked: Asked, kept: dict[str, Record]) -> Record | None:
    """The record of this very question, if there is one."""
    record = kept.get(asked.item.id)
    if record and (record.item, record.prompt_sha256) != (asked.item, asked.prompt_sha256):
        raise InputError(_other_words(asked.item.id))
    return record


def _other_words(name: str) -> str:
    return (
        f"Question {printable(name[:80])} was recorded in other words than it is asked in now: {ITEMS} was changed, or "
        "another version of inro-eval wrote it. Choose another folder."
    )
