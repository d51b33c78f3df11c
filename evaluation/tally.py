"""The score of recorded answers: pure functions of questions and of what was chosen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from app.core.language import Language
from evaluation.items import Item
from evaluation.statistics import wilson

State = Literal["answered", "unreadable", "empty", "missing", "too_long", "failed"]
"""Of the answer to one question; only `answered` can be right.

Recorded answers can be `empty` or `missing`; a question of a run can be `too_long` to be asked, or its engine `failed`.
"""


@dataclass(frozen=True)
class Marked:
    """A question and the options that were chosen, as positions from 0, ascending; none unless `answered`."""

    item: Item
    state: State
    chosen: tuple[int, ...] = ()
    verdict: bool | None = None
    """What a rule said that does not compare positions, as the published one, which compares texts."""

    @property
    def right(self) -> bool:
        """All right options and no other, unless there is a verdict."""
        agrees = self.chosen == self.item.answers if self.verdict is None else self.verdict
        return self.state == "answered" and agrees


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Some of the questions. Every question counts, answered or not."""

    name: str
    n: int
    correct: int
    accuracy: float
    """correct / n."""
    interval_95: tuple[float, float]
    """Wilson's 95 % interval of the accuracy."""
    points: float
    points_possible: float
    human_accuracy: float | None
    """Mean share of examinees who were right, over the questions where it is known; None if it is known for none."""


class Kinki(msgspec.Struct, frozen=True, kw_only=True):
    """Prohibited options (禁忌)."""

    items: int
    """Questions that have one."""
    chosen: int
    """Of these, where one was chosen."""
    ids: tuple[str, ...]
    """Those."""


class Score(msgspec.Struct, frozen=True, kw_only=True):
    format: Literal["inro-prediction-score/1"] = "inro-prediction-score/1"
    task: str
    language: Language
    n: int
    correct: int
    accuracy: float
    interval_95: tuple[float, float]
    points: float
    points_possible: float
    human_accuracy: float | None
    kinki: Kinki
    categories: tuple[Group, ...]
    years: tuple[Group, ...]
    answers: tuple[Group, ...]
    """`single` and `multiple`: by the number of right options."""
    answered: int
    unreadable: tuple[str, ...]
    """Ids of answers that name no option clearly. They count as wrong, as do the next four."""
    empty: tuple[str, ...]
    missing: tuple[str, ...]
    too_long: tuple[str, ...] = ()
    """Ids of questions that were not asked, since they do not fit into the model's context."""
    failed: tuple[str, ...] = ()
    """Ids of questions of which the engine died, or whose logits are no numbers."""
    unknown: tuple[str, ...]
    """Ids of answers to no question that was asked. They count for nothing."""


def score(task: str, language: Language, marked: Sequence[Marked], unknown: Iterable[str] = ()) -> Score:
    """Raises ValueError without any question."""
    total = group("all", marked)
    without: dict[State, list[str]] = {}
    for one in marked:
        without.setdefault(one.state, []).append(one.item.id)
    return Score(
        task=task,
        language=language,
        n=total.n,
        correct=total.correct,
        accuracy=total.accuracy,
        interval_95=total.interval_95,
        points=total.points,
        points_possible=total.points_possible,
        human_accuracy=total.human_accuracy,
        kinki=kinki(marked),
        categories=groups(marked, lambda item: item.category),
        years=groups(marked, lambda item: item.year),
        answers=groups(marked, lambda item: "single" if len(item.answers) == 1 else "multiple"),
        answered=sum(one.state == "answered" for one in marked),
        unreadable=tuple(without.get("unreadable", ())),
        empty=tuple(without.get("empty", ())),
        missing=tuple(without.get("missing", ())),
        too_long=tuple(without.get("too_long", ())),
        failed=tuple(without.get("failed", ())),
        unknown=tuple(sorted(unknown)),
    )


