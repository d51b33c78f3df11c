"""The disk that a run needs beside its data and its base."""

from __future__ import annotations

from dataclasses import dataclass, replace

from trainer.config import MpeftConfig, TrainingConfig
from trainer.planning.activations import FLOAT, HALF
from trainer.planning.execution import trained, trained_parameters
from trainer.planning.memory import state_bytes
from trainer.planning.shapes import Shape

SMALL_FILES = 16 * 2**20
"""Tokenizer, record, losses and plot."""


@dataclass(frozen=True)
class Disk:
    """Bytes."""

    result: int
    checkpoint: int
    """What a run can be resumed from: what is trained, and the state of its optimizer; 0 if none is kept."""
    peak: int
    """The last checkpoint, the best one, and one that is being written; later the result beside two."""


def disk(config: TrainingConfig, shape: Shape) -> Disk:
    half = not isinstance(config, MpeftConfig) and config.optimizer == "adamw_bf16"
    weights = trained_parameters(config, shape) * (HALF if half else FLOAT)
    state = state_bytes(shape, trained(config, shape), trains_all=not isinstance(config, MpeftConfig))
    needed = space(config, weights, state)
    return replace(needed, peak=needed.peak + SMALL_FILES)


def space(config: TrainingConfig, weights: int, state: int) -> Disk:
    """Of weights and states alone. `weights` are the bytes of what is trained, `state` those of its optimizer."""
    keeps = bool(config.save_every or config.validation_share)
    checkpoint = weights + state if keeps else 0
    best = 2 if config.validation_share else 1
    result = weights * best  # the last weights are kept beside better ones
    return Disk(result, checkpoint, max((best + 1) * checkpoint, best * checkpoint + result))
