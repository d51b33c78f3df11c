"""What one question's probabilities choose: `letter` by the letters' own, `option` by each of four readings of a text.

A trial's numbers are in the question's own order already, whatever order the options were shown in. Trials are averaged
as probabilities, each after its own softmax, so that no asking weighs more than another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import exp, fsum
from typing import Literal

from evaluation.items import Item
from evaluation.runs.records import Trial

Reading = Literal["sum", "character", "byte", "token"]
"""How the log-probability of an option's text is made comparable with that of a longer one.

`sum`: not at all. `character`, `byte`: divided by the text's length in code points, or in bytes of UTF-8, of which a
Japanese character has three and an English one has one. `token`: by the tokens that the sum goes over.
"""

READINGS: tuple[Reading, ...] = ("sum", "character", "byte", "token")
HEADLINE: Reading = "character"
"""The one that decides. Bytes and characters differ only where an item mixes scripts; tokens depend on the model."""


def letter_probabilities(trials: Sequence[Trial]) -> tuple[float, ...]:
    """The mean over the trials of the softmax over the options' letters. Raises ValueError without trials, or where
    they are of different lengths or empty."""
    return _mean([_softmax(trial.logprobs) for trial in trials])


def option_probabilities(item: Item, trials: Sequence[Trial], reading: Reading) -> tuple[float, ...]:
    """The same over the options' texts. Raises ValueError also where a trial has not one number for each option."""
    return _mean([_softmax(_read(item, trial, reading)) for trial in trials])


def letter_choice(item: Item, trials: Sequence[Trial]) -> tuple[int, ...]:
    """The k most likely options, ascending, k being the number of right ones; of equally likely ones the first."""
    return most_likely(letter_probabilities(trials), len(item.answers))


def option_choices(item: Item, trials: Sequence[Trial], reading: Reading = HEADLINE) -> tuple[int, ...]:
    """As `letter_choice`, by the options' texts."""
    return most_likely(option_probabilities(item, trials, reading), len(item.answers))


def most_likely(probabilities: Sequence[float], count: int) -> tuple[int, ...]:
    """The positions of so many highest numbers, ascending; of equal ones the first."""
    ranked = sorted(range(len(probabilities)), key=lambda position: -probabilities[position])
    return tuple(sorted(ranked[:count]))


def _read(item: Item, trial: Trial, reading: Reading) -> list[float]:
    lengths = _LENGTHS[reading](item, trial)
    return [total / max(length, 1) for total, length in zip(trial.logprobs, lengths, strict=True)]


_LENGTHS: dict[Reading, Callable[[Item, Trial], Sequence[int]]] = {
    "sum": lambda item, trial: [1] * len(item.options),
    "character": lambda item, trial: [len(option) for option in item.options],
    "byte": lambda item, trial: [len(option.encode("utf-8", "surrogatepass")) for option in item.options],
    "token": lambda item, trial: trial.tokens,
}


def _softmax(logprobs: Sequence[float]) -> list[float]:
    highest = max(logprobs)
    weights = [exp(logprob - highest) for logprob in logprobs]
    total = fsum(weights)
    return [weight / total for weight in weights]


def _mean(rows: Sequence[Sequence[float]]) -> tuple[float, ...]:
    if not rows:
        raise ValueError("no trial")
    return tuple(fsum(column) / len(rows) for column in zip(*rows, strict=True))