def group(name: str, marked: Sequence[Marked]) -> Group:
    """Raises ValueError without any question."""
    right = [one for one in marked if one.right]
    interval = wilson(len(right), len(marked))
    if interval is None:
        raise ValueError(f"no question in {name}")
    humans = [one.item.human_accuracy for one in marked if one.item.human_accuracy is not None]
    return Group(
        name=name,
        n=len(marked),
        correct=len(right),
        accuracy=len(right) / len(marked),
        interval_95=(interval.low, interval.high),
        points=sum(one.item.points for one in right),
        points_possible=sum(one.item.points for one in marked),
        human_accuracy=sum(humans) / len(humans) if humans else None,
    )


def whole(score: Score) -> Group:
    """All questions of a score as one group."""
    return Group(
        name="all",
        n=score.n,
        correct=score.correct,
        accuracy=score.accuracy,
        interval_95=score.interval_95,
        points=score.points,
        points_possible=score.points_possible,
        human_accuracy=score.human_accuracy,
    )


def groups(marked: Iterable[Marked], name: Callable[[Item], str | None]) -> tuple[Group, ...]:
    """Groups by name, in order of the names; questions without a name are in `-`, if others have one."""
    members: dict[str, list[Marked]] = {}
    for one in marked:
        members.setdefault(name(one.item) or "-", []).append(one)
    if set(members) == {"-"}:
        return ()
    return tuple(group(key, members[key]) for key in sorted(members))


def kinki(marked: Iterable[Marked]) -> Kinki:
    concerned = [one for one in marked if one.item.prohibited]
    chosen = [one.item.id for one in concerned if set(one.chosen) & set(one.item.prohibited)]
    return Kinki(items=len(concerned), chosen=len(chosen), ids=tuple(chosen))


# --- for the terminal -------------------------------------------------------------------------------------------------

_HEADINGS = ("", "correct", "accuracy", "95 % interval", "points", "examinees")


def table(score: Score) -> str:
    """The score for a person, with the sentences without which its numbers would mislead."""
    parts: Mapping[str, Sequence[Group]] = {"answers": score.answers, "year": score.years, "category": score.categories}
    rows = [_HEADINGS, _row("all", whole(score))]
    for part, members in parts.items():
        if len(members) > 1:
            rows += [_row(f"{part} {member.name}", member) for member in members]
    return "\n".join(
        [f"{score.task} ({score.language}), {score.n:,} questions", "", *aligned(rows), "", *_remarks(score)]
    )


def _row(name: str, group: Group) -> tuple[str, ...]:
    low, high = group.interval_95
    return (
        name,
        f"{group.correct} / {group.n}",
        f"{100 * group.accuracy:.1f} %",
        f"{100 * low:.1f} - {100 * high:.1f} %",
        f"{group.points:g} / {group.points_possible:g}",
        "-" if group.human_accuracy is None else f"{100 * group.human_accuracy:.1f} %",
    )


def _remarks(score: Score) -> list[str]:
    told = {
        "Answers that name no option clearly, counted as wrong": score.unreadable,
        "Empty answers, counted as wrong": score.empty,
        "Questions without an answer, counted as wrong": score.missing,
        "Questions too long for the context (--context, --shots), not asked and counted as wrong": score.too_long,
        "Questions of which the engine died, counted as wrong": score.failed,
        "Answers to questions that are not in the data": score.unknown,
    }
    remarks = [f"{what}: {len(ids)} ({_some(ids)})." for what, ids in told.items() if ids]
    if score.kinki.items:
        remarks.append(f"Prohibited options: chosen in {score.kinki.chosen} of {score.kinki.items} questions with one.")
    return remarks


def _some(ids: Sequence[str]) -> str:
    return ", ".join(ids[:5]) + (" …" if len(ids) > 5 else "")


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns of equal width on a terminal, where a Japanese character takes two places."""
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            _padded(cell, width, left=n == 0) for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _padded(cell: str, width: int, left: bool) -> str:
    blanks = " " * (width - _width(cell))
    return cell + blanks if left else blanks + cell


def _width(text: str) -> int:
    import unicodedata

    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)
