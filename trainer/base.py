"""The base of a training as it is loaded: in float32, in the type of the computation, or in 4 bits."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from app.core.errors import InputError
from trainer.isolation import check_isolation
from trainer.loss import learn_from_labels_only

if TYPE_CHECKING:
    import torch

    from trainer.batches import Row
    from trainer.config import MfptConfig, MpeftConfig, TrainingConfig


def load_whole(config: MfptConfig) -> Any:
    """The base whose every weight is trained: in float32, if memory allows; `precision` is that of the computation."""
    import torch
    from transformers import AutoModelForCausalLM

    dtype = torch.bfloat16 if config.optimizer == "adamw_bf16" else torch.float32
    return AutoModelForCausalLM.from_pretrained(config.base, dtype=dtype, local_files_only=True, **attention(config))


def load_frozen(config: MpeftConfig) -> Any:
    """The base under an adapter: its weights are in the type of the computation, or in NF4."""
    from transformers import AutoModelForCausalLM

    quantized: dict[str, Any] = {"quantization_config": _nf4(config)} if config.quantization else {}
    base = AutoModelForCausalLM.from_pretrained(
        config.base, dtype=weight_type(config), local_files_only=True, **attention(config), **quantized
    )
    _keep_gradients(base)
    return base


def attention(config: TrainingConfig) -> dict[str, str]:
    """An argument of `from_pretrained`. Where sdpa is not named, families that lack it (Gemma 2) load as well."""
    return {"attn_implementation": "eager"} if config.attention == "eager" else {}


def weight_type(config: TrainingConfig) -> torch.dtype:
    """In which type the weights of a checkpoint that is not itself trained are held."""
    import torch

    return torch.bfloat16 if config.precision == "bfloat16" else torch.float32


def ready_for_training(model: Any, config: TrainingConfig) -> Any:
    """`model`, checked for packing, which then computes logits only where something is learned."""
    if config.packing:
        check_isolation(model)
    if reason := learn_from_labels_only(model):
        logging.getLogger("inro").warning("The loss is computed in transformers' way, with more memory: %s.", reason)
    return model


def check_context(model: Any, rows: Sequence[Row]) -> None:
    """Raises InputError if a row is longer than what the model was made for: positions beyond mean nothing to it."""
    context = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    longest = max(len(row["input_ids"]) for row in rows)
    if context is not None and longest > context:
        raise InputError(
            f"the data has sequences of {longest} tokens, and the base reads {context}; lower max_length or "
            f"block_length to {context}."
        )


def _nf4(config: MpeftConfig) -> Any:
    """QLoRA (arXiv 2305.14314): weights in 4 bits, computing in the type of `precision`."""
    import torch
    from transformers import BitsAndBytesConfig

    # FSDP can only shard the type that the other weights have.
    storage = weight_type(config) if os.environ.get("ACCELERATE_USE_FSDP") == "true" else torch.uint8
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=config.double_quantization,
        bnb_4bit_compute_dtype=weight_type(config),
        bnb_4bit_quant_storage=storage,
    )


def _keep_gradients(base: Any) -> None:
    """On processors with AVX512-BF16, bitsandbytes rearranges a 4-bit layer in its first pass without gradients, and
    lets none through it from then on, in training either (0.50.2, `Linear4bit.forward` and `matmul_4bit`)."""
    for module in base.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
