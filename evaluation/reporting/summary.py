"""Everything that a run says, as numbers: a pure function of its records, the same on every machine and day."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import comb, fsum
from typing import Any, Literal

import msgspec

from evaluation import exam, tally
from evaluation.readings import READINGS, letter_probabilities, option_choices
from evaluation.reporting.checks import check
from evaluation.reporting.confidence import Confidence, confidence, has_probabilities
from evaluation.reporting.stability import Stability, stability
from evaluation.reporting.thresholds import FOLDS, Likely, cross_fitted
from evaluation.runs.records import Record, RunIdentity
from evaluation.runs.store import Run
from evaluation.tally import Group, Marked, Score


class Threshold(msgspec.Struct, frozen=True, kw_only=True):
    """The options nearly as likely as the most likely one, without knowing how many are right (reporting.thresholds).

    Its questions are all of the run's; one without probabilities counts as wrong, as everywhere.
    """

    folds: int
    thresholds: tuple[float, ...]
    """t of each fold."""
    all: Group
    multiple: Group
    """Questions with several right options."""
    as_many: int
    """Questions of `multiple` where as many options were chosen as are right."""


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """Why questions were not answered."""

    status: Literal["too_long", "failed"]
    reason: str
    n: int


class RunSummary(msgspec.Struct, frozen=True, kw_only=True):
    format: Literal["inro-run-summary/1"] = "inro-run-summary/1"
    run: RunIdentity
    recorded: int
    """Questions with a record, of `run.items`."""
    complete: bool
    score: Score | None
    """With `letter` and `option` the number of right options is known to what chooses; None without any record."""
    chance: float | None
    """The accuracy that guessing is expected to have, if it knows how many options are right."""
    examination: tuple[exam.YearReport, ...]
    """Years of the Japanese national examination."""
    threshold: Threshold | None
    """letter: None where all questions have one right option, or there are too few."""
    confidence: Confidence | None
    """letter."""
    readings: tuple[Group, ...]
    """option: `sum`, `character`, `byte` and `token`."""
    stability: Stability | None
    """None where no question was asked more than once."""
    exact: Group | None
    """paper, paper-fixed: by exact match; `score` is by Gestalt matching."""
    reasons: tuple[Reason, ...]
    """Most frequent first, at most 20."""


_REASONS_AT_MOST = 20


def marked(records: Sequence[Record]) -> tuple[Marked, ...]:
    """The records as the score counts them. What is right is what the run wrote down: the published rule compares the
    texts of options, not their positions."""
    return tuple(
        Marked(record.item, record.status, (record.chosen or ()) if record.status == "answered" else (), record.correct)
        for record in records
    )


def summarise(run: Run) -> RunSummary:
    """Raises InputError for a run whose records contradict themselves."""
    check(run)
    identity, records = run.identity, run.records
    how = identity.settings.how
    all_marked = marked(records)
    return RunSummary(
        run=identity,
        recorded=len(records),
        complete=run.complete,
        score=tally.score(identity.task, identity.language, all_marked) if records else None,
        chance=fsum(1 / comb(len(r.item.options), len(r.item.answers)) for r in records) / len(records)
        if records
        else None,
        examination=tuple(map(exam.report, exam.by_year(all_marked))) if identity.task == "igakuqa" else (),
        threshold=_threshold(records) if how == "letter" else None,
        confidence=confidence(records) if how == "letter" else None,
        readings=_readings(records) if how == "option" else (),
        stability=stability(records, identity.settings.samples),
        exact=_exact(records) if how in ("paper", "paper-fixed") else None,
        reasons=_reasons(records),
    )


def _threshold(records: Sequence[Record]) -> Threshold | None:
    asked = [
        Likely(record.item.id, letter_probabilities(record.trials), record.item.answers)
        for record in records
        if has_probabilities(record)
    ]
    fitted = cross_fitted(asked)
    if fitted is None:
        return None
    chosen = [_chose(record, fitted.chosen.get(record.item.id)) for record in records]
    multiple = [one for one in chosen if len(one.item.answers) > 1]
    return Threshold(
        folds=FOLDS,
        thresholds=fitted.thresholds,
        all=tally.group("threshold", chosen),
        multiple=tally.group("threshold, multiple", multiple),
        as_many=sum(len(one.chosen) == len(one.item.answers) for one in multiple),
    )


def _readings(records: Sequence[Record]) -> tuple[Group, ...]:
    if not records:
        return ()
    return tuple(
        tally.group(
            reading,
            [
                _chose(record, option_choices(record.item, record.trials, reading) if _has_texts(record) else None)
                for record in records
            ],
        )
        for reading in READINGS
    )


def _has_texts(record: Record) -> bool:
    return has_probabilities(record) and all(trial.tokens for trial in record.trials)


def _chose(record: Record, chosen: tuple[int, ...] | None) -> Marked:
    return Marked(record.item, "unreadable") if chosen is None else Marked(record.item, "answered", chosen)


def _exact(records: Sequence[Record]) -> Group | None:
    if not records:
        return None
    return tally.group(
        "exact",
        [
            Marked(record.item, "answered", verdict=bool(record.trials) and record.trials[0].exact is True)
            for record in records
        ],
    )


def _reasons(records: Sequence[Record]) -> tuple[Reason, ...]:
    counts = Counter((record.status, record.reason) for record in records if record.status in ("too_long", "failed"))
    ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return tuple(
        Reason(status="too_long" if status == "too_long" else "failed", reason=reason, n=n)
        for (status, reason), n in ranked[:_REASONS_AT_MOST]
    )


def summary_json(summary: RunSummary) -> dict[str, Any]:
    built: dict[str, Any] = msgspec.to_builtins(summary)
    return built


# --- for the terminal -------------------------------------------------------------------------------------------------


def summary_text(summary: RunSummary) -> str:
    """The summary for a person. Texts in it come from files: print it with `output.printable`."""
    settings = summary.run.settings
    lines = [f"{summary.run.model.file}, {settings.how}, {settings.template}"]
    if not summary.complete:
        lines.append(f"Unfinished: {summary.recorded:,} of {summary.run.items:,} questions. The numbers are of these.")
    if summary.score is None:
        return "\n".join([*lines, "No question was answered yet."])
    lines += ["", tally.table(summary.score)]
    lines += [f"Examination of {exam.sentence(year)}." for year in summary.examination]
    return "\n".join([*lines, *_remarks(summary)]).rstrip()


def _remarks(summary: RunSummary) -> list[str]:
    lines = []
    if summary.threshold:
        told = _share(summary.threshold.all), _share(summary.threshold.multiple)
        lines.append(f"Number of right options not known: {told[0]} of all, {told[1]} of those with several.")
    if summary.readings:
        lines.append(
            "By " + ", ".join(f"{group.name} {100 * group.accuracy:.1f} %" for group in summary.readings) + "."
        )
    if summary.exact:
        lines.append(f"By exact match: {_share(summary.exact)}.")
    if summary.confidence:
        lines.append(_confidence(summary.confidence))
    if summary.stability:
        lines += _stability(summary.stability)
    return lines


def _share(group: Group) -> str:
    low, high = group.interval_95
    return f"{100 * group.accuracy:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"


def _confidence(found: Confidence) -> str:
    return (
        f"Calibration, over {found.n:,} questions with one right option: ECE {100 * found.ece:.1f} points, "
        f"Brier {found.brier:.3f}, AURC {found.aurc:.3f}."
    )


def _stability(found: Stability) -> list[str]:
    lines = []
    if found.flip_rate is not None:
        places = ", ".join(f"{100 * group.accuracy:.1f} %" for group in found.positions)
        lines.append(f"Options in other orders: the choice changes in {100 * found.flip_rate:.1f} %; alone: {places}.")
    if found.agreement is not None:
        lines.append(f"Samples that agree with the most frequent one: {100 * found.agreement:.1f} %.")
    return lines
