"""Documents that are nearly the same: MinHash with locality-sensitive hashing, and a look at both where they may be.

A document is the set of its shingles: five words in a row in English, five characters in Japanese (the two mix as they
do in the text), whatever their punctuation, case and width. Two are near duplicates if their shingles' Jaccard index
is at least 0.8. One hash a shingle fills all bins of a sketch (one-permutation hashing, P. Li, A. Owen and C.-H. Zhang,
NIPS 2012), empty bins are filled from others (optimal densification, A. Shrivastava, ICML 2017), and documents with an
equal band of bins are compared by their shingles, so that chance never removes one. De-duplication this way before
training: K. Lee et al., arXiv 2107.06499.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import reduce
from typing import TYPE_CHECKING, Any

from evaluation.leakage.forms import SEPARATOR, Hasher, Shaper, folded

if TYPE_CHECKING:
    from numpy import ndarray

    Array = ndarray[Any, Any]

SHINGLE = 5
SIMILAR = 0.8
BANDS, ROWS = 20, 6
"""A pair with a Jaccard index s is looked at with a chance of 1 - (1 - s^6)^20: 0.998 at 0.8, more above."""

_BINS = BANDS * ROWS
_EMPTY = 0xFFFFFFFF
_ATTEMPTS = 64
_BATCH = 1 << 18  # characters that are hashed together
_MOST_COMPARED = 8
"""Kept documents of one band that a further one is compared with: what thousands share is a form, not a text."""
_REMEMBERED = 4 << 20  # shingles of kept texts: 32 MiB
_SEED = 0x1A70


def near_duplicates(texts: Sequence[str]) -> dict[int, int]:
    """Of each text that is nearly an earlier one: the number of that one, which is not itself in the answer.

    Texts without a letter or digit are never the same. Memory besides the texts: 160 bytes each, about 64 MiB, and 25
    bytes a character of the longest one.
    """
    shingler = _Shingler()
    bands = shingler.bands(texts)
    shared = _shared(bands)
    shingles = _Remembered(lambda number: shingler.shingles(texts[number]))
    found: dict[int, int] = {}
    kept: dict[tuple[int, int], list[int]] = defaultdict(list)
    for number, keys in sorted(shared.items()):
        earlier = sorted({one for key in keys for one in kept[key]})
        first = next((one for one in earlier if _similar(shingles(one), shingles(number))), None)
        if first is not None:
            found[number] = first
            continue
        for key in keys:
            if len(kept[key]) < _MOST_COMPARED:
                kept[key].append(number)
    return found


class _Remembered:
    """The shingles of the texts that were looked at last: of many short ones, or of few books."""

    def __init__(self, make: Callable[[int], Array]) -> None:
        self._make = make
        self._kept: dict[int, Array] = {}
        self._size = 0

    def __call__(self, number: int) -> Array:
        found = self._kept.pop(number, None)
        if found is None:
            found = self._make(number)
            self._size += len(found)
        self._kept[number] = found
        while self._size > _REMEMBERED and len(self._kept) > 1:
            self._size -= len(self._kept.pop(next(iter(self._kept))))
        return found


def _similar(one: Array, other: Array) -> bool:
    # The index is at most the ratio of the sizes.
    if min(len(one), len(other)) < SIMILAR * max(len(one), len(other)):
        return False
    return _jaccard(one, other) >= SIMILAR


def _jaccard(one: Array, other: Array) -> float:
    """Of two ascending arrays, neither of them empty."""
    import numpy as np

    common = 0
    for at in range(0, len(one), _BATCH):
        part = one[at : at + _BATCH]
        places = np.minimum(np.searchsorted(other, part), len(other) - 1)
        common += int((other[places] == part).sum())
    return common / (len(one) + len(other) - common)


def _shared(bands: Array) -> dict[int, list[tuple[int, int]]]:
    """Of each text that has a band in common with another: those bands, each by its place and content."""
    import numpy as np

    found: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for band in range(bands.shape[1]):
        _, group, sizes = np.unique(bands[:, band], return_inverse=True, return_counts=True)
        shared = np.flatnonzero((sizes[group] > 1) & (bands[:, band] != 0))
        for number, one in zip(shared.tolist(), group[shared].tolist(), strict=True):
            found[number].append((band, one))
    return found


class _Shingler:
    def __init__(self) -> None:
        import numpy as np

        self._shaper, self._hasher = Shaper(), Hasher()
        chance = np.random.default_rng(_SEED)
        self._sources = chance.integers(0, _BINS, (_ATTEMPTS, _BINS))
        self._factors = chance.integers(0, 2**64, ROWS, np.uint64) | np.uint64(1)

    def shingles(self, text: str) -> Array:
        """Their hashes, each once, ascending."""
        import numpy as np

        hashes: Array = np.concatenate([self._hashed([piece])[0] for piece in _pieces(folded(text))])
        hashes.sort()  # in place, which `unique` does not
        own: Array = hashes[np.append(True, hashes[1:] != hashes[:-1])[: len(hashes)]]
        return own

    def bands(self, texts: Iterable[str]) -> Array:
        """A row of BANDS hashes (uint64) for each text; 0 for one without shingles."""
        import numpy as np

        rows = [self._bands(batch) for batch in _batches(map(folded, texts))]
        return np.concatenate(rows) if rows else np.zeros((0, BANDS), np.uint64)

    def _hashed(self, batch: Sequence[str]) -> tuple[Array, Array]:
        """The hash of every shingle, and the number in the batch of the text that it is of; shorter texts have one."""
        import numpy as np

        form = self._shaper.form(SEPARATOR.join(batch))
        codes, starts = form.codes, form.starts
        # Separators are units of their own; what lies between two of them is one text.
        marks = np.flatnonzero(codes[starts[:-1]] == ord(SEPARATOR))
        begins, ends = np.append(0, marks + 1), np.append(marks, len(starts) - 1)
        counts = np.where(ends > begins, np.maximum(1, ends - begins - SHINGLE + 1), 0)
        owners = np.repeat(np.arange(len(batch)), counts)
        offsets = np.arange(len(owners)) - np.repeat(np.cumsum(counts) - counts, counts)
        first = begins[owners] + offsets
        last = np.minimum(first + SHINGLE, ends[owners])
        hashes = self._hasher.of(self._hasher.sums(codes), starts[first], starts[last])
        return _mixed(hashes), owners

    def _bands(self, batch: Sequence[str]) -> Array:
        import numpy as np

        count = len(batch)
        # A text of more than a batch is one by itself; the least value of its bins is that of its pieces.
        pieces = [batch] if count > 1 else ([piece] for piece in _pieces(batch[0]))
        original = reduce(np.minimum, (_sketches(*self._hashed(piece), count) for piece in pieces))
        sketches = self._dense(original).astype(np.uint64).reshape(count, BANDS, ROWS)
        bands = _mixed((sketches * self._factors).sum(axis=2, dtype=np.uint64)) | np.uint64(1)
        bands[(original == _EMPTY).all(axis=1)] = 0
        return bands

    def _dense(self, sketches: Array) -> Array:
        """Every empty bin takes the value of a full one of the same text, looked for in the same order in all texts."""
        import numpy as np

        rows = np.flatnonzero((sketches == _EMPTY).any(axis=1))
        original, filled = sketches[rows], sketches[rows]
        for sources in self._sources:
            empty = filled == _EMPTY
            if not empty.any():
                break
            filled = np.where(empty, original[:, sources], filled)
        # Only texts of one or two shingles are left with empty bins: their least value stands for them.
        filled = np.where(filled == _EMPTY, original.min(axis=1, keepdims=True), filled)
        dense = sketches.copy()
        dense[rows] = filled
        return dense


def _pieces(text: str) -> Iterator[str]:
    """Of a very long text: the few shingles across their seams do not matter, memory does."""
    yield from (text[at : at + _BATCH] for at in range(0, max(1, len(text)), _BATCH))


def _sketches(hashes: Array, owners: Array, count: int) -> Array:
    """The least value of each bin of each text, uint32; a bin is chosen by a hash's upper half, its value the lower."""
    import numpy as np

    half = np.uint64(32)
    bins = ((hashes >> half) * np.uint64(_BINS)) >> half
    keyed = ((owners.astype(np.uint64) * np.uint64(_BINS) + bins) << half) | (hashes & np.uint64(_EMPTY))
    keyed.sort()
    places = keyed >> half
    first = np.flatnonzero(np.append(True, places[1:] != places[:-1])[: len(places)])
    sketches = np.full(count * _BINS, _EMPTY, np.uint32)
    sketches[places[first]] = keyed[first] & np.uint64(_EMPTY)
    return sketches.reshape(count, _BINS)


def _mixed(hashes: Array) -> Array:
    """splitmix64's last step: every bit of the answer depends on every bit. S. Vigna's public code."""
    import numpy as np

    hashes = hashes.copy()
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        hashes ^= hashes >> np.uint64(shift)
        hashes *= np.uint64(factor)
    hashes ^= hashes >> np.uint64(31)
    return hashes


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    """A text of more than a batch is one by itself."""
    batch: list[str] = []
    size = 0
    for text in texts:
        if batch and size + len(text) > _BATCH:
            yield batch
            batch, size = [], 0
        batch.append(text)
        size += len(text) + 1
    if batch:
        yield batch
