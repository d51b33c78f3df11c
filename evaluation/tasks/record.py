"""The one-object-a-line schema of questions, which IgakuQA began, and the checks that all layouts share."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from math import isfinite
from typing import Any, TypeVar

import msgspec

from app.core.language import Language
from evaluation.items import Item
from evaluation.tasks.loading import Contradictory, Filtered, Malformed

MOST_OPTIONS = 26
"""As many as there are letters."""

T = TypeVar("T")


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the schema. Further fields are allowed and not read."""

    problem_id: str | int
    problem_text: str
    choices: list[str]
    answer: list[str] | str
    """Letters from a: `["a", "c"]` or "a,c". All of them must be named."""
    points: float | str = 1.0
    text_only: bool = True
    context: str | None = None
    category: str | None = None
    year: str | int | None = None
    kinki: list[str] | str = []
    """Letters of the prohibited options."""
    human_accuracy: float | str | None = None
    """Percent, from 0 to 100."""
    language: Language | None = None


def record_item(value: Any, task: str, language: Language) -> Item:
    """Raises Unusable."""
    record = converted(value, Record)
    if record.language not in (None, language):
        raise Filtered("it is in another language")
    options = checked_options(record.choices)
    answers = letters(record.answer, len(options))
    return checked(
        Item(
            id=str(record.problem_id),
            task=task,
            language=language,
            question=record.problem_text,
            options=options,
            answers=answers,
            points=points(record.points),
            context=record.context,
            category=record.category,
            year=None if record.year is None else str(record.year),
            prohibited=prohibited(record.kinki, len(options), answers),
            human_accuracy=share(record.human_accuracy),
            text_only=record.text_only,
        )
    )


def converted(value: Any, kind: type[T]) -> T:
    """`value`, as it was decoded, as a struct of the layout. Raises Malformed, which says nothing of the value."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        what = str(error)
        if "enum value" in what:
            # msgspec says which value it was, and it may be anything.
            what = f"Invalid value - at {what.rpartition(' - at ')[2]}"
        raise Malformed(what) from error


def checked(item: Item) -> Item:
    """What every layout must give. Raises Malformed."""
    if not item.id.strip():
        raise Malformed("its id is empty")
    if not item.question.strip():
        raise Malformed("its question is empty")
    if not item.answers:
        raise Malformed("it has no answer")
    if not set(item.answers) <= set(range(len(item.options))):
        raise Malformed(f"its answer is not one of its {len(item.options)} options")
    return item


def checked_options(options: Sequence[str]) -> tuple[str, ...]:
    """Raises Filtered for a question without options, Malformed for a number of them that is no choice."""
    if not options:
        raise Filtered("it has no options: a number or a text is asked for")
    if not 2 <= len(options) <= MOST_OPTIONS:
        raise Malformed(f"it has {len(options)} options; 2 to {MOST_OPTIONS} can be asked")
    if empty := [letter(n) for n, option in enumerate(options) if not option.strip()]:
        raise Malformed(f"option {empty[0]} is empty")
    return tuple(options)


def letter(position: int) -> str:
    """a for 0."""
    return chr(ord("a") + position)


def letters(text: Sequence[str] | str, n: int) -> tuple[int, ...]:
    """Positions of letters from a, ascending: "c", ["a", "c"] or "a,c". Raises Malformed."""
    names = text.split(",") if isinstance(text, str) else list(text)
    return _positions(names, [letter(position) for position in range(n)])


def digits(names: Sequence[str], n: int) -> tuple[int, ...]:
    """Positions of digits from 1, ascending. Raises Malformed."""
    return _positions(names, [str(position + 1) for position in range(n)])


def _positions(names: Iterable[str], known: Sequence[str]) -> tuple[int, ...]:
    plain = [unicodedata.normalize("NFKC", name).strip().casefold() for name in names]
    if any(" or " in name for name in plain):
        raise Filtered("it accepts one answer or another")
    if any(name not in known for name in plain):
        raise Malformed(f"its answer names something that is none of {known[0]} to {known[-1]}")
    if len(set(plain)) < len(plain):
        raise Malformed("its answer names an option twice")
    return tuple(sorted(known.index(name) for name in plain))


def prohibited(text: Sequence[str] | str, n: int, answers: Sequence[int]) -> tuple[int, ...]:
    """Positions of prohibited options, ascending. Raises Malformed or Contradictory.

    IgakuQA spells them in several ways: ["d", "e"], ["de"], ["ｂ"], ["d", " e"].
    """
    plain = unicodedata.normalize("NFKC", "".join(text)).casefold()
    names = sorted({character for character in plain if character not in " ,、"})
    found = letters(names, n)
    if both := set(found) & set(answers):
        raise Contradictory(f"its answer {letter(min(both))} is also prohibited")
    return found


def points(value: float | str) -> float:
    """Raises Malformed unless it is a number that is not negative. 0: the examiners took the question out."""
    number = _number(value, "points")
    if number < 0:
        raise Malformed(f"its points are negative: {value}")
    return number


def share(percent: float | str | None) -> float | None:
    """A share from 0 to 1; None where nothing is given. Raises Malformed outside 0 to 100 percent."""
    if percent is None or percent == "":
        return None
    number = _number(percent, "human_accuracy")
    if not 0 <= number <= 100:
        raise Malformed(f"its human_accuracy is no percentage: {number:g}")
    return number / 100


def _number(value: float | str, name: str) -> float:
    try:
        number = float(value)
    except ValueError:
        raise Malformed(f"its {name} is no number") from None
    if not isfinite(number):
        raise Malformed(f"its {name} is no number: {number}")
    return number
