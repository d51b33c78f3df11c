"""What is measured of the model in training: the loss on what was held back, and the letters of questions.

Every process of a distributed run makes the same number of forward passes, on batches of its own: models that are
sharded gather their weights in each. No random number is drawn, so that a measured run trains as one that is not.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import exp
from typing import Any, TypeVar

from trainer.batches import Collator, Row
from trainer.labels import IGNORED

Batch = TypeVar("Batch")


@dataclass(frozen=True)
class Processes:
    """Of a distributed run: which one this is, and of how many."""

    rank: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        """Only one of them writes files, and speaks to the person."""
        return self.rank == 0

    def share(self, batches: Sequence[Batch]) -> Iterator[tuple[Batch, bool]]:
        """This process's batches, as many as any other's: where it has fewer, one again that does not count."""
        for start in range(0, len(batches), self.count):
            at = start + self.rank
            yield batches[min(at, len(batches) - 1)], at < len(batches)


def launched_processes() -> Processes:
    """As `accelerate launch` and torchrun tell it in the environment of each process."""
    return Processes(rank=int(os.environ.get("RANK", "0")), count=int(os.environ.get("WORLD_SIZE", "1")))


@contextmanager
def measured(model: Any) -> Iterator[None]:
    """Without dropout and gradients; afterwards the random state and the mode are as before."""
    import torch

    training = model.training
    model.eval()
    try:
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())), torch.no_grad():
            yield
    finally:
        model.train(training)


def mean_loss(
    loss: Callable[[Any], Any], rows: Sequence[Row], collate: Collator, batch_size: int, processes: Processes
) -> tuple[Any, int]:
    """The sum of the losses of this process's rows (nats, a float64 tensor) and its number of learned tokens.

    `loss` gives the mean over a batch's learned tokens; here every token weighs the same, whatever its batch.
    """
    import torch

    ordered = sorted(rows, key=lambda row: -len(row["input_ids"]))
    batches = [ordered[start : start + batch_size] for start in range(0, len(ordered), batch_size)]
    total, tokens = torch.zeros((), dtype=torch.float64), 0
    for some, counts in processes.share(batches):
        batch = collate(some)
        learned = int((batch["labels"][:, 1:] != IGNORED).sum())
        mean = loss(batch)
        if counts and learned:
            total += mean.detach().double().cpu() * learned
            tokens += learned
    return total, tokens


def perplexity(loss: float) -> float:
    """Of a mean loss in nats a token; infinite where no float is large enough."""
    return exp(loss) if loss < 700 else float("inf")
