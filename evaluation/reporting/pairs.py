"""Which runs of a report are compared, and on which questions: pure functions of runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evaluation.comparison import Comparison, Outcome, compare
from evaluation.items import Item
from evaluation.reporting.summary import marked
from evaluation.runs.records import Record, RunIdentity
from evaluation.runs.store import Run

SEED = 0
"""Of every bootstrap in a report."""


@dataclass(frozen=True)
class Pair:
    a: int
    b: int
    """Places of the two runs in the report."""
    languages: bool
    """One model asked in Japanese (a) and in English (b)."""


@dataclass(frozen=True)
class Difference:
    """A question that one of two runs alone got right."""

    a: Record
    b: Record


@dataclass(frozen=True)
class Compared:
    pair: Pair
    result: Comparison
    different: tuple[str, ...]
    """Ids whose questions are not the same in both runs; they are not compared."""
    only_a: tuple[Difference, ...]
    only_b: tuple[Difference, ...]
    """In order of the ids."""


def pairs(identities: Sequence[RunIdentity]) -> tuple[Pair, ...]:
    """Each run against the first of the same task and language; then, for each model that was asked a task in the same
    way in both languages, Japanese against English."""
    found = []
    first: dict[tuple[str, str], int] = {}
    for place, identity in enumerate(identities):
        key = (identity.task, identity.language)
        if key in first:
            found.append(Pair(first[key], place, False))
        first.setdefault(key, place)
    asked: dict[tuple[str, ...], dict[str, int]] = {}
    for place, identity in enumerate(identities):
        asked.setdefault(_model_and_way(identity), {}).setdefault(identity.language, place)
    both = [Pair(one["ja"], one["en"], True) for one in asked.values() if len(one) == 2]
    return (*found, *both)


def _model_and_way(identity: RunIdentity) -> tuple[str, ...]:
    model = identity.model
    # A server's file is not known: its model has a name and an address.
    who = (model.sha256,) if model.sha256 else (model.file, model.description)
    return (identity.task, identity.settings.how, *who)


def alone(identities: Sequence[RunIdentity]) -> tuple[int, ...]:
    """Places of the runs that are in no pair."""
    paired = {place for pair in pairs(identities) for place in (pair.a, pair.b)}
    return tuple(place for place in range(len(identities)) if place not in paired)


def compared(runs: Sequence[Run], names: Sequence[str], pair: Pair, seed: int = SEED) -> Compared:
    """The comparison of two runs over the questions that are the same in both."""
    a, b = ({record.item.id: record for record in runs[place].records} for place in (pair.a, pair.b))
    shared = sorted(a.keys() & b.keys())
    different = {id_ for id_ in shared if not same_question(a[id_].item, b[id_].item)}
    result = compare(
        outcomes([record for id_, record in a.items() if id_ not in different]),
        outcomes([record for id_, record in b.items() if id_ not in different]),
        seed,
        (names[pair.a], names[pair.b]),
    )
    sides = [Difference(a[id_], b[id_]) for id_ in shared if id_ not in different]
    return Compared(
        pair,
        result,
        tuple(sorted(different)),
        tuple(one for one in sides if one.a.correct and not one.b.correct),
        tuple(one for one in sides if one.b.correct and not one.a.correct),
    )


def same_question(a: Item, b: Item) -> bool:
    """Whether two items of one id ask the same; of a translation, that as many options have the same answers."""
    if len(a.options) != len(b.options) or a.answers != b.answers:
        return False
    return a.language != b.language or (a.question, a.options, a.context) == (b.question, b.options, b.context)


def ways(a: RunIdentity, b: RunIdentity) -> tuple[str, ...]:
    """In what two runs differ that may make a difference, as keys of words."""
    one, other = _ways(a), _ways(b)
    return tuple(key for key in one if one[key] != other[key])


def _ways(identity: RunIdentity) -> dict[str, object]:
    settings = identity.settings
    return {
        "model": identity.model,
        "engine": identity.engine,
        "language": identity.language,
        "how": settings.how,
        "template": settings.template_sha256,
        "chat": settings.chat,
        "shots": settings.shots,
        "order": (settings.shuffle, settings.permutations),
        "decoding": (settings.max_tokens, settings.grammar, settings.samples, settings.temperature),
        "seed": settings.seed,
        "batched": settings.batched,
        "context_length": settings.context_length,
    }


def outcomes(records: Sequence[Record]) -> list[Outcome]:
    return [
        Outcome(
            one.item.id,
            one.right,
            one.item.category,
            bool(set(one.chosen) & set(one.item.prohibited)) if one.item.prohibited else None,
            len(one.item.answers) > 1,
        )
        for one in marked(records)
    ]
