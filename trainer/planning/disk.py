"""The disk that a run needs beside its data and its base."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, lcm
from pathlib import Path

from trainer.config import MpeftConfig, TrainingConfig
from trainer.planning.activations import FLOAT, HALF
from trainer.planning.execution import trained, trained_parameters
from trainer.planning.memory import state_bytes
from trainer.planning.parameters import copied_parameters
from trainer.planning.shapes import Shape

SMALL_FILES, EACH_LOSS = 2**16, 400
"""Record, card, losses, plot and TensorBoard's file: at least, and for each loss that is logged."""


@dataclass(frozen=True)
class Disk:
    """Bytes, at the most."""

    result: int
    checkpoint: int
    """What a run can be resumed from: the weights of the result, and the state of the optimizer; 0 if none is kept."""
    peak: int
    """While a checkpoint is written beside those that are kept, or the result beside them."""
    written: int
    """In the whole run, weights and states."""


def disk(config: TrainingConfig, shape: Shape, steps: int, epochs: float, *, grown: bool = False) -> Disk:
    """Of a run of `steps` steps that reads its data `epochs` times, with its small files. `grown` says that the
    vocabulary of `shape` is larger than the base's."""
    half = not isinstance(config, MpeftConfig) and config.optimizer == "adamw_bf16"
    weights = trained_parameters(config, shape) * (HALF if half else FLOAT)
    if isinstance(config, MpeftConfig):
        of_the_base = HALF if config.precision == "bfloat16" and not config.train_embeddings else FLOAT
        weights += copied_parameters(config, shape, grown=grown) * of_the_base
    state = state_bytes(shape, trained(config, shape), trains_all=not isinstance(config, MpeftConfig))
    needed = space(config, weights, state, steps, epochs)
    small = SMALL_FILES + steps // config.log_every * EACH_LOSS + _tokenizer_bytes(config)
    return replace(needed, peak=needed.peak + small)


def space(config: TrainingConfig, weights: int, state: int, steps: int, epochs: float) -> Disk:
    """Of weights and states alone. `weights` are the bytes of what is written of them, `state` of the optimizer's."""
    saved = (steps - 1) // config.save_every if config.save_every else 0
    # Those before the last step, each of which may be the best so far.
    evaluations = (steps - 1) // config.evaluate_every if config.evaluate_every else ceil(epochs) - 1
    judged = evaluations if config.validation_share else 0
    checkpoint = weights + state if saved or judged else 0
    # Steps that end with both are written once.
    between = lcm(config.save_every, config.evaluate_every) if judged else 0
    both = (steps - 1) // between if between else 0
    # The last one, the best one, and the one that is being written.
    kept = min(saved, 1) + min(judged, 1)
    together = kept + 1 if saved + judged > 1 else kept
    result = weights * (2 if judged else 1)  # the last weights are kept beside better ones
    return Disk(
        result=result,
        checkpoint=checkpoint,
        peak=max(together * checkpoint, kept * checkpoint + result),
        written=(saved + judged - both) * checkpoint + result,
    )


def _tokenizer_bytes(config: TrainingConfig) -> int:
    """Of the base's, which is written beside a checkpoint, and beside an adapter that adds tokens to it."""
    base = getattr(config, "base", None)
    if base is None or (isinstance(config, MpeftConfig) and not config.added_tokens):
        return 0
    return sum(path.stat().st_size for path in Path(base).glob("tokenizer*") if path.is_file())
