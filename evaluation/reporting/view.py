"""What the page's template shows of each run and each pair of runs: plots, questions, and lists of bounded length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evaluation.calibration import RiskPoint
from evaluation.reporting.drawn import calibration_plots, category_plot
from evaluation.reporting.items import ID, Column, ShownItem, shown
from evaluation.reporting.pairs import Compared, Difference, ways
from evaluation.reporting.summary import RunSummary, marked, summarise
from evaluation.reporting.wording import Words, clean
from evaluation.runs.records import Status
from evaluation.runs.store import Run
from evaluation.statistics import wilson
from evaluation.tally import Marked

NAME = 60
"""Characters of a run's name."""
_KINKI_AT_MOST, _DIFFERENCES_AT_MOST, _IDS_AT_MOST = 20, 40, 20


@dataclass(frozen=True)
class Unanswered:
    status: Status
    n: int
    ids: str


@dataclass(frozen=True)
class RunView:
    number: int
    name: str
    summary: RunSummary
    categories: str | None
    """SVG, as are the next two."""
    reliability: str | None
    risk: str | None
    risk_rows: tuple[RiskPoint, ...]
    """About ten points of the curve, for a table."""
    kinki: tuple[ShownItem, ...]
    kinki_interval: tuple[float, float] | None
    unanswered: tuple[Unanswered, ...]
    shots: str


@dataclass(frozen=True)
class Side:
    """The questions that one run of a pair alone got right."""

    name: str
    n: int
    items: tuple[ShownItem, ...]


@dataclass(frozen=True)
class PairView:
    number: int
    compared: Compared
    a: str
    b: str
    sides: tuple[Side, Side]
    only_in: tuple[tuple[str, int, str], ...]
    """Run, number and ids of what the other does not have."""
    different: str
    ways: tuple[str, ...]
    """In what the runs differ."""
    other_way: bool
    """Whether one was scored in another way than the other."""


def names(folders: Sequence[Path]) -> tuple[str, ...]:
    """The folders' names, numbered where two are alike."""
    plain = [clean(folder.resolve().name or str(folder), NAME) for folder in folders]
    return tuple(f"{name} ({number})" if plain.count(name) > 1 else name for number, name in enumerate(plain, start=1))


def run_view(number: int, name: str, run: Run, words: Words) -> RunView:
    """Raises InputError for a run that contradicts itself."""
    summary = summarise(run)
    plots = calibration_plots(f"run-{number}", summary.confidence, words)
    kinki = summary.score.kinki if summary.score else None
    bounds = wilson(kinki.chosen, kinki.items) if kinki else None
    column = Column(name, run.identity.settings.how)
    prohibited = [record for record, one in zip(run.records, marked(run.records), strict=True) if _harmful(one)]
    return RunView(
        number=number,
        name=name,
        summary=summary,
        categories=category_plot(f"run-{number}", summary.score, words),
        reliability=plots[0] if plots else None,
        risk=plots[1] if plots else None,
        risk_rows=_tenths(summary.confidence.risk_coverage) if summary.confidence else (),
        kinki=tuple(shown([column], [record]) for record in prohibited[:_KINKI_AT_MOST]),
        kinki_interval=(bounds.low, bounds.high) if bounds else None,
        unanswered=_unanswered(summary, words),
        shots=some_ids(run.identity.settings.shots, words),
    )


def _tenths(points: Sequence[RiskPoint]) -> tuple[RiskPoint, ...]:
    """The first point that covers 10 %, 20 % and so on."""
    wanted = [next(point for point in points if point.coverage >= tenth / 10 - 1e-9) for tenth in range(1, 11)]
    return tuple(dict.fromkeys(wanted))


def _harmful(one: Marked) -> bool:
    return bool(set(one.chosen) & set(one.item.prohibited))


def _unanswered(summary: RunSummary, words: Words) -> tuple[Unanswered, ...]:
    score = summary.score
    if score is None:
        return ()
    found: list[tuple[Status, tuple[str, ...]]] = [
        ("unreadable", score.unreadable),
        ("too_long", score.too_long),
        ("failed", score.failed),
    ]
    return tuple(Unanswered(status, len(ids), some_ids(ids, words)) for status, ids in found if ids)


def some_ids(ids: Sequence[str], words: Words) -> str:
    return words.listed([clean(id_, ID) for id_ in ids[:_IDS_AT_MOST]]) + (" …" if len(ids) > _IDS_AT_MOST else "")


def pair_view(number: int, compared: Compared, runs: Sequence[RunView], words: Words) -> PairView:
    a, b = runs[compared.pair.a], runs[compared.pair.b]
    columns = [Column(run.name, run.summary.run.settings.how) for run in (a, b)]
    result = compared.result
    return PairView(
        number=number,
        compared=compared,
        a=a.name,
        b=b.name,
        sides=(_side(a.name, columns, compared.only_a), _side(b.name, columns, compared.only_b)),
        only_in=tuple(
            (name, len(ids), some_ids(ids, words))
            for name, ids in ((a.name, result.only_in_a), (b.name, result.only_in_b))
            if ids
        ),
        different=some_ids(compared.different, words),
        ways=tuple(words(key) for key in ways(a.summary.run, b.summary.run)),
        other_way=columns[0].how != columns[1].how,
    )


def _side(name: str, columns: Sequence[Column], differences: Sequence[Difference]) -> Side:
    items = tuple(shown(columns, [one.a, one.b]) for one in differences[:_DIFFERENCES_AT_MOST])
    return Side(name, len(differences), items)
