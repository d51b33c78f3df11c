"""How far the predictions of one file lie from those of another, position by position."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy import ndarray

    Logits = ndarray[Any, Any]
    """float32, shape (positions, vocabulary)."""
    Values = ndarray[Any, Any]
    """float64 or bool, shape (positions,)."""

_VALUES_AT_ONCE = 1 << 21
"""Of each file; in float64 and with what is computed of them they take some 100 MB."""


class NotNumbers(Exception):
    """A logit is infinite or no number; `of_reference` says whose."""

    def __init__(self, of_reference: bool) -> None:
        super().__init__("a logit is no finite number")
        self.of_reference = of_reference


@dataclass(frozen=True)
class Divergences:
    """One value for each position."""

    kl: Values
    """KL(reference ‖ candidate) of the distributions of the next token, in nats; at least 0."""
    same_top: Values
    """Whether both have the same most likely token."""
    reference_loss: Values
    """−log of the probability of the token that follows in the text, in nats …"""
    candidate_loss: Values
    """… and the candidate's."""


def divergences(reference: Logits, candidate: Logits, following: Sequence[int]) -> Divergences:
    """Of logits at the same positions; `following` is the token after each. Raises NotNumbers."""
    import numpy as np

    for logits, of_reference in ((reference, True), (candidate, False)):
        if not np.isfinite(logits).all():
            raise NotNumbers(of_reference)
    p, q = _log_softmax(reference), _log_softmax(candidate)
    rows = np.arange(len(following))
    return Divergences(
        # Rounding can leave a sum a little below zero.
        kl=np.maximum((np.exp(p) * (p - q)).sum(axis=1), 0.0),
        same_top=reference.argmax(axis=1) == candidate.argmax(axis=1),
        reference_loss=-p[rows, following],
        candidate_loss=-q[rows, following],
    )


def divergences_of_files(reference: Path, candidate: Path, vocabulary: int, following: Sequence[int]) -> Divergences:
    """The same of two files of float32, read in steps so that memory stays bounded. Raises NotNumbers."""
    step = max(1, _VALUES_AT_ONCE // vocabulary)
    blocks = zip(_rows(reference, vocabulary, step), _rows(candidate, vocabulary, step), strict=True)
    return joined(
        divergences(wanted, found, following[first : first + step])
        for first, (wanted, found) in zip(range(0, len(following), step), blocks, strict=True)
    )


def joined(parts: Iterable[Divergences]) -> Divergences:
    import numpy as np

    found = list(parts)
    names = ("kl", "same_top", "reference_loss", "candidate_loss")
    return Divergences(*(np.concatenate([getattr(one, name) for one in found]) for name in names))


def _rows(path: Path, vocabulary: int, step: int) -> Iterator[Logits]:
    import numpy as np

    with path.open("rb") as file:
        while len(values := np.fromfile(file, np.float32, step * vocabulary)):
            yield values.reshape(-1, vocabulary)


def _log_softmax(logits: Logits) -> Values:
    import numpy as np

    shifted = logits.astype(np.float64)
    shifted -= shifted.max(axis=1, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    values: Values = shifted
    return values
