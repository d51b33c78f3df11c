"""What differs between two runs beside what they answered: recorded facts, and questions that are not the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from evaluation.reporting.pairs import same_question
from evaluation.runs.records import RunIdentity
from evaluation.runs.store import Run
from evaluation.tasks.problems import some

NAMES = ("A", "B")


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """A recorded fact that is not the same in both runs, as text."""

    what: str
    a: str
    b: str
    group: str
    """What it is a part of: the model's file and its sha256 are one difference, not two."""


def other_questions(a: Run, b: Run) -> tuple[str, ...]:
    """Ids of questions that are not the same in both runs."""
    known = {record.item.id: record.item for record in a.records}
    return tuple(
        sorted(
            record.item.id
            for record in b.records
            if record.item.id in known and not same_question(known[record.item.id], record.item)
        )
    )


_GROUPS = {
    "model": "the model",
    "engine": "the engine",
    "language": "the language",
    "items": "the questions",
    "data_sha256": "the questions",
    "settings.how": "the way of scoring",
    "settings.template": "the template",
    "settings.template_sha256": "the template",
    "settings.chat": "the chat template",
    "settings.shots": "the examples",
}
_WORDS = {
    "model.file": "model file",
    "model.sha256": "model sha256",
    "model.description": "model",
    "items": "questions",
    "data_sha256": "questions, sha256",
    "settings.how": "way of scoring",
    "settings.template_sha256": "template, sha256",
    "settings.chat": "model's chat template",
    "settings.shots": "examples shown before",
    "settings.shuffle": "options shuffled",
    "settings.max_tokens": "tokens at most",
    "settings.batched": "evaluated together",
}


def differences(a: RunIdentity, b: RunIdentity) -> Iterator[Difference]:
    """Of everything a run says of itself, so that no setting that is added later can be forgotten here."""
    left, right = dict(_facts(msgspec.to_builtins(a))), dict(_facts(msgspec.to_builtins(b)))
    for key in left:
        if left[key] != right[key]:
            yield Difference(
                what=_words(key),
                a=_value(key, left[key]),
                b=_value(key, right[key]),
                group=_part(key, a, b),
            )


def _facts(value: dict[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, inner in value.items():
        if isinstance(inner, dict):
            yield from _facts(inner, f"{before}{name}.")
        else:
            yield before + name, inner


def _words(key: str) -> str:
    return _WORDS.get(key, key.rpartition(".")[2].replace("_", " "))


def _part(key: str, a: RunIdentity, b: RunIdentity) -> str:
    part = _GROUPS.get(key) or _GROUPS.get(key.partition(".")[0]) or _words(key)
    # Another language has its own questions, and the same template in its own words; that is one difference.
    if a.language != b.language and (part == "the questions" or (part == "the template" and _same_template(a, b))):
        return "the language"
    return part


def _same_template(a: RunIdentity, b: RunIdentity) -> bool:
    """Whether it is one template in two languages, by the names that templates have: `plain_five_choice[_ja]`."""
    return _without_language(a.settings.template) == _without_language(b.settings.template)


def _without_language(template: str) -> str:
    return template.removesuffix("_ja").removesuffix("_en")


def _value(key: str, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return f"{len(value)}: {some(value)}" if value else "none"
    return (str(value)[:12] if key.endswith("sha256") else str(value)) or "unknown"


def cautions(a: Run, b: Run, found: Sequence[Difference], others: Sequence[str]) -> Iterator[str]:
    """Sentences that a person must have read before the verdict; `others` are the ids that `other_questions` gives."""
    parts = list(dict.fromkeys(difference.group for difference in found))
    if not parts:
        yield "Nothing that is recorded differs."
    elif len(parts) == 1:
        yield f"Only this differs: {parts[0]}."
    else:
        yield f"Several things differ ({', '.join(parts)}): which of them makes a difference cannot be said."
    ways = (a.identity.settings.how, b.identity.settings.how)
    if ways[0] != ways[1]:
        yield (
            f"{ways[0]} and {ways[1]} are different ways of scoring: the same model scores differently with them, "
            "so this compares no models."
        )
    for name, run in zip(NAMES, (a, b), strict=True):
        if not run.complete:
            yield (
                f"{name} is not complete: {len(run.records):,} of {run.identity.items:,} questions are recorded, "
                "and only these are compared."
            )
    if others:
        yield (
            "Ids that stand for another question, or another right answer, in each run, and are not compared: "
            f"{len(others)} ({some(others)})."
        )
