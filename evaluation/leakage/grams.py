"""Which parts of a text are parts of a question: a table of hashes, and a look at the texts where one is found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.core.language import Language
from evaluation.leakage.forms import Form, Hasher
from evaluation.leakage.texts import SIZES, Target, anchors

if TYPE_CHECKING:
    from evaluation.leakage.forms import Codes, Hashes, Places

COMMON = 5
"""A part that more questions than these have is how examinations are written, not what one of them asks: "which of the
following is the most likely cause of this patient's". GPT-3's check ignored what occurs often as well."""

_FILTER_BITS = (12, 28)


@dataclass(frozen=True)
class Hit:
    """A part of a text that is a part of a question."""

    target: int
    """The number of the question's text."""
    part: int
    """Its number among the parts that are looked for."""
    first: int
    """Where in the text's codes it begins …"""
    end: int
    """… and ends."""


@dataclass(frozen=True)
class Parts:
    """Parts of questions, one a row."""

    hashes: Hashes
    owners: Places
    """The numbers of their targets."""
    firsts: Places
    """Where in the target's codes they begin …"""
    ends: Places
    """… and end."""

    def __len__(self) -> int:
        return len(self.hashes)

    def rows(self, chosen: Places) -> Parts:
        return Parts(self.hashes[chosen], self.owners[chosen], self.firsts[chosen], self.ends[chosen])


class Table:
    """Parts of one number of units, of one language.

    Memory: 32 bytes a part and at most 32 for the filter; the targets hold the texts.
    """

    def __init__(self, targets: Sequence[Target], language: Language, units: int, parts: Parts) -> None:
        """`parts` are sorted by their hashes."""
        import numpy as np

        self._targets, self._language, self._units, self._parts = targets, language, units, parts
        least, most = _FILTER_BITS
        bits = min(most, max(least, (16 * len(parts)).bit_length()))
        self._shift = np.uint64(64 - bits)
        self._filter = np.zeros(1 << bits, np.bool_)
        self._filter[parts.hashes >> self._shift] = True

    def hits(self, form: Form, sums: Hashes, hasher: Hasher) -> Iterator[Hit]:
        """Every part of a form that is one of these, compared letter by letter."""
        import numpy as np

        firsts, ends = self._windows(form)
        hashes = hasher.of(sums, firsts, ends)
        # One look into a small table rejects nearly all, before a search among the sorted hashes.
        places = np.flatnonzero(self._filter[hashes >> self._shift])
        rows = np.searchsorted(self._parts.hashes, hashes[places])
        counts = np.searchsorted(self._parts.hashes, hashes[places], side="right") - rows
        places, rows = np.repeat(places, counts), np.repeat(rows, counts) + _ranges(counts)
        yield from self._confirmed(form, places, rows)

    def _windows(self, form: Form) -> tuple[Places | slice, Places | slice]:
        if self._language == "ja":
            count = max(0, len(form.codes) - self._units + 1)
            return slice(0, count), slice(self._units, self._units + count)
        count = max(0, len(form.starts) - self._units)
        return form.starts[:count], form.starts[self._units :]

    def _confirmed(self, form: Form, places: Places, rows: Places) -> Iterator[Hit]:
        """Those of equal hashes whose texts are equal."""
        if not len(rows):
            return
        firsts = places if self._language == "ja" else form.starts[places]
        own = self._parts.rows(rows)
        for first, row, owner, own_first, own_end in zip(
            *(one.tolist() for one in (firsts, rows, own.owners, own.firsts, own.ends)), strict=True
        ):
            end = first + own_end - own_first
            if form.text[first:end] == self._targets[owner].text[own_first:own_end]:
                yield Hit(owner, row, first, end)

    def whole(self, hit: Hit, form: Form) -> tuple[int, int] | None:
        """Where the whole text of the question stands around this part of it, if it does."""
        import numpy as np

        target = self._targets[hit.target]
        first = hit.first - int(self._parts.firsts[hit.part])
        end = first + len(target.text)
        if first < 0 or form.text[first:end] != target.text:
            return None
        if self._language == "en":
            places = np.searchsorted(form.starts, (first, end))
            if form.starts[places[0]] != first or form.starts[places[1]] != end:
                return None  # it begins or ends within a word
        return first, end


@dataclass(frozen=True)
class Grams:
    """The n-grams of the longer questions of a language."""

    table: Table | None
    counts: dict[int, int]
    """Of each target, how many different ones it has that few others share; at least one."""
    common: tuple[int, ...]
    """Targets that have none."""


def gram_table(targets: Sequence[Target], language: Language, hasher: Hasher) -> Grams:
    import numpy as np

    units = SIZES[language].gram
    chosen = [number for number, one in enumerate(targets) if one.language == language and one.telling == "grams"]
    if not chosen:
        return Grams(None, {}, ())
    parts = _sorted([_different(targets[number], number, units, hasher) for number in chosen])
    _, inverse, owners = np.unique(parts.hashes, return_inverse=True, return_counts=True)
    parts = parts.rows(np.flatnonzero(owners[inverse] <= COMMON))
    numbers, counts = np.unique(parts.owners, return_counts=True)
    counted = dict(zip(numbers.tolist(), counts.tolist(), strict=True))
    common = tuple(number for number in chosen if number not in counted)
    return Grams(Table(targets, language, units, parts) if len(parts) else None, counted, common)


def anchor_table(targets: Sequence[Target], language: Language, hasher: Hasher) -> Table | None:
    """One part of each of the shorter questions of a language."""
    import numpy as np

    chosen = [number for number, one in enumerate(targets) if one.language == language and one.telling != "grams"]
    if not chosen:
        return None
    found = []
    for number, (first, end) in zip(chosen, anchors([targets[number] for number in chosen]), strict=True):
        firsts, ends = np.array([first]), np.array([end])
        hashes = hasher.of(hasher.sums(_codes(targets[number])), firsts, ends)
        found.append(Parts(hashes, np.array([number]), firsts, ends))
    return Table(targets, language, SIZES[language].anchor, _sorted(found))


def _different(target: Target, number: int, units: int, hasher: Hasher) -> Parts:
    """One part for each hash: what a question says twice counts once."""
    import numpy as np

    firsts, ends = target.starts[:-units], target.starts[units:]
    hashes, rows = np.unique(hasher.of(hasher.sums(_codes(target)), firsts, ends), return_index=True)
    return Parts(hashes, np.full(len(rows), number), firsts[rows], ends[rows])


def _sorted(parts: Sequence[Parts]) -> Parts:
    import numpy as np

    names = ("hashes", "owners", "firsts", "ends")
    together = Parts(*(np.concatenate([getattr(one, name) for one in parts]) for name in names))
    return together.rows(np.argsort(together.hashes, kind="stable"))


def _codes(target: Target) -> Codes:
    import numpy as np

    return np.frombuffer(target.text.encode("utf-32-le"), "<u4")


def _ranges(counts: Places) -> Places:
    """0, 1 … count - 1 for each count, one after another."""
    import numpy as np

    ends = np.cumsum(counts)
    ranges: Places = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - counts, counts)
    return ranges
