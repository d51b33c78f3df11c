"""Whether a model says the same when it is asked again: with the options in another order, or with another seed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from evaluation.runs.records import Record, Trial
from evaluation.tally import Group, Marked, group

Choice = tuple[int, ...] | None


class Stability(msgspec.Struct, frozen=True, kw_only=True):
    n: int
    """Questions that were asked more than once."""
    flip_rate: float | None
    """Share of those asked with the options in several orders whose choice is not the same in all of them."""
    positions: tuple[Group, ...]
    """The accuracy of the first order, the second and so on alone, `1` first; empty with one order."""
    agreement: float | None
    """Mean share of samples that agree with the most frequent one of their question; None with one sample."""


def stability(records: Sequence[Record], samples: int) -> Stability | None:
    """None where no question was asked more than once. An asking that chose nothing agrees with another one."""
    asked = [(record, _orders(record.trials, samples)) for record in records if len(record.trials) > 1]
    if not asked:
        return None
    several = [[_majority(trials) for trials in orders] for _, orders in asked if len(orders) > 1]
    shares = [_agreement(trials) for _, orders in asked for trials in orders if len(trials) > 1]
    return Stability(
        n=len(asked),
        flip_rate=sum(len(set(choices)) > 1 for choices in several) / len(several) if several else None,
        positions=_positions(asked) if several else (),
        agreement=sum(shares) / len(shares) if shares else None,
    )


def _orders(trials: Sequence[Trial], samples: int) -> list[list[Trial]]:
    """The trials of each order of the options; with one sample, each trial is an order of its own."""
    if samples == 1:
        return [[trial] for trial in trials]
    by_order: dict[tuple[int, ...], list[Trial]] = {}
    for trial in trials:
        by_order.setdefault(trial.order, []).append(trial)
    return list(by_order.values())


def _majority(trials: Sequence[Trial]) -> Choice:
    """The most frequent choice; of equally frequent ones the first."""
    return Counter(trial.chosen for trial in trials).most_common(1)[0][0]


def _agreement(trials: Sequence[Trial]) -> float:
    return Counter(trial.chosen for trial in trials).most_common(1)[0][1] / len(trials)


def _positions(asked: Sequence[tuple[Record, list[list[Trial]]]]) -> tuple[Group, ...]:
    places = max(len(orders) for _, orders in asked)
    members: list[list[Marked]] = [[] for _ in range(places)]
    for record, orders in asked:
        for place, trials in enumerate(orders):
            choice = _majority(trials)
            members[place].append(Marked(record.item, "answered" if choice else "unreadable", choice or ()))
    return tuple(group(str(place), own) for place, own in enumerate(members, start=1))
