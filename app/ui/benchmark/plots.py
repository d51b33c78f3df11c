"""The page's plots: with units, intervals, the theme's colours, and their content as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QFont, QFontMetrics, QWheelEvent

from app.services.benchmark.views import Bin, Group, Share, SpeedPoint
from app.ui import quantities
from app.ui.benchmark import naming
from app.ui.palette import LIGHT, Palette
from app.ui.theme import Theme

_LINE_PIXELS, _MARK_PIXELS = 2, 10
_MARKS = ("o", "s")
"""Series differ by their mark too, not by colour alone."""
_AIR = 0.12
_HEIGHT = 270
_ROW_PIXELS = 46
_LONGEST_NAME = 30


@dataclass(frozen=True)
class Series:
    """Shares of one run, by group."""

    name: str
    groups: tuple[Group, ...]


@dataclass(frozen=True)
class Moment:
    """A run in the course of time."""

    created: str
    model: str
    share: Share


class Plot(pg.PlotWidget):  # type: ignore[misc] # pyqtgraph has no types
    """`draw` is called again when the theme changes. The wheel scrolls the page, not the plot."""

    def __init__(self, theme: Theme) -> None:
        super().__init__(background=None)
        self.theme = theme
        self._on_paper = False
        item = self.getPlotItem()
        item.setMenuEnabled(False)
        item.hideButtons()
        item.setMouseEnabled(x=False, y=False)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setFixedHeight(theme.px(_HEIGHT))
        theme.changed.connect(self.redraw)

    def redraw(self) -> None:
        self.getPlotItem().clear()
        self.setBackground(QColor(self.colors.surface))
        for side in ("left", "bottom"):
            self._dress(self.getPlotItem().getAxis(side))
        self.draw()
        self.setAccessibleDescription(self.text())

    @contextmanager
    def on_paper(self) -> Iterator[None]:
        """Light, while the block runs."""
        self._on_paper = True
        self.redraw()
        try:
            yield
        finally:
            self._on_paper = False
            self.redraw()

    @property
    def colors(self) -> Palette:
        return LIGHT if self._on_paper else self.theme.colors

    def draw(self) -> None:
        raise NotImplementedError

    def text(self) -> str:
        """What the plot shows, in lines."""
        raise NotImplementedError

    def wheelEvent(self, event: QWheelEvent) -> None:
        event.ignore()

    def color(self, series: int = 0) -> QColor:
        return QColor((self.colors.accent, self.colors.second)[series % 2])

    def pen(self, series: int = 0) -> Any:
        return pg.mkPen(self.color(series), width=self.theme.px(_LINE_PIXELS))

    def faint(self, style: Qt.PenStyle = Qt.PenStyle.SolidLine) -> Any:
        return pg.mkPen(QColor(self.colors.edge), width=1, style=style)

    def mark(self, x: Sequence[float], y: Sequence[float], series: int = 0) -> None:
        self.addItem(
            pg.ScatterPlotItem(
                x=list(x),
                y=list(y),
                symbol=_MARKS[series % 2],
                size=self.theme.px(_MARK_PIXELS),
                brush=self.color(series),
                pen=pg.mkPen(None),
            )
        )

    def name_axes(self, bottom: str, left: str) -> None:
        style = {"color": self.colors.muted, "font-size": f"{self.theme.px(12)}px"}
        item = self.getPlotItem()
        item.setLabel("bottom", bottom, **style)
        if left:
            item.setLabel("left", left, **style)

    def _dress(self, axis: Any) -> None:
        font = QFont(self.font())
        font.setPixelSize(self.theme.px(12))
        axis.setStyle(tickFont=font, tickTextOffset=self.theme.px(4))
        axis.setPen(self.faint())
        axis.setTextPen(QColor(self.colors.muted))
        axis.enableAutoSIPrefix(False)


class AccuracyPlot(Plot):
    """Accuracy by group with its 95 % interval, one row a group, the series below each other within it."""

    def __init__(self, theme: Theme) -> None:
        super().__init__(theme)
        self._series: tuple[Series, ...] = ()
        self._chance: float | None = None

    def show_series(self, series: Sequence[Series], chance: float | None = None) -> None:
        """`chance` is the accuracy of guessing."""
        self._series, self._chance = tuple(series), chance
        rows = len(self._names())
        self.setFixedHeight(self.theme.px(70 + _ROW_PIXELS * max(2, rows)))
        self.redraw()

    def draw(self) -> None:
        names = self._names()
        item = self.getPlotItem()
        item.getViewBox().invertY(True)
        shown = [_short(naming.group(name)) for name in names]
        axis = item.getAxis("left")
        axis.setTicks([list(enumerate(shown))])
        # By hand: pyqtgraph leaves names out of an axis that it measured while the plot was hidden.
        metrics = QFontMetrics(axis.style["tickFont"])
        axis.setWidth(max([metrics.horizontalAdvance(name) for name in shown], default=0) + self.theme.px(18))
        item.showGrid(x=True, y=False, alpha=0.15)
        item.setXRange(0, 100, padding=0.02)
        item.setYRange(-0.5, max(len(names), 1) - 0.5, padding=0)
        self.name_axes(self.tr("right answers, %"), "")
        if self._chance is not None:
            self.addItem(pg.InfiniteLine(100 * self._chance, pen=self.faint(Qt.PenStyle.DashLine)))
        for number, series in enumerate(self._series):
            shift = (number - (len(self._series) - 1) / 2) * 2 * _AIR
            points = [(names.index(group.name) + shift, group.share) for group in series.groups]
            for row, share in points:
                self.addItem(pg.PlotDataItem([100 * share.low, 100 * share.high], [row, row], pen=self.pen(number)))
            self.mark([100 * share.value for _, share in points], [row for row, _ in points], number)

    def text(self) -> str:
        lines = [
            f"{series.name + ' · ' if len(self._series) > 1 else ''}{naming.group(group.name)}: "
            f"{quantities.accuracy(group.share)}, {group.share.correct} / {group.share.n}"
            for series in self._series
            for group in series.groups
        ]
        if self._chance is not None:
            lines.append(self.tr("By guessing: {share}").format(share=quantities.percent(self._chance)))
        return "\n".join(lines)

    def _names(self) -> list[str]:
        return list(dict.fromkeys(group.name for series in self._series for group in series.groups))


class ReliabilityPlot(Plot):
    """How often the model was right, by the probability that it gave to its answer; on the diagonal they agree."""

    def __init__(self, theme: Theme) -> None:
        super().__init__(theme)
        self._bins: tuple[Bin, ...] = ()
        self._ece: float | None = None

    def show_bins(self, bins: Sequence[Bin], ece: float | None) -> None:
        self._bins, self._ece = tuple(bins), ece
        self.redraw()

    def draw(self) -> None:
        item = self.getPlotItem()
        item.setXRange(0, 100, padding=0.02)
        item.setYRange(0, 100, padding=0.02)
        self.name_axes(self.tr("stated probability, %"), self.tr("right answers, %"))
        self.addItem(pg.PlotDataItem([0, 100], [0, 100], pen=self.faint(Qt.PenStyle.DashLine)))
        stated = [100 * one.confidence for one in self._bins]
        right = [100 * one.share.value for one in self._bins]
        for one, x in zip(self._bins, stated, strict=True):
            self.addItem(pg.PlotDataItem([x, x], [100 * one.share.low, 100 * one.share.high], pen=self.faint()))
        self.addItem(pg.PlotDataItem(stated, right, pen=self.pen()))
        self.mark(stated, right)

    def text(self) -> str:
        lines = [
            self.tr("Stated {stated}: right {right}, {n} questions").format(
                stated=quantities.percent(one.confidence), right=quantities.accuracy(one.share), n=one.share.n
            )
            for one in self._bins
        ]
        if self._ece is not None:
            points = f"{100 * self._ece:.1f}"
            lines.append(self.tr("Mean gap (ECE): {points} points").format(points=points))
        return "\n".join(lines)


class SpeedPlot(Plot):
    """Tokens a second against the length of the prompt, with the smallest and the largest of the repeats."""

    def __init__(self, theme: Theme, *, reading: bool) -> None:
        super().__init__(theme)
        self._reading = reading
        self._points: tuple[SpeedPoint, ...] = ()
        self._expected: tuple[float, float] | None = None

    def show_points(self, points: Sequence[SpeedPoint], expected: tuple[float, float] | None = None) -> None:
        """`expected` is a range that is drawn behind them."""
        self._points, self._expected = tuple(points), expected
        self.redraw()

    def draw(self) -> None:
        spreads = [point.read if self._reading else point.written for point in self._points]
        lengths = [point.prompt_tokens for point in self._points]
        highest = max([spread.high for spread in spreads], default=1.0)
        self.getPlotItem().setXRange(0, max(lengths, default=1), padding=0.04)
        self.getPlotItem().setYRange(0, max(highest, (self._expected or (0.0, 0.0))[1]) * 1.08, padding=0)
        self.name_axes(self.tr("tokens of the prompt"), self.tr("tokens/s"))
        if self._expected is not None:
            region = pg.LinearRegionItem(self._expected, orientation="horizontal", movable=False, pen=self.faint())
            shade = QColor(self.colors.edge)
            shade.setAlpha(60)
            region.setBrush(shade)
            self.addItem(region)
        for length, spread in zip(lengths, spreads, strict=True):
            self.addItem(pg.PlotDataItem([length, length], [spread.low, spread.high], pen=self.pen()))
        medians = [spread.median for spread in spreads]
        self.addItem(pg.PlotDataItem(lengths, medians, pen=self.pen()))
        self.mark(lengths, medians)

    def text(self) -> str:
        lines = []
        for point in self._points:
            spread = point.read if self._reading else point.written
            lines.append(
                self.tr("{tokens} tokens: {median} tokens/s ({low} to {high})").format(
                    tokens=quantities.number(point.prompt_tokens),
                    median=f"{spread.median:.1f}",
                    low=f"{spread.low:.1f}",
                    high=f"{spread.high:.1f}",
                )
            )
        return "\n".join(lines)


class HistoryPlot(Plot):
    """Accuracy of finished runs over time."""

    def __init__(self, theme: Theme) -> None:
        super().__init__(theme)
        self._moments: tuple[Moment, ...] = ()

    def show_moments(self, moments: Sequence[Moment]) -> None:
        """The oldest first."""
        self._moments = tuple(moments)
        self.redraw()

    def draw(self) -> None:
        item = self.getPlotItem()
        places = range(len(self._moments))
        ticks = [(place, _day(moment.created)) for place, moment in enumerate(self._moments)]
        item.getAxis("bottom").setTicks([ticks[:: max(1, len(ticks) // 5)]])
        item.setXRange(-0.5, max(len(self._moments), 1) - 0.5, padding=0.02)
        item.setYRange(0, 100, padding=0.02)
        self.name_axes(self.tr("run"), self.tr("right answers, %"))
        for place, moment in enumerate(self._moments):
            low, high = 100 * moment.share.low, 100 * moment.share.high
            self.addItem(pg.PlotDataItem([place, place], [low, high], pen=self.pen()))
        self.mark(list(places), [100 * moment.share.value for moment in self._moments])

    def text(self) -> str:
        return "\n".join(
            f"{quantities.moment(moment.created)} · {moment.model}: {quantities.accuracy(moment.share)}"
            for moment in self._moments
        )


def _day(iso: str) -> str:
    return datetime.fromisoformat(iso).strftime("%m-%d %H:%M") if iso else ""


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
