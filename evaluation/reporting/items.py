"""Single questions as a report shows them: bounded texts, and what each run made of every option."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.core.language import Language
from evaluation.items import Item
from evaluation.labels import letters
from evaluation.readings import letter_probabilities, option_probabilities
from evaluation.reporting.confidence import has_probabilities
from evaluation.reporting.wording import clean
from evaluation.runs.records import How, Record

QUESTION, OPTION, WRITTEN, ID = 1500, 300, 600, 60
"""Characters of each that are shown."""
_OPTIONS_AT_MOST = 26


@dataclass(frozen=True)
class Column:
    """A run in a question's table."""

    name: str
    how: How


@dataclass(frozen=True)
class Cell:
    chosen: bool
    probability: float | None


@dataclass(frozen=True)
class ShownOption:
    letter: str
    texts: tuple[str, ...]
    """In the languages of the item."""
    right: bool
    prohibited: bool
    cells: tuple[Cell, ...]
    """One for each run."""


@dataclass(frozen=True)
class ShownItem:
    id: str
    languages: tuple[Language, ...]
    """One, or two where the runs asked in different languages."""
    questions: tuple[str, ...]
    options: tuple[ShownOption, ...]
    columns: tuple[str, ...]
    answered: tuple[bool, ...]
    written: tuple[tuple[str, str], ...]
    """Run and what it wrote, where it wrote anything."""


def shown(columns: Sequence[Column], records: Sequence[Record]) -> ShownItem:
    """One question as one run or several asked it: one record for each column."""
    versions: dict[Language, Item] = {}
    for record in records:
        versions.setdefault(record.item.language, record.item)
    first = records[0].item
    count = min(len(first.options), _OPTIONS_AT_MOST)
    chances = [_probabilities(column.how, record) for column, record in zip(columns, records, strict=True)]
    return ShownItem(
        id=clean(first.id, ID),
        languages=tuple(versions),
        questions=tuple(clean(_asked(item), QUESTION) for item in versions.values()),
        options=tuple(
            ShownOption(
                letter,
                tuple(clean(item.options[position], OPTION) for item in versions.values()),
                position in first.answers,
                position in first.prohibited,
                tuple(
                    Cell(position in (record.chosen or ()), row[position] if row else None)
                    for record, row in zip(records, chances, strict=True)
                ),
            )
            for position, letter in enumerate(letters(count))
        ),
        columns=tuple(column.name for column in columns),
        answered=tuple(record.status == "answered" for record in records),
        written=tuple(
            (column.name, clean(text, WRITTEN))
            for column, record in zip(columns, records, strict=True)
            if (text := _text(record))
        ),
    )


def _text(record: Record) -> str | None:
    """What was written where it chose what the record says; of several such texts the first."""
    agreeing = [trial for trial in record.trials if trial.chosen == record.chosen]
    return next((trial.text for trial in (*agreeing, *record.trials)), None)


def _asked(item: Item) -> str:
    return f"{item.context}\n\n{item.question}" if item.context else item.question


def _probabilities(how: How, record: Record) -> tuple[float, ...] | None:
    if not has_probabilities(record):
        return None
    if how == "option":
        return option_probabilities(record.item, record.trials, "character")
    return letter_probabilities(record.trials)
