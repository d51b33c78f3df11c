"""Recorded answers scored by the published rule (evaluation.paper), exact match and Gestalt matching side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from app.core.errors import InputError
from evaluation.items import Item
from evaluation.paper import PaperScore, left_out, score, score_fixed
from evaluation.predictions import Prediction, is_empty, read_letters
from evaluation.tally import Group, Marked, aligned, group


@dataclass(frozen=True)
class Published:
    fixed: bool
    marked: tuple[Marked, ...]
    """By Gestalt matching."""
    gestalt: Group
    exact: Group
    left_out: Mapping[str, int]
    """How many questions the published harness does not ask, by reason."""
    empty: int
    """Empty answers. The published rule scores them: the first options resemble them as much as any other."""
    letters: int
    """Answers that are letters and nothing else, which resemble no option's text."""


def score_all(items: Sequence[Item], answers: Mapping[str, Prediction], fixed: bool) -> Published:
    """Score the questions that the published harness asks; one without an answer is wrong.

    Raises InputError where it asks none of them.
    """
    reasons = {item.id: left_out(item) for item in items}
    asked = [item for item in items if not reasons[item.id]]
    if not asked:
        first = next(iter(reasons.values()))
        raise InputError(f"The published harness asks none of the {len(items):,} questions: the first one {first}.")
    scores = {item.id: _score(item, answers[item.id], fixed) for item in asked if item.id in answers}
    marked = tuple(_marked(item, scores.get(item.id), answers.get(item.id), fixed) for item in asked)
    exact = [Marked(item, "answered", verdict=bool((found := scores.get(item.id)) and found.exact)) for item in asked]
    given = [(item, answers[item.id]) for item in asked if item.id in answers]
    return Published(
        fixed=fixed,
        marked=marked,
        gestalt=group("gestalt", marked),
        exact=group("exact", exact),
        left_out=dict(Counter(reason for reason in reasons.values() if reason).most_common()),
        empty=sum(is_empty(answer) for _, answer in given),
        letters=sum(_is_letters(item, answer) for item, answer in given),
    )


def _score(item: Item, answer: Prediction, fixed: bool) -> PaperScore:
    if fixed:
        return score_fixed(answer.text, item.options, item.answers, item.language)
    return score(answer.text, item.options, item.answers)


def _marked(item: Item, found: PaperScore | None, answer: Prediction | None, fixed: bool) -> Marked:
    if found is None or answer is None:
        return Marked(item, "missing")
    if fixed and is_empty(answer):
        return Marked(item, "empty")
    if found.chosen is None:
        return Marked(item, "unreadable")
    return Marked(item, "answered", found.chosen, found.gestalt)


def _is_letters(item: Item, answer: Prediction) -> bool:
    """Letters and no option's text: one that is called "A" resembles itself."""
    texts = {option.strip().casefold() for option in item.options}
    return answer.text.strip().casefold() not in texts and read_letters(answer.text, item.options) is not None


# --- for a person and a program ---------------------------------------------------------------------------------------


def as_json(published: Published) -> dict[str, Any]:
    return {
        "rule": "paper-fixed" if published.fixed else "paper",
        "gestalt": msgspec.to_builtins(published.gestalt),
        "exact": msgspec.to_builtins(published.exact),
        "left_out": dict(published.left_out),
        "empty": published.empty,
        "letters": published.letters,
    }


def lines(published: Published) -> list[str]:
    """The two figures, and what is to be known of them; the table that follows is by Gestalt matching."""
    rule = "without its defects (paper-fixed)" if published.fixed else "with its defects (paper)"
    rows = [("", "correct", "accuracy", "95 % interval")]
    rows += [_row("Gestalt matching", published.gestalt), _row("exact match", published.exact)]
    told = [f"The published rule, {rule}:", "", *aligned(rows), ""]
    told += [
        f"Left out, as in the published harness: {count:,}: it {why}." for why, count in published.left_out.items()
    ]
    if not published.fixed and published.empty:
        told.append(f"Empty answers: {published.empty:,}. The published rule takes them for the first options.")
    if not published.fixed and published.letters:
        told.append(
            f"Answers that are letters only: {published.letters:,}. The published rule compares texts, so they earn no "
            "more than chance; --how letters reads them."
        )
    return [*told, "", "By Gestalt matching:"]


def _row(name: str, found: Group) -> tuple[str, str, str, str]:
    low, high = found.interval_95
    return (
        name,
        f"{found.correct} / {found.n}",
        f"{100 * found.accuracy:.1f} %",
        f"{100 * low:.1f} - {100 * high:.1f} %",
    )
