"""Two runs side by side, for `inro-eval compare`: first what differs between them, then what that seems to have done.

A comparison says whether two runs differ, never why: that depends on what else is not the same. So every recorded
fact that differs is named before the verdict, and what cannot be compared is left out by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from app.core.errors import InputError
from app.core.language import Language
from evaluation import comparison, tally
from evaluation.comparison import Comparison
from evaluation.labels import written
from evaluation.reporting.checks import check
from evaluation.reporting.differing import NAMES, Difference, cautions, differences, other_questions
from evaluation.reporting.pairs import outcomes
from evaluation.reporting.summary import marked
from evaluation.runs.records import Record, RunIdentity
from evaluation.runs.store import Run
from evaluation.tally import Group, Kinki, Marked


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One of the runs. All groups but `own` are over the questions that are compared; None without any."""

    folder: str
    run: RunIdentity
    recorded: int
    complete: bool
    own: Group | None
    """All its questions, in the other run or not."""
    compared: Group | None
    answers: tuple[Group, ...]
    """`single` and `multiple`: by the number of right options."""
    kinki: Kinki
    states: dict[str, int]
    """How many were `answered`, `unreadable`, `too_long` or `failed`."""


class Discordant(msgspec.Struct, frozen=True, kw_only=True):
    """A question that one run alone has right. Letters from a; a run that chose nothing has its status instead."""

    id: str
    answers: str
    a: str
    b: str
    right: Literal["A", "B"]


class LanguageAccuracy(msgspec.Struct, frozen=True, kw_only=True):
    language: Language
    run: Literal["A", "B"]
    compared: Group | None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    format: Literal["inro-comparison/1"] = "inro-comparison/1"
    task: str
    seed: int
    """Of the bootstrap."""
    a: Side
    b: Side
    differences: tuple[Difference, ...]
    cautions: tuple[str, ...]
    other_questions: tuple[str, ...]
    """Ids under which the runs have different questions, or translations with other right answers. They are not
    compared."""
    languages: tuple[LanguageAccuracy, ...]
    comparison: Comparison
    verdict: str
    sentences: tuple[str, ...]
    """The verdict and what limits it."""
    discordant: tuple[Discordant, ...]
    """In A's order of asking."""


def compare_runs(a: Run, b: Run, seed: int) -> Report:
    """Raises InputError for runs of different tasks, for the same run twice, and for records that contradict
    themselves."""
    _check(a, b)
    others = other_questions(a, b)
    kept = [tuple(record for record in run.records if record.item.id not in others) for run in (a, b)]
    result = comparison.compare(outcomes(kept[0]), outcomes(kept[1]), seed, NAMES)
    found = tuple(differences(a.identity, b.identity))
    shared = {record.item.id for record in kept[0]} & {record.item.id for record in kept[1]}
    sides = [
        _side(run, [record for record in own if record.item.id in shared])
        for run, own in zip((a, b), kept, strict=True)
    ]
    return Report(
        task=a.identity.task,
        seed=seed,
        a=sides[0],
        b=sides[1],
        differences=found,
        cautions=tuple(cautions(a, b, found, others)),
        other_questions=others,
        languages=(
            LanguageAccuracy(language=a.identity.language, run="A", compared=sides[0].compared),
            LanguageAccuracy(language=b.identity.language, run="B", compared=sides[1].compared),
        ),
        comparison=result,
        verdict=comparison.verdict(result),
        sentences=tuple(comparison.sentences(result)),
        discordant=tuple(_discordant(kept[0], kept[1])),
    )


def _check(a: Run, b: Run) -> None:
    if a.folder.resolve() == b.folder.resolve():
        raise InputError(f"{a.folder} is given twice: name two runs.")
    if a.identity.task != b.identity.task:
        raise InputError(
            f"{a.folder} is a run of {a.identity.task} and {b.folder} one of {b.identity.task}: "
            "runs of different tasks cannot be compared."
        )
    check(a)
    check(b)


def _side(run: Run, compared: Sequence[Record]) -> Side:
    every = marked(compared)
    states: dict[str, int] = {"answered": 0, "unreadable": 0, "too_long": 0, "failed": 0}
    for one in every:
        states[one.state] += 1
    return Side(
        folder=str(run.folder),
        run=run.identity,
        recorded=len(run.records),
        complete=run.complete,
        own=_group("own", marked(run.records)),
        compared=_group("compared", every),
        answers=tally.groups(every, lambda item: "single" if len(item.answers) == 1 else "multiple"),
        kinki=tally.kinki(every),
        states=states,
    )


def _group(name: str, every: Sequence[Marked]) -> Group | None:
    return tally.group(name, every) if every else None


def _discordant(a: Sequence[Record], b: Sequence[Record]) -> Iterator[Discordant]:
    others = {record.item.id: record for record in b}
    for record in a:
        other = others.get(record.item.id)
        if other and record.correct != other.correct:
            yield Discordant(
                id=record.item.id,
                answers=written(record.item.answers, len(record.item.options)),
                a=_chose(record),
                b=_chose(other),
                right="A" if record.correct else "B",
            )


def _chose(record: Record) -> str:
    if record.status != "answered" or not record.chosen:
        return record.status.replace("_", " ")
    return written(record.chosen, len(record.item.options))
