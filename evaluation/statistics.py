"""What a proportion counted on few items is worth: pure functions of counts."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

_Z_95 = 1.959963984540054
"""The 0.975 quantile of the standard normal distribution."""


@dataclass(frozen=True)
class Interval:
    low: float
    high: float


def wilson(right: int, n: int) -> Interval | None:
    """The 95 % score interval of a proportion, without continuity correction; None without any item.

    E. B. Wilson, J. Am. Stat. Assoc. 22 (1927) 209-212; method 3 in R. G. Newcombe, Stat. Med. 17 (1998) 857-872.
    Raises ValueError unless 0 <= right <= n.
    """
    if not 0 <= right <= n:
        raise ValueError(f"{right} right answers of {n}")
    if n == 0:
        return None
    share, z2 = right / n, _Z_95**2
    centre = share + z2 / (2 * n)
    margin = _Z_95 * sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    # At the ends the interval touches 0 or 1 exactly; rounding must not leave 1e-17 outside.
    low = 0.0 if right == 0 else (centre - margin) / (1 + z2 / n)
    high = 1.0 if right == n else (centre + margin) / (1 + z2 / n)
    return Interval(low, high)
