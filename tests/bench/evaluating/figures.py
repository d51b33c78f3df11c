"""Seconds a question of two sides, round by round, and the table that is printed of them."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Comparison:
    name: str
    peer: str
    ours: Sequence[float]
    theirs: Sequence[float]
    target: float | None = None
    """How many times faster we are to be; None where the figure is only shown."""

    @property
    def ratios(self) -> list[float]:
        return [theirs / ours for ours, theirs in zip(self.ours, self.theirs, strict=True)]

    def figures(self) -> dict[str, Any]:
        return asdict(self) | {"ratios": self.ratios, "median_ratio": statistics.median(self.ratios)}


def printed(comparisons: Sequence[Comparison]) -> str:
    """A table: medians, with the least and the most in parentheses."""
    header = ("seconds a question", "against", "ours", "theirs", "theirs / ours", "target")
    rows = [
        (one.name, one.peer, _spread(one.ours), _spread(one.theirs), _spread(one.ratios), _target(one))
        for one in comparisons
    ]
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    lines = (zip(row, widths, strict=True) for row in (header, *rows))
    return "\n".join("  ".join(cell.ljust(width) for cell, width in line).rstrip() for line in lines)


def _target(one: Comparison) -> str:
    if one.target is None:
        return ""
    return f">= {one.target:g}: {'met' if statistics.median(one.ratios) >= one.target else 'MISSED'}"


def _spread(values: Sequence[float]) -> str:
    low, middle, high = (f"{value:.3g}" for value in (min(values), statistics.median(values), max(values)))
    return f"{middle} ({low}-{high})"
