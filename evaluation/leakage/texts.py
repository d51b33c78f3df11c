"""What of each question is looked for: its n-grams, or, of a short one, all of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from app.core.errors import InputError
from app.core.language import Language
from evaluation.items import Item
from evaluation.leakage.forms import Shaper, folded

if TYPE_CHECKING:
    from evaluation.leakage.forms import Places

MAX_CHARACTERS = 10_000_000
"""Kept characters of all questions together: five times the public benchmarks. An index of so many takes
1 GB."""


@dataclass(frozen=True)
class Sizes:
    """Numbers of units: of words in English, of characters in Japanese."""

    gram: int
    """Of an n-gram. Questions with fewer units are looked for as a whole."""
    alone: int
    """A question with at least so many units tells its benchmark by itself; a shorter one only with its options."""
    anchor: int
    """Units that every question must have to be looked for at all."""


SIZES: dict[Language, Sizes] = {"en": Sizes(gram=13, alone=8, anchor=4), "ja": Sizes(gram=50, alone=20, anchor=8)}
"""13 words at most and 8 at least are GPT-3's (arXiv 2005.14165, appendix C: below 8 there are spurious collisions);
50 characters are GPT-4's (arXiv 2303.08774, appendix C), which takes shorter texts as a whole too."""

Telling = Literal["grams", "alone", "options"]
"""How a question is told: by its n-grams, as a whole by itself, or as a whole with all its options beside it."""


@dataclass(frozen=True)
class Target:
    """One text of a question, and all items that ask it."""

    items: tuple[Item, ...]
    language: Language
    text: str
    """Its kept characters."""
    starts: Places
    """Where in `text` each of its units begins, and its length."""

    @property
    def units(self) -> int:
        return len(self.starts) - 1

    @property
    def telling(self) -> Telling:
        sizes = SIZES[self.language]
        if self.units >= sizes.gram:
            return "grams"
        return "alone" if self.units >= sizes.alone else "options"

    def parts(self, units: int) -> Iterator[tuple[int, int]]:
        """Where in `text` each part of so many units begins and ends."""
        starts = self.starts.tolist()
        return zip(starts, starts[units:], strict=False)


def targets(items: Sequence[Item], shaper: Shaper) -> tuple[list[Target], list[Item]]:
    """Each text that is asked once, whatever the number of items; and items whose text is too short to be told.

    Raises InputError beyond MAX_CHARACTERS.
    """
    by_text: dict[tuple[Language, str], list[Item]] = {}
    characters = 0
    for item in items:
        text = shaper.form(folded(item.question)).text
        characters += len(text)
        if characters > MAX_CHARACTERS:
            raise InputError(
                f"The questions have more than {MAX_CHARACTERS:,} characters together: check one task at a time."
            )
        by_text.setdefault((item.language, text), []).append(item)
    found: list[Target] = []
    short: list[Item] = []
    for (language, text), same in by_text.items():
        starts = _units(same[0].question, language, shaper)
        told = [item for item in same if _can_be_told(item, len(starts) - 1, shaper)]
        short += (item for item in same if item not in told)
        if told:
            found.append(Target(tuple(told), language, text, starts))
    return found, short


def _units(text: str, language: Language, shaper: Shaper) -> Places:
    """Where units begin, and the end: words, or in Japanese characters."""
    import numpy as np

    form = shaper.form(folded(text))
    return form.starts if language == "en" else np.arange(len(form.codes) + 1)


def _can_be_told(item: Item, units: int, shaper: Shaper) -> bool:
    """Whether the question is long enough by itself, or with its options: "which is true?" with 1, 2, 3 is not."""
    sizes = SIZES[item.language]
    if units >= sizes.alone:
        return True
    options = sum(len(_units(option, item.language, shaper)) - 1 for option in item.options)
    return units >= sizes.anchor and units + options >= sizes.alone


def anchors(found: Sequence[Target]) -> list[tuple[int, int]]:
    """Of each target, its part that the fewest of them have, of the length of an anchor: where it begins and ends.

    "Which of the following" begins hundreds of questions; what makes one rare finds it without a look at the others.
    """
    parts = [
        [(first, end, target.text[first:end]) for first, end in target.parts(SIZES[target.language].anchor)]
        for target in found
    ]
    counts = Counter(text for one in parts for text in {text for _, _, text in one})
    return [min(one, key=lambda part: counts[part[2]])[:2] for one in parts]
