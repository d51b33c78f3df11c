"""How many options to choose when nobody says how many are right: those nearly as likely as the most likely one.

An option is chosen if its probability is at least t times the highest one. t is never fitted on the question that it
is used for: the questions are in five folds, by their ids alone, and each fold's t is that of the other four.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

FOLDS = 5
LEAST = 20
"""Questions; with fewer, what a fold has left to fit on says nothing."""


@dataclass(frozen=True)
class Likely:
    """A question that was answered with probabilities."""

    id: str
    probabilities: tuple[float, ...]
    """One for each option, of which at least one is positive."""
    answers: tuple[int, ...]
    """The right positions, ascending."""


@dataclass(frozen=True)
class CrossFit:
    thresholds: tuple[float, ...]
    """t of each fold, above 0 and at most 1."""
    chosen: dict[str, tuple[int, ...]]
    """What each question's fold chose, by id, ascending."""


def cross_fitted(asked: Sequence[Likely]) -> CrossFit | None:
    """The choices of every question with a threshold that has not seen it; the order of the questions is no matter.

    None where there is nothing to fit: all questions have one right option, so that the most likely one is the only
    sensible choice, or there are fewer than LEAST.
    """
    if len(asked) < LEAST or all(len(one.answers) == 1 for one in asked):
        return None
    folds = [fold(one.id) for one in asked]
    thresholds = tuple(
        fit(one for one, own in zip(asked, folds, strict=True) if own != number) for number in range(FOLDS)
    )
    chosen = {one.id: choose(one.probabilities, thresholds[own]) for one, own in zip(asked, folds, strict=True)}
    return CrossFit(thresholds, chosen)


def fold(id_: str) -> int:
    """From 0 to 4, the same on every machine."""
    return int.from_bytes(sha256(id_.encode("utf-8", "surrogatepass")).digest()[:8], "big") % FOLDS


def choose(probabilities: Sequence[float], threshold: float) -> tuple[int, ...]:
    """The options at least `threshold` times as likely as the most likely one, ascending."""
    highest = max(probabilities)
    return tuple(n for n, probability in enumerate(probabilities) if probability / highest >= threshold)


def fit(asked: Iterable[Likely]) -> float:
    """The t with which most questions are answered rightly.

    A question is right for every t above the ratio of its likeliest wrong option, up to that of its unlikeliest right
    one. Between two such ends nothing changes; where several stretches are equally good, the one in the middle is
    taken, and its middle. 0.5 where no t makes any question right.
    """
    ranges = [one for one in map(_range, asked) if one[0] < one[1]]
    ends = sorted({0.0, 1.0, *(end for one in ranges for end in one)})
    changes = [0] * len(ends)
    for low, high in ranges:
        changes[bisect_left(ends, low)] += 1
        changes[bisect_left(ends, high)] -= 1
    right, counts = 0, []
    for change in changes[:-1]:
        right += change
        counts.append(right)
    best = max(counts)
    stretches: list[tuple[float, float]] = []
    for number, count in enumerate(counts):
        if count == best:
            adjoins = stretches and number and counts[number - 1] == best
            low = stretches.pop()[0] if adjoins else ends[number]
            stretches.append((low, ends[number + 1]))
    low, high = stretches[(len(stretches) - 1) // 2]
    return (low + high) / 2


def _range(one: Likely) -> tuple[float, float]:
    """The ratios above the first and up to the second of which the right options are chosen and no other."""
    highest = max(one.probabilities)
    ratios = [probability / highest for probability in one.probabilities]
    wrong = [ratio for position, ratio in enumerate(ratios) if position not in one.answers]
    return max(wrong, default=0.0), min(ratios[position] for position in one.answers)
