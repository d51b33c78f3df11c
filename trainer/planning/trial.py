"""How long a step takes on this machine: tried with random weights of the configured shape and a few of its blocks.

Embeddings, output matrix, adapters, quantization and optimizer are those of the recipe, made by its own functions, so
that nothing has to be known of how fast each of them is. Only the number of blocks is lower: what one more block adds
is measured, and the rest follows by arithmetic. A small model is tried whole, since a part of it would lie in caches
that all of it does not fit into.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import fmean
from time import perf_counter
from typing import TYPE_CHECKING, Any

import msgspec

from trainer.config import MfptConfig, MpeftConfig
from trainer.config_checks import SHAPE_KEYS
from trainer.planning.shapes import Shape
from trainer.planning.work import BatchShape, Work
from trainer.running.freed_memory import give_back_large_tensors
from trainer.running.settings import autocasts

if TYPE_CHECKING:
    from trainer.added_tokens import Pieces
    from trainer.batches import Batch, Row

WHOLE_BELOW = 40_000_000
"""Parameters of a model that is tried with all its blocks."""
FEW, MORE = 1, 5
"""Blocks of the two models that are compared where not all are tried."""
MOST_ROUNDS, SECONDS = 20, 15.0
"""Rounds are made for that time, at most so many, and at least as many as an attempt says."""


@dataclass(frozen=True)
class Seconds:
    batch: float
    """Forward and backward pass of an average batch."""
    optimizer: float
    """One step of the optimizer, with the gradients' norm."""


@dataclass(frozen=True)
class Trial(Seconds):
    """Of the whole model."""

    blocks: int
    """How many of the model's blocks were tried at most."""


@dataclass(frozen=True)
class Attempt:
    """How much of a run's batches is tried."""

    batches: tuple[BatchShape, ...]
    rounds: int
    """At least. With several, kernels are chosen and memory is taken in one before them, which is not counted."""
    part: float = 1.0
    """That the tried rows are of a batch's."""

    @property
    def all_rounds(self) -> int:
        return self.rounds + (self.rounds > 1)


def attempts(work: Work) -> tuple[Attempt, ...]:
    """From the most faithful to the shortest: batches of every size, the average one, and one row of it, once."""
    average = work.average
    one_row = Attempt((replace(average, rows=1),), rounds=1, part=1 / average.rows)
    return Attempt(work.shapes, rounds=3), Attempt((average,), rounds=3), one_row


def depths(shape: Shape) -> tuple[int, ...]:
    """How many blocks the tried models have."""
    if shape.parameters < WHOLE_BELOW or shape.layers <= MORE:
        return (shape.layers,)
    return (FEW, MORE)


def try_steps(config: MfptConfig | MpeftConfig, shape: Shape, attempt: Attempt) -> Trial:
    """A few seconds to a minute: most of it makes random weights. What is tried must fit into memory, all at once."""
    give_back_large_tensors(config)
    tried = [_Tried(config, shape, attempt.batches, depth) for depth in depths(shape)]
    if attempt.rounds > 1:
        for one in tried:
            one.seconds()
    begin = perf_counter()
    rounds: list[list[Seconds]] = []
    while len(rounds) < attempt.rounds or (len(rounds) < MOST_ROUNDS and perf_counter() - begin < SECONDS):
        # What is compared ran one after the other: machines drift.
        rounds.append([one.seconds() for one in tried])
    # Means, since a run also takes the sum of its quick and its slow steps.
    return Trial(
        batch=fmean(_whole([one.batch for one in found], shape.layers) for found in rounds) / attempt.part,
        optimizer=fmean(_whole([one.optimizer for one in found], shape.layers) for found in rounds),
        blocks=max(depths(shape)),
    )


def _whole(seconds: Sequence[float], layers: int) -> float:
    """Of a model with `layers` blocks, from those of the tried ones."""
    if len(seconds) == 1:
        return seconds[0]
    few, more = seconds
    return few + (layers - FEW) / (MORE - FEW) * max(0.0, more - few)


