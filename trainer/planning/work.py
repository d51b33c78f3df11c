"""What the steps of a run compute: which sequences they read, in which batches, in the recipe's own order.

A run of a few steps reads other sequences than the average of its data. And time does not grow with tokens alone: short
batches use a device badly, and the logits of long ones are computed in parts (see `trainer.loss`). So batches are made
as the run will make them, and averages are those of batches of about one size.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from trainer.config import MpeftConfig, TrainingConfig
from trainer.running.order import Order

SIZES = 3
"""Groups of batches by their size, where sizes differ."""
ALIKE = 1.1
"""The largest group's batches over the smallest's, up to which sizes do not differ."""


@dataclass(frozen=True)
class BatchShape:
    """The average of some batches of one device."""

    rows: int
    length: int
    """Tokens of each row, padding included."""
    learned: int
    """Labels of each row."""
    share: float = 1.0
    """That these batches are of all."""


@dataclass(frozen=True)
class Work:
    """Of all steps of a run, on one device."""

    batches: int
    tokens: int
    """Without padding."""
    computed: int
    """With the padding of the batches."""
    learned: int
    """Tokens that have a label."""
    shapes: tuple[BatchShape, ...]
    """Of the batches, the smallest first; the shares are 1 in sum."""

    @property
    def average(self) -> BatchShape:
        """Of all batches."""
        sequences = self.batches * self.shapes[0].rows
        return BatchShape(
            rows=self.shapes[0].rows,
            length=max(1, round(self.computed / sequences)),
            learned=max(1, round(self.learned / sequences)),
        )


@dataclass(frozen=True)
class Sequences:
    """Of an epoch, or a sample of them."""

    lengths: Sequence[int]
    """Tokens of each."""
    learned: Sequence[int]
    """Labels of each."""
    share: float = 1.0
    """Of the epoch that is known."""

    @property
    def count(self) -> int:
        """Of the epoch."""
        return round(len(self.lengths) / self.share)


def steps(config: TrainingConfig, sequences: int, devices: int = 1) -> int:
    """Optimizer steps, as transformers' Trainer counts them: the last batch of an epoch may be smaller."""
    if config.max_steps is not None:
        return config.max_steps
    return math.ceil(config.epochs * steps_an_epoch(config, sequences, devices))


def steps_an_epoch(config: TrainingConfig, sequences: int, devices: int = 1) -> int:
    batches = math.ceil(sequences / (config.batch_size * devices))
    return max(1, math.ceil(batches / config.gradient_accumulation))


def epochs_of(config: TrainingConfig, sequences: int, count: int) -> float:
    """How often `count` steps read all sequences, on one device."""
    return count / steps_an_epoch(config, sequences)


def work_of(config: TrainingConfig, read: Sequences, count: int) -> Work:
    """Of `count` steps. Every epoch but a last one that is cut short counts as the first: they differ by padding alone.

    What the steps read of a sample is not known, and taken for the average.
    """
    first = _batches(config, read, 0)
    if read.share == 1:
        epochs, more = divmod(count, steps_an_epoch(config, read.count))
        times: float = epochs
        last = _batches(config, read, epochs)[: more * config.gradient_accumulation] if more else []
    else:
        times, last = epochs_of(config, read.count, count) / read.share, []

    def total(of: Callable[[_Batch], int]) -> int:
        return round(times * sum(map(of, first))) + sum(map(of, last))

    return Work(
        batches=total(lambda _: 1),
        tokens=total(lambda batch: batch.tokens),
        computed=total(lambda batch: batch.computed),
        learned=total(lambda batch: batch.learned),
        shapes=_shapes(first if times else last, config.batch_size),
    )


@dataclass(frozen=True)
class _Batch:
    tokens: int
    computed: int
    learned: int


def _batches(config: TrainingConfig, read: Sequences, epoch: int) -> list[_Batch]:
    size = config.batch_size
    order = Order(
        read.lengths,
        together=size * config.gradient_accumulation,
        similar=isinstance(config, MpeftConfig) and not config.packing,
        seed=config.seed,
    )
    order.epoch = epoch
    ordered = list(order)
    return [_batch(ordered[start : start + size], read) for start in range(0, len(ordered), size)]


def _batch(indices: Sequence[int], read: Sequences) -> _Batch:
    lengths = [read.lengths[index] for index in indices]
    return _Batch(sum(lengths), max(lengths) * len(lengths), sum(read.learned[index] for index in indices))


def _shapes(batches: Sequence[_Batch], rows: int) -> tuple[BatchShape, ...]:
    """As many batches of one size as of another, as near as may be."""
    ordered = sorted(batches, key=lambda batch: batch.computed)
    count = min(SIZES, len(ordered))
    bounds = [number * len(ordered) // count for number in range(count + 1)]
    groups = [ordered[start:end] for start, end in pairwise(bounds)]
    found = [_average(group, rows, len(group) / len(ordered)) for group in groups]
    return tuple(found) if found[-1].length > ALIKE * found[0].length else (_average(ordered, rows, 1.0),)


def _average(batches: Sequence[_Batch], rows: int, share: float) -> BatchShape:
    each = len(batches) * rows
    return BatchShape(
        rows=rows,
        length=max(1, round(sum(batch.computed for batch in batches) / each)),
        learned=max(1, round(sum(batch.learned for batch in batches) / each)),
        share=share,
    )
