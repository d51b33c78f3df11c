"""A configuration and a shape in the terms of the memory model."""

from __future__ import annotations

from trainer.config import MpeftConfig, TrainingConfig
from trainer.planning.activations import FLOAT, HALF, Execution
from trainer.planning.memory import Trained
from trainer.planning.parameters import adapted_matrices, adapter_parameters, row_parameters, whole_parameters
from trainer.planning.shapes import Shape


def execution(config: TrainingConfig, shape: Shape, length: int, *, cuda: bool) -> Execution:
    """One batch of sequences of `length` tokens. Raises InputError for a module that the base does not have."""
    adapter = config if isinstance(config, MpeftConfig) else None
    computed = HALF if config.precision == "bfloat16" else FLOAT
    # What is trained stays in float32, except by the optimizer that is made for bfloat16.
    stored = computed if adapter or config.optimizer == "adamw_bf16" else FLOAT
    return Execution(
        batch=config.batch_size,
        length=length,
        weight_bytes=stored,
        stream_bytes=FLOAT if adapter and adapter.train_embeddings else stored,
        compute_bytes=computed,
        trains_all=adapter is None,
        adapted=adapted_matrices(adapter, shape) if adapter else (),
        rank=adapter.rank if adapter else 0,
        dropout=adapter is not None and adapter.dropout > 0,
        dora=adapter is not None and adapter.dora,
        quantized=adapter is not None and adapter.quantization is not None,
        checkpointing=config.activation_checkpointing,
        # Gemma 2 caps attention scores, which only the step-by-step attention can.
        eager=config.attention == "eager" or shape.family == "gemma2",
        masked=config.packing,
        cuda=cuda,
    )


def trained(config: TrainingConfig, shape: Shape) -> Trained:
    adapter = config if isinstance(config, MpeftConfig) else None
    return Trained(
        factors=adapter_parameters(adapter, shape) if adapter else 0,
        whole=whole_parameters(adapter, shape) if adapter else 0,
        rows=row_parameters(adapter, shape) if adapter else 0,
        optimizer=config.optimizer,
        accumulates=config.gradient_accumulation > 1,
        double_quantization=adapter is None or adapter.double_quantization,
    )


def trained_parameters(config: TrainingConfig, shape: Shape) -> int:
    what = trained(config, shape)
    return what.outside if isinstance(config, MpeftConfig) else shape.parameters
