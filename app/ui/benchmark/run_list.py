"""Runs and measurements in the side bar, while the page of benchmarks is open."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from app.services.benchmark.views import RunView, SpeedView
from app.ui.benchmark import naming
from app.ui.dated_list import DatedList
from app.ui.theme import Theme


@dataclass(frozen=True)
class _Result:
    id: str
    title: str
    updated_at: datetime


class RunList(DatedList):
    """`opened` tells the id of a run or of a measurement."""

    def __init__(self, theme: Theme) -> None:
        super().__init__(theme)
        self._runs: tuple[RunView, ...] = ()
        self._speeds: tuple[SpeedView, ...] = ()
        self.retranslate()

    def show_all(self, runs: Sequence[RunView], speeds: Sequence[SpeedView]) -> None:
        self._runs, self._speeds = tuple(runs), tuple(speeds)
        self.show_summaries(self._results())

    def retranslate(self) -> None:
        super().retranslate()
        self.setAccessibleName(self.tr("Runs and measurements"))
        self.show_summaries(self._results())

    def _results(self) -> Iterator[_Result]:
        for run in self._runs:
            if (when := _moment(run.created)) is not None:
                name = f"{run.model} · {naming.task(run.task)} · {naming.language(run.language)}"
                yield _Result(run.id, name, when)
        for speed in self._speeds:
            if (when := _moment(speed.created)) is not None:
                yield _Result(speed.id, self.tr("{model} · speed").format(model=speed.model), when)


def _moment(iso: str) -> datetime | None:
    """None for what is no moment, which a file that was changed may hold."""
    try:
        return datetime.fromisoformat(iso).astimezone()
    except (ValueError, OverflowError, OSError):
        return None