class _Tried:
    """One model, its optimizer and a batch of each size."""

    def __init__(
        self, config: MfptConfig | MpeftConfig, shape: Shape, batches: Sequence[BatchShape], depth: int
    ) -> None:
        import torch

        from trainer.adapters import adapter_model
        from trainer.base import load_whole, ready_for_training
        from trainer.batches import Padded
        from trainer.optimizers import build_optimizer

        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._autocast = autocasts(config)
        self._norm = config.max_gradient_norm
        with tempfile.TemporaryDirectory(prefix="inro-plan-", ignore_cleanup_errors=True) as folder:
            _write_random(config, shape, Path(folder), depth)
            if isinstance(config, MpeftConfig):
                added: Pieces = {shape.vocabulary + number: (0,) for number in range(len(config.added_tokens))}
                self._model = adapter_model(msgspec.structs.replace(config, base=folder), added)
            else:
                shape_keys: dict[str, Any] = dict.fromkeys(SHAPE_KEYS)
                based = msgspec.structs.replace(config, base=folder, **shape_keys)
                self._model = ready_for_training(load_whole(based), based)
        self._model.to(self._device).train()
        if config.activation_checkpointing:
            self._model.activation_checkpointing_enable()
            if isinstance(config, MpeftConfig):
                self._model.enable_input_require_grads()
        self._optimizer = build_optimizer(self._model, config)
        collate = Padded(0)
        self._batches = [
            (batch.share, self._moved(collate(_rows(batch, shape.vocabulary, packed=config.packing))))
            for batch in batches
        ]

    def _moved(self, batch: Batch) -> Batch:
        return {name: value.to(self._device) if hasattr(value, "to") else value for name, value in batch.items()}

    def seconds(self) -> Seconds:
        passes = sum(share * self._timed(partial(self._pass, batch)) for share, batch in self._batches)
        return Seconds(passes, self._timed(self._step))

    def _timed(self, work: Callable[[], None]) -> float:
        import torch

        begin = perf_counter()
        work()
        if self._device == "cuda":
            torch.cuda.synchronize()
        return perf_counter() - begin

    def _pass(self, batch: Batch) -> None:
        import torch

        with torch.autocast(self._device, torch.bfloat16, enabled=self._autocast):
            loss = self._model(**batch).loss
        loss.backward()

    def _step(self) -> None:
        import torch

        torch.nn.utils.clip_grad_norm_(self._model.parameters(), self._norm)
        self._optimizer.step()
        self._optimizer.zero_grad()


def _write_random(config: MfptConfig | MpeftConfig, shape: Shape, folder: Path, depth: int) -> None:
    """A checkpoint of random weights with `depth` blocks and the base's own settings otherwise."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, Qwen2Config

    from trainer.base import FROM_OUTSIDE
    from trainer.loop import quiet_libraries

    quiet_libraries()
    if config.base is None:
        settings: Any = Qwen2Config(
            vocab_size=shape.vocabulary,
            hidden_size=shape.hidden,
            num_attention_heads=shape.heads,
            num_key_value_heads=shape.kv_heads,
            intermediate_size=shape.intermediate,
            max_position_embeddings=shape.context,
            tie_word_embeddings=True,
        )
    else:
        settings = AutoConfig.from_pretrained(config.base, **FROM_OUTSIDE).get_text_config()
    settings.num_hidden_layers = depth
    if getattr(settings, "layer_types", None):
        settings.layer_types = settings.layer_types[:depth]
    half = config.precision == "bfloat16"
    with torch.random.fork_rng(devices=()):
        model = AutoModelForCausalLM.from_config(settings, dtype=torch.bfloat16 if half else torch.float32)
    model.save_pretrained(folder)


def _rows(batch: BatchShape, vocabulary: int, *, packed: bool) -> list[Row]:
    """Any tokens; the last of them are learned, as answers are."""
    from trainer.labels import IGNORED

    learned = min(batch.learned, batch.length)
    half = batch.length // 2
    rows: list[Row] = []
    for number in range(batch.rows):
        tokens = [(7 + 31 * number + 17 * at) % vocabulary for at in range(batch.length)]
        row = {
            "input_ids": tokens,
            "labels": [*[IGNORED] * (batch.length - learned), *tokens[batch.length - learned :]],
        }
        if packed:  # two documents; what counts is that there is a mask
            row["position_ids"] = [*range(half), *range(batch.length - half)]
        rows.append(row)
    return rows
