"""What a number counted or averaged over few items is worth, and what two runs on the same items show.

Pure functions of counts and values. Shares and differences are from 0 to 1 here; a table shows them as points (× 100).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, fsum, isfinite, sqrt
from statistics import NormalDist

_Z_95 = 1.959963984540054
"""The 0.975 quantile of the standard normal distribution."""

_ROUNDS = 9_999


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


# --- means ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Mean:
    n: int
    value: float
    error: float | None
    """Standard error of the mean, in the unit of the values; None with fewer than two."""

    @property
    def interval(self) -> Interval | None:
        """The 95 % interval of the normal approximation."""
        if self.error is None:
            return None
        return Interval(self.value - _Z_95 * self.error, self.value + _Z_95 * self.error)


def mean(values: Sequence[float]) -> Mean | None:
    """Mean of independent values and its standard error s / sqrt(n), s with n - 1; None without any value.

    Neighbouring tokens are not independent: average over each chunk of a text first and give the chunks' means here.
    Raises ValueError for a value that is not finite.
    """
    if not all(map(isfinite, values)):
        raise ValueError("a value is not finite")
    n = len(values)
    if n == 0:
        return None
    centre = fsum(values) / n
    if n == 1:
        return Mean(1, centre, None)
    variance = fsum((value - centre) ** 2 for value in values) / (n - 1)
    return Mean(n, centre, sqrt(variance / n))


def perplexity(losses: Sequence[float]) -> Mean | None:
    """exp of the mean of negative log-likelihoods in nats, its error by the delta method; None without any."""
    loss = mean(losses)
    if loss is None:
        return None
    value = exp(loss.value)
    return Mean(loss.n, value, None if loss.error is None else value * loss.error)


# --- two runs on the same items ---------------------------------------------------------------------------------------


def mcnemar(only_a: int, only_b: int) -> float:
    """Two-sided p of the exact McNemar test: whether the items that one run alone got right favour either run.

    The binomial test of `only_a` among `only_a + only_b` with 1/2; 1 without such an item. Q. McNemar, Psychometrika 12
    (1947) 153-157. Raises ValueError for negative counts.
    """
    if only_a < 0 or only_b < 0:
        raise ValueError(f"{only_a} and {only_b} discordant items")
    if only_a + only_b == 0:
        return 1.0
    n = only_a + only_b
    ways = tail = 1  # of choosing 0, and then more, of n items
    for k in range(min(only_a, only_b)):
        ways = ways * (n - k) // (k + 1)
        tail += ways
    return min(1.0, 2 * tail / (1 << n))


def paired_bootstrap(differences: Sequence[float], seed: int, rounds: int = _ROUNDS) -> Interval | None:
    """The 95 % percentile interval of the mean of `differences` (A minus B, one for each item), items drawn anew.

    The same seed gives the same interval, whatever ran before. None with fewer than two items. B. Efron, R. Tibshirani,
    An Introduction to the Bootstrap (1993), chapter 13. Raises ValueError for a difference that is not finite.
    """
    if not all(map(isfinite, differences)):
        raise ValueError("a difference is not finite")
    if len(differences) < 2:
        return None
    if len(set(differences)) == 1:
        return Interval(differences[0], differences[0])
    import numpy

    values = numpy.asarray(differences, dtype=float)
    source = numpy.random.default_rng(seed)
    at_once = max(1, 1_000_000 // len(values))  # bounds the memory, whatever the number of items
    means = [
        values[source.integers(0, len(values), (min(at_once, rounds - done), len(values)))].mean(axis=1)
        for done in range(0, rounds, at_once)
    ]
    low, high = numpy.percentile(numpy.concatenate(means), (2.5, 97.5))
    return Interval(float(low), float(high))


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Holm's step-down adjusted p values, in the order given: below 0.05 for all of them at once means what it says.

    S. Holm, Scand. J. Stat. 6 (1979) 65-70. Raises ValueError for a value outside 0 to 1.
    """
    if not all(0 <= p <= 1 for p in p_values):
        raise ValueError("a p value is not between 0 and 1")
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, position in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[position]))
        adjusted[position] = highest
    return tuple(adjusted)


def detectable_difference(n: int, discordance: float, power: float = 0.8) -> float | None:
    """The smallest true difference in accuracy that a McNemar test at 5 % finds with this power, from 0 to 1.

    `discordance` is the share of items that one of the runs alone gets right. None where no difference that so few
    discordant items allow is found so surely. R. J. Connor, Biometrics 43 (1987) 207-211, solved for the difference.
    Raises ValueError for n < 1, or for a discordance or power outside 0 to 1.
    """
    if n < 1 or not 0 <= discordance <= 1 or not 0 < power < 1:
        raise ValueError(f"{n} items, discordance {discordance}, power {power}")
    if discordance == 0:
        return None
    z_power = NormalDist().inv_cdf(power)
    # No more than all discordant items can speak for the same run.
    needed = _Z_95 * sqrt(discordance) + z_power * sqrt(discordance - discordance**2)
    if discordance * sqrt(n) < needed:
        return None
    # d sqrt(n) = z_95 sqrt(discordance) + z_power sqrt(discordance - d^2), squared: the root with the sign of z_power.
    root = sqrt(max(0.0, n + z_power**2 - _Z_95**2))
    return sqrt(discordance) * (sqrt(n) * _Z_95 + z_power * root) / (n + z_power**2)
