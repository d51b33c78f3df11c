"""The plots of a run, with the report's words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from evaluation.comparison import CategoryComparison
from evaluation.reporting import plots
from evaluation.reporting.confidence import Confidence
from evaluation.reporting.plots import Row
from evaluation.reporting.svg import Caption
from evaluation.reporting.wording import Words, clean
from evaluation.tally import Group, Score, whole

CATEGORIES_AT_MOST = 60
_NAME = 40


def category_name(name: str, words: Words) -> str:
    return words("no_category") if name == "-" else clean(name, _NAME)


_Members = TypeVar("_Members", Group, CategoryComparison)


def largest(groups: Sequence[_Members]) -> list[_Members]:
    """The groups that are shown: those with most questions first."""
    return sorted(groups, key=lambda group: (-_size(group), group.name))[:CATEGORIES_AT_MOST]


def _size(group: Group | CategoryComparison) -> int:
    return group.n if isinstance(group, Group) else group.result.n


def category_plot(id_: str, score: Score | None, words: Words) -> str | None:
    """None where the questions are in no categories."""
    if score is None or not score.categories:
        return None
    total = _row(words("all_questions"), whole(score), strong=True)
    members = [_row(category_name(group.name, words), group) for group in largest(score.categories)]
    return _forest(f"{id_}-categories", words("forest_title"), [total, *members], words)


def runs_plot(groups: Sequence[tuple[str, Group]], words: Words) -> str | None:
    """The accuracies of several runs; None for fewer than two."""
    if len(groups) < 2:
        return None
    return _forest("runs", words("forest_runs_title"), [_row(name, group) for name, group in groups], words)


def _row(name: str, group: Group, strong: bool = False) -> Row:
    return Row(name, group.n, group.accuracy, *group.interval_95, group.human_accuracy, strong)


def _forest(id_: str, title: str, rows: Sequence[Row], words: Words) -> str:
    return plots.forest(
        Caption(id_, title, words("forest_description", n=len(rows))),
        rows,
        plots.ForestWords(words("forest_axis"), words("forest_interval"), words("forest_people"), words("questions")),
    )


def calibration_plots(id_: str, found: Confidence | None, words: Words) -> tuple[str, str] | None:
    """The reliability diagram and the risk-coverage curve."""
    if found is None:
        return None
    reliability = plots.reliability(
        Caption(f"{id_}-reliability", words("reliability_title"), words("reliability_description")),
        found.bins,
        plots.ReliabilityWords(
            words("reliability_confidence"),
            words("reliability_accuracy"),
            words("reliability_ideal"),
            words("questions"),
        ),
    )
    risk = plots.risk_coverage(
        Caption(f"{id_}-risk", words("risk_title"), words("risk_description")),
        found.risk_coverage,
        plots.RiskWords(words("risk_coverage"), words("risk_risk"), words("risk_overall")),
    )
    return reliability, risk
