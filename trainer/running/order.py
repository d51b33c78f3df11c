"""In which order rows are read: a function of seed and epoch alone, so that a resumed run reads them as the first did.

transformers' own sampler by length draws from the global random state, which at the second epoch of a resumed run is
another one, and sorts by the batch of one device, so that two devices see other batches than one.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

_POOL = 50  # batches that are sorted together, as in transformers


class Order:
    """Indices of all rows, each once; `epoch` is set before an epoch begins. What torch calls a sampler."""

    def __init__(self, lengths: Sequence[int], *, together: int, similar: bool, seed: int) -> None:
        """`together` rows are learned from at one step of the optimizer; with `similar`, they have similar lengths."""
        self._lengths, self._together, self._similar, self._seed = lengths, together, similar, seed
        self.epoch = 0

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        draw = random.Random(f"order {self._seed} {self.epoch}")
        indices = list(range(len(self._lengths)))
        draw.shuffle(indices)
        return iter(self._grouped(indices, draw) if self._similar else indices)

    def _grouped(self, indices: list[int], draw: random.Random) -> list[int]:
        """In pools, each sorted by length and cut into batches in random order.

        The longest batch of all comes first: if memory does not suffice for it, that shows at once. The one that is not
        full comes last, or those after it would not be batches.
        """
        size = self._together * max(1, min(len(indices) // (self._together * 4), _POOL))
        batches: list[list[int]] = []
        for start in range(0, len(indices), size):
            pool = sorted(indices[start : start + size], key=lambda index: -self._lengths[index])
            batches += [pool[at : at + self._together] for at in range(0, len(pool), self._together)]
        rest = [batch for batch in batches if len(batch) < self._together]
        full = [batch for batch in batches if len(batch) == self._together]
        draw.shuffle(full)
        full.sort(key=lambda batch: self._lengths[batch[0]] < max(self._lengths))  # stable: it moves nothing else
        return [index for batch in (*full, *rest) for index in batch]
