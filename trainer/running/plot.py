"""The plot of a run: losses over steps, and the accuracy on a sample below them. Pure functions that give SVG text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import floor, log10

from evaluation.reporting.svg import Caption, Scale, figure, line, number, tag, text
from trainer.records import Evaluation, Loss, Validation

_LEFT, _RIGHT, _WIDTH = 64.0, 24.0, 760.0
_LOSSES, _ACCURACY, _GAP = 260.0, 140.0, 56.0
_FAINT = 0.25
_TRAINED, _HELD_BACK = "#0b7285", "#b35309"
_MOST_POINTS = 600
"""More are drawn as means of neighbours: no screen has more columns."""

Point = tuple[float, float]


def draw(
    losses: Sequence[Loss],
    validation: Sequence[Validation],
    evaluation: Sequence[Evaluation],
    best_step: int | None,
) -> str:
    entries: list[Loss | Validation | Evaluation] = [*losses, *validation, *evaluation]
    steps = [entry.step for entry in entries]
    x = Scale(0, max([*steps, 1]), _LEFT, _WIDTH - _RIGHT)
    parts = _losses(losses, validation, best_step, x)
    bottom = 24 + _LOSSES
    if evaluation:
        parts += _accuracy(evaluation, x, bottom + _GAP)
        bottom += _GAP + _ACCURACY
    parts.append(text((x.start + x.end) / 2, bottom + 38, "step", text_anchor="middle"))
    caption = Caption("training", "Losses of the run", _description(losses, validation, evaluation))
    return figure(_WIDTH, bottom + 48, caption, parts) + "\n"


def ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Round numbers from `low` to `high`, about so many: 1, 2 or 5 times a power of ten apart."""
    if not high > low:
        return [low]
    rough = (high - low) / wanted
    power = 10.0 ** floor(log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
    first = -(-low // step)
    return [round((first + count) * step, 12) for count in range(int((high - first * step) / step + 1e-9) + 1)]


def _losses(losses: Sequence[Loss], validation: Sequence[Validation], best_step: int | None, x: Scale) -> list[str]:
    values = [*(entry.loss for entry in losses), *(entry.loss for entry in validation)] or [0.0]
    low, high = min(values), max(values)
    margin = (high - low) * 0.05 or 0.5
    y = Scale(low - margin, high + margin, 24 + _LOSSES, 24)
    parts = _axes(x, y, [tick for tick in ticks(low - margin, high + margin) if tick >= 0], number)
    parts.append(_upright(16, (y.start + y.end) / 2, "loss (nats per token)"))
    parts.append(_line(_thinned([(entry.step, entry.loss) for entry in losses]), x, y, _TRAINED))
    parts.append(text(x.start + 8, 16, "— training", fill=_TRAINED))
    if validation:
        parts.append(_line([(entry.step, entry.loss) for entry in validation], x, y, _HELD_BACK))
        parts += [_dot(x(entry.step), y(entry.loss), entry.step == best_step) for entry in validation]
        parts.append(text(x.start + 108, 16, "● held back (ringed: the best)", fill=_HELD_BACK))
    return parts


def _accuracy(evaluation: Sequence[Evaluation], x: Scale, top: float) -> list[str]:
    y = Scale(0, 1, top + _ACCURACY, top)
    parts = _axes(x, y, [0, 0.25, 0.5, 0.75, 1], lambda share: f"{100 * share:.0f} %")
    first = evaluation[0]
    parts.append(text(x.start + 8, top - 8, f"accuracy on {first.n} questions of {first.task} ({first.language})"))
    for entry in evaluation:
        at, (low, high) = x(entry.step), entry.interval_95
        parts.append(line(at, y(low), at, y(high), stroke=_TRAINED, opacity=0.5))
        parts.append(_dot(at, y(entry.accuracy), False, _TRAINED))
    parts.append(_line([(entry.step, entry.accuracy) for entry in evaluation], x, y, _TRAINED))
    return parts


def _axes(x: Scale, y: Scale, values: Sequence[float], written: Callable[[float], str]) -> list[str]:
    parts = [line(x.start, y.start, x.end, y.start), line(x.start, y.start, x.start, y.end)]
    for value in values:
        parts.append(line(x.start, y(value), x.end, y(value), opacity=_FAINT))
        parts.append(text(x.start - 8, y(value) + 4, written(value), text_anchor="end"))
    for value in ticks(x.low, x.high):
        if value == int(value):
            parts.append(text(x(value), y.start + 16, f"{int(value):,}", text_anchor="middle"))
    return parts


def _line(points: Sequence[Point], x: Scale, y: Scale, colour: str) -> str:
    places = " ".join(f"{number(x(step))},{number(y(value))}" for step, value in points)
    return tag("polyline", points=places, fill="none", stroke=colour, stroke_width=1.5)


def _dot(x: float, y: float, ringed: bool, colour: str = _HELD_BACK) -> str:
    ring = tag("circle", cx=x, cy=y, r=7, fill="none", stroke=colour) if ringed else ""
    return tag("circle", cx=x, cy=y, r=3, fill=colour) + ring


def _thinned(points: Sequence[Point]) -> list[Point]:
    size = -(-len(points) // _MOST_POINTS) or 1
    groups = [points[start : start + size] for start in range(0, len(points), size)]
    return [(group[-1][0], sum(value for _, value in group) / len(group)) for group in groups]


def _upright(x: float, y: float, words: str) -> str:
    return text(x, y, words, text_anchor="middle", transform=f"rotate(-90 {number(x)} {number(y)})")


def _description(losses: Sequence[Loss], validation: Sequence[Validation], evaluation: Sequence[Evaluation]) -> str:
    said = []
    if losses:
        said.append(f"Training loss: {losses[0].loss:.3f} at first, {losses[-1].loss:.3f} at the end.")
    if validation:
        said.append(f"Loss on held-back data: {validation[0].loss:.3f} at first, {validation[-1].loss:.3f} at the end.")
    if evaluation:
        said.append(f"Accuracy: {evaluation[0].accuracy:.0%} at first, {evaluation[-1].accuracy:.0%} at the end.")
    return " ".join(said)
