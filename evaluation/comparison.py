"""Whether two runs on the same items differ: pure functions of what each run got right.

The same comparison serves two models, two files of one model, and one model asked in Japanese and in English, since an
item has the same id in both languages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from evaluation.statistics import Interval, detectable_difference, holm, mcnemar, paired_bootstrap

ALPHA = 0.05
POWER = 0.8
PLANNED_DISCORDANCE = 0.1
"""Share of items that one run alone gets right, assumed for planning."""


@dataclass(frozen=True)
class Outcome:
    """What a run made of one item."""

    id: str
    correct: bool
    category: str | None = None
    prohibited: bool | None = None
    """Whether it chose a prohibited option (禁忌); None where the item has none."""
    multiple: bool | None = None
    """Whether several options are right; None where that is not known."""


@dataclass(frozen=True)
class Paired:
    """Two shares over the same items, A's and B's."""

    n: int
    a: int
    b: int
    """Items counted for each run."""
    only_a: int
    only_b: int
    """Of these, the discordant ones: counted for one run and not for the other."""
    interval: Interval | None
    """95 % of the difference, by paired bootstrap; None with fewer than two items."""
    p: float
    """Exact McNemar, two-sided."""

    @property
    def difference(self) -> float:
        """A's share minus B's, from -1 to 1; 0 without items."""
        return (self.a - self.b) / self.n if self.n else 0.0


@dataclass(frozen=True)
class CategoryComparison:
    name: str
    result: Paired
    p_holm: float
    """p adjusted for the number of groups that are compared with it."""


@dataclass(frozen=True)
class Comparison:
    name_a: str
    name_b: str
    accuracy: Paired
    detectable: float | None
    """The smallest true difference in accuracy that so many items would show with 80 % power, at the discordance that
    was seen: after the fact, since it comes from the very outcomes that are compared. None where none would."""
    detectable_planned: float | None
    """The same at PLANNED_DISCORDANCE, which is known before any outcome: for planning."""
    categories: tuple[CategoryComparison, ...]
    """In order of the names; items without a category, or with a different one in each run, are in none."""
    answers: tuple[CategoryComparison, ...]
    """`multiple` and `single`: items with several right options, and with one."""
    prohibited: Paired | None
    """Items with a prohibited option, counted where it was chosen; None without such items."""
    only_in_a: tuple[str, ...]
    only_in_b: tuple[str, ...]
    """Ids that the other run does not have. They count for nothing."""
    repeated: tuple[str, ...]
    """Ids that a run has more than once with the same outcome. They count once."""
    contradictory: tuple[str, ...]
    """Ids that a run has with different outcomes. They count for nothing, in either run."""


def compare(a: Iterable[Outcome], b: Iterable[Outcome], seed: int, names: tuple[str, str] = ("A", "B")) -> Comparison:
    """Compare two runs item by item. The same outcomes and seed give the same numbers, in whatever order they come."""
    runs = _read(a), _read(b)
    contradictory = runs[0].contradictory | runs[1].contradictory
    shared = sorted((runs[0].outcomes.keys() & runs[1].outcomes.keys()) - contradictory)
    pairs = [(runs[0].outcomes[id_], runs[1].outcomes[id_]) for id_ in shared]
    accuracy = _paired([(one.correct, other.correct) for one, other in pairs], seed)
    return Comparison(
        name_a=names[0],
        name_b=names[1],
        accuracy=accuracy,
        detectable=_detectable(accuracy.n, discordance(accuracy)),
        detectable_planned=_detectable(accuracy.n, PLANNED_DISCORDANCE),
        categories=_groups(pairs, seed, lambda outcome: outcome.category),
        answers=_groups(pairs, seed, _answers),
        prohibited=_prohibited(pairs, seed),
        only_in_a=tuple(sorted(runs[0].outcomes.keys() - runs[1].outcomes.keys() - contradictory)),
        only_in_b=tuple(sorted(runs[1].outcomes.keys() - runs[0].outcomes.keys() - contradictory)),
        repeated=tuple(sorted((runs[0].repeated | runs[1].repeated) - contradictory)),
        contradictory=tuple(sorted(contradictory)),
    )


@dataclass(frozen=True)
class _Run:
    outcomes: Mapping[str, Outcome]
    repeated: frozenset[str]
    contradictory: frozenset[str]


def _read(outcomes: Iterable[Outcome]) -> _Run:
    found: dict[str, Outcome] = {}
    repeated: set[str] = set()
    contradictory: set[str] = set()
    for outcome in outcomes:
        first = found.get(outcome.id)
        if first is None:
            found[outcome.id] = outcome
        else:
            same = (first.correct, first.prohibited) == (outcome.correct, outcome.prohibited)
            (repeated if same else contradictory).add(outcome.id)
    return _Run(found, frozenset(repeated), frozenset(contradictory))


def _paired(pairs: Sequence[tuple[bool, bool]], seed: int) -> Paired:
    only_a = sum(one and not other for one, other in pairs)
    only_b = sum(other and not one for one, other in pairs)
    return Paired(
        n=len(pairs),
        a=sum(one for one, _ in pairs),
        b=sum(other for _, other in pairs),
        only_a=only_a,
        only_b=only_b,
        interval=paired_bootstrap([float(one) - float(other) for one, other in pairs], seed),
        p=mcnemar(only_a, only_b),
    )


def discordance(result: Paired) -> float:
    """The share of items that one run alone was counted for; 0 without items."""
    return (result.only_a + result.only_b) / result.n if result.n else 0.0


def _detectable(n: int, discordance: float) -> float | None:
    return detectable_difference(n, discordance, POWER) if n else None


def _answers(outcome: Outcome) -> str | None:
    return None if outcome.multiple is None else "multiple" if outcome.multiple else "single"


def _groups(
    pairs: Sequence[tuple[Outcome, Outcome]], seed: int, name: Callable[[Outcome], str | None]
) -> tuple[CategoryComparison, ...]:
    members: dict[str, list[tuple[bool, bool]]] = {}
    for one, other in pairs:
        group = name(one)
        if group is not None and group == name(other):
            members.setdefault(group, []).append((one.correct, other.correct))
    names = sorted(members)
    results = [_paired(members[name], seed) for name in names]
    adjusted = holm([result.p for result in results])
    return tuple(map(CategoryComparison, names, results, adjusted))


def _prohibited(pairs: Sequence[tuple[Outcome, Outcome]], seed: int) -> Paired | None:
    concerned = [
        (one.prohibited, other.prohibited)
        for one, other in pairs
        if one.prohibited is not None and other.prohibited is not None
    ]
    return _paired(concerned, seed) if concerned else None


# --- in words ---------------------------------------------------------------------------------------------------------


def sentences(comparison: Comparison) -> list[str]:
    """The comparison for a person: the verdict first, then what limits it."""
    named = (comparison.name_a, comparison.name_b)
    lines = [verdict(comparison)]
    lines += [
        f"{category.name}: {_better(category.result, named)} better, {_numbers(category.result)}, "
        f"{_p(category.p_holm)} after Holm's correction over {len(comparison.categories)} categories"
        for category in comparison.categories
        if category.p_holm < ALPHA
    ]
    if comparison.categories and len(lines) == 1:
        lines.append(f"no difference shown in any of {len(comparison.categories)} categories (Holm)")
    if len(comparison.answers) > 1:
        lines += [_answers_words(group, named) for group in comparison.answers]
    if comparison.prohibited:
        lines.append(_prohibited_words(comparison.prohibited, named))
    if comparison.accuracy.n:
        lines.append(_power_words(comparison))
    lines += [f"{len(ids)} items {what}: {_some(ids)}" for what, ids in _left_out(comparison, named) if ids]
    return lines


def verdict(comparison: Comparison) -> str:
    """Such as "A better, p = 0.003, 2.1 points [0.7, 3.6], n = 1,455"."""
    accuracy = comparison.accuracy
    if not accuracy.n:
        return "nothing to compare: no item is in both runs"
    facts = f"{_p(accuracy.p)}, {_numbers(accuracy)}, n = {accuracy.n:,}"
    if accuracy.p < ALPHA:
        return f"{_better(accuracy, (comparison.name_a, comparison.name_b))} better, {facts}"
    if comparison.detectable is None:
        limit = "so few items differ that no difference could have been shown"
    else:
        points = 100 * comparison.detectable
        limit = (
            f"at the discordance seen, so after the fact, a true difference of {points:.1f} points would be found with "
            "80 % power"
        )
    return f"no difference shown, {facts}; {limit}"


def _better(result: Paired, names: tuple[str, str]) -> str:
    return names[0] if result.difference > 0 else names[1]


def _numbers(result: Paired) -> str:
    points = f"{_points(result.difference)} points"
    if result.interval is None:
        return points
    return f"{points} [{_points(result.interval.low)}, {_points(result.interval.high)}]"


def _points(share: float) -> str:
    text = f"{100 * share:.1f}"
    return "0.0" if text == "-0.0" else text


def _p(p: float) -> str:
    """Never rounded to 0, nor up to the 0.05 that it is below."""
    if p < 0.001:
        return "p < 0.001"
    if 0.0495 <= p < ALPHA:
        return "p = 0.049"
    return f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def _prohibited_words(result: Paired, names: tuple[str, str]) -> str:
    counts = f"prohibited options chosen in {result.a} ({names[0]}) and {result.b} ({names[1]}) of {result.n} items"
    if result.p >= ALPHA:
        return f"{counts}: no difference shown, {_p(result.p)}"
    return f"{counts}: {names[0] if result.difference > 0 else names[1]} more often, {_p(result.p)}"


def _answers_words(group: CategoryComparison, names: tuple[str, str]) -> str:
    what = {"single": "one right option", "multiple": "several right options"}[group.name]
    result = "no difference shown" if group.p_holm >= ALPHA else f"{_better(group.result, names)} better"
    numbers = f"{_numbers(group.result)}, {_p(group.p_holm)} after Holm's correction over both"
    return f"items with {what}, n = {group.result.n:,}: {result}, {numbers}"


def _power_words(comparison: Comparison) -> str:
    """What so many items can show: as it turned out, and as it is known before."""
    accuracy = comparison.accuracy
    seen, planned = (
        "none" if value is None else f"{100 * value:.1f} points"
        for value in (comparison.detectable, comparison.detectable_planned)
    )
    return (
        f"the smallest true difference that {accuracy.n:,} items would show with 80 % power: {seen} at the discordance "
        f"of these runs ({100 * discordance(accuracy):.1f} %; computed after the fact, it adds nothing to p); "
        f"{planned} at {100 * PLANNED_DISCORDANCE:.0f} %, for planning"
    )


def _left_out(comparison: Comparison, names: tuple[str, str]) -> list[tuple[str, tuple[str, ...]]]:
    return [
        (f"only in {names[0]}, not compared", comparison.only_in_a),
        (f"only in {names[1]}, not compared", comparison.only_in_b),
        ("more than once in a run, counted once", comparison.repeated),
        ("with contradictory outcomes in a run, not compared", comparison.contradictory),
    ]


def _some(ids: Sequence[str]) -> str:
    return ", ".join(ids[:10]) + (f" and {len(ids) - 10} more" if len(ids) > 10 else "")
