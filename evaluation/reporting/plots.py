"""The report's plots: pure functions of numbers and words that give SVG text. Shares are from 0 to 1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evaluation.calibration import Bin, RiskPoint
from evaluation.reporting.svg import Caption, Scale, figure, fitted, line, number, tag, text
from evaluation.statistics import wilson

_TICKS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
_FAINT = 0.25


# --- accuracies with their intervals ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    name: str
    n: int
    accuracy: float
    low: float
    high: float
    people: float | None = None
    """What people reached on the same questions."""
    strong: bool = False


@dataclass(frozen=True)
class ForestWords:
    axis: str
    interval: str
    """What the mark and its line are."""
    people: str
    questions: str


_ROW, _LABELS, _RIGHT, _WIDTH = 22, 190, 64, 760


def forest(caption: Caption, rows: Sequence[Row], words: ForestWords) -> str:
    """A forest plot: one line for each row with its 95 % interval, and a diamond for people."""
    top, bottom = 26.0, 26.0 + _ROW * len(rows)
    x = Scale(0, 1, _LABELS, _WIDTH - _RIGHT)
    parts = [text(_WIDTH - 4, 16, words.questions, text_anchor="end", opacity=0.75)]
    parts += _vertical_grid(x, top, bottom)
    for place, row in enumerate(rows):
        parts += _row(row, x, top + _ROW * (place + 0.5))
    parts.append(text((x.start + x.end) / 2, bottom + 36, words.axis, text_anchor="middle"))
    parts += _legend(x.start, bottom + 60, words, any(row.people is not None for row in rows))
    return figure(_WIDTH, bottom + 70, caption, parts)


def _vertical_grid(x: Scale, top: float, bottom: float) -> list[str]:
    parts = [line(x(0), bottom, x(1), bottom)]
    for tick in _TICKS:
        parts.append(line(x(tick), top, x(tick), bottom, opacity=_FAINT))
        parts.append(text(x(tick), bottom + 16, _percent(tick), text_anchor="middle"))
    return parts


def _row(row: Row, x: Scale, y: float) -> list[str]:
    weight = "bold" if row.strong else "normal"
    name = text(_LABELS - 10, y + 4, fitted(row.name, _LABELS - 14), text_anchor="end", font_weight=weight)
    count = text(_WIDTH - 4, y + 4, f"{row.n:,}", text_anchor="end", opacity=0.75)
    people = [] if row.people is None else [_diamond(x(row.people), y)]
    return [name, *people, *_mark(x(row.accuracy), x(row.low), x(row.high), y, 5.5 if row.strong else 4), count]


def _mark(at: float, low: float, high: float, y: float, size: float) -> list[str]:
    return [
        line(low, y, high, y, class_="accent", stroke="#0b7285", stroke_width=2),
        *(line(end, y - 3, end, y + 3, class_="accent", stroke="#0b7285", stroke_width=2) for end in (low, high)),
        tag("circle", cx=at, cy=y, r=size, class_="accent", fill="#0b7285"),
    ]


def _diamond(x: float, y: float) -> str:
    corners = " ".join(f"{number(x + dx)},{number(y + dy)}" for dx, dy in ((0, -6), (6, 0), (0, 6), (-6, 0)))
    return tag("polygon", points=corners, class_="people", fill="none", stroke="#b35309", stroke_width=2)


def _legend(x: float, y: float, words: ForestWords, with_people: bool) -> list[str]:
    parts = [*_mark(x + 14, x, x + 28, y - 4, 4), text(x + 36, y, words.interval)]
    if with_people:
        parts += [_diamond(x + 290, y - 4), text(x + 304, y, words.people)]
    return parts


# --- calibration ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ReliabilityWords:
    confidence: str
    accuracy: str
    ideal: str
    counts: str


_SIDE, _LEFT, _HISTOGRAM = 320.0, 64.0, 84.0


def reliability(caption: Caption, bins: Sequence[Bin], words: ReliabilityWords) -> str:
    """The reliability diagram, each bin with the 95 % interval of its accuracy, above the number of items in each."""
    x, y = Scale(0, 1, _LEFT, _LEFT + _SIDE), Scale(0, 1, 12 + _SIDE, 12)
    low = 12 + _SIDE + 24 + _HISTOGRAM
    parts = [*_square_grid(x, y), *_ideal(x, y, words.ideal)]
    most = max((one.n for one in bins), default=0)
    for one in bins:
        parts += _bin(one, x, y)
        parts += _bar(one, x, Scale(0, max(most, 1), low, low - _HISTOGRAM + 16))
    parts.append(line(x(0), low, x(1), low))
    parts += [text(x(tick), low + 16, _percent(tick), text_anchor="middle") for tick in _TICKS]
    parts.append(text((x.start + x.end) / 2, low + 36, words.confidence, text_anchor="middle"))
    parts.append(_upright(16, (y.start + y.end) / 2, words.accuracy))
    parts.append(_upright(16, low - _HISTOGRAM / 2, words.counts))
    return figure(_LEFT + _SIDE + 24, low + 46, caption, parts)


def _square_grid(x: Scale, y: Scale) -> list[str]:
    parts = [line(x.start, y.start, x.end, y.start), line(x.start, y.start, x.start, y.end)]
    for tick in _TICKS:
        if tick:
            parts.append(line(x.start, y(tick), x.end, y(tick), opacity=_FAINT))
        parts.append(text(x.start - 8, y(tick) + 4, _percent(tick), text_anchor="end"))
    return parts


def _ideal(x: Scale, y: Scale, words: str) -> list[str]:
    parts = [line(x(0), y(0), x(1), y(1), stroke_dasharray="4 4", opacity=0.7)]
    return [*parts, text(x(0) + 12, y(1) + 16, f"- - {words}", opacity=0.85)]


def _bin(one: Bin, x: Scale, y: Scale) -> list[str]:
    if one.accuracy is None or one.confidence is None:
        return []
    interval = wilson(round(one.accuracy * one.n), one.n)
    assert interval is not None
    at = x(one.confidence)
    return [
        line(at, y(interval.low), at, y(interval.high), class_="accent", stroke="#0b7285", stroke_width=2),
        tag("circle", cx=at, cy=y(one.accuracy), r=4.5, class_="accent", fill="#0b7285"),
    ]


def _bar(one: Bin, x: Scale, height: Scale) -> list[str]:
    if not one.n:
        return []
    left, right, top = x(one.low) + 1, x(one.high) - 1, height(one.n)
    bar = tag("rect", x=left, y=top, width=right - left, height=height.start - top, class_="accent", fill="#0b7285")
    return [bar, text((left + right) / 2, top - 4, f"{one.n:,}", text_anchor="middle", font_size=10)]


# --- answering only where the model is confident ----------------------------------------------------------------------


@dataclass(frozen=True)
class RiskWords:
    coverage: str
    risk: str
    overall: str


def risk_coverage(caption: Caption, points: Sequence[RiskPoint], words: RiskWords) -> str:
    """The share of wrong answers among the most confident ones, over the share that is answered; points in order."""
    top = next(tick for tick in _TICKS[1:] if tick >= max((point.risk for point in points), default=1.0) - 1e-9)
    x, y = Scale(0, 1, _LEFT, _LEFT + _SIDE + 60), Scale(0, top, 12 + _SIDE, 12)
    parts = [line(x.start, y.start, x.end, y.start), line(x.start, y.start, x.start, y.end)]
    for tick in _TICKS:
        parts.append(text(x(tick), y.start + 16, _percent(tick), text_anchor="middle"))
        if tick <= top:
            parts.append(line(x.start, y(tick), x.end, y(tick), opacity=_FAINT))
            parts.append(text(x.start - 8, y(tick) + 4, _percent(tick), text_anchor="end"))
    if points:
        last = points[-1].risk
        parts.append(line(x.start, y(last), x.end, y(last), stroke_dasharray="4 4", opacity=0.7))
        beside = 16 if y(last) < y.end + 20 else -6
        parts.append(text(x.start + 12, y(last) + beside, f"- - {words.overall}", opacity=0.85))
        parts.append(_curve(points, x, y))
    parts.append(text((x.start + x.end) / 2, y.start + 38, words.coverage, text_anchor="middle"))
    parts.append(_upright(16, (y.start + y.end) / 2, words.risk))
    return figure(x.end + 24, y.start + 48, caption, parts)


def _curve(points: Sequence[RiskPoint], x: Scale, y: Scale) -> str:
    places = " ".join(f"{number(x(point.coverage))},{number(y(point.risk))}" for point in points)
    if len(points) == 1:
        return tag("circle", cx=x(points[0].coverage), cy=y(points[0].risk), r=4.5, class_="accent", fill="#0b7285")
    return tag("polyline", points=places, class_="accent", fill="none", stroke="#0b7285", stroke_width=2)


def _upright(x: float, y: float, words: str) -> str:
    return text(x, y, words, text_anchor="middle", transform=f"rotate(-90 {number(x)} {number(y)})")


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
