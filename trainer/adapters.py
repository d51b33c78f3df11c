"""The model that MPEFT trains: a base that stays as it is, perhaps held in 4 bits, and a LoRA adapter on it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from app.core.errors import InputError
from trainer.isolation import check_isolation
from trainer.loss import learn_from_labels_only

if TYPE_CHECKING:
    import torch

    from trainer.batches import Row
    from trainer.config import MpeftConfig, TrainingConfig

EMBEDDINGS = ["embed_tokens", "lm_head"]

_NOT_OF_THE_TEXT = r".*(vision|visual|audio|image|multi_modal).*"
"""Modules of models that also see or hear; text alone teaches them nothing."""


def adapter_model(config: MpeftConfig) -> Any:
    """The base with a new adapter, as PEFT has it; what is trained is in float32.

    Raises InputError if the settings do not fit the base.
    """
    from peft import LoraConfig, get_peft_model

    base = ready_for_training(load_base(config), config)
    targets = config.target_modules
    model = get_peft_model(
        base,
        LoraConfig(
            r=config.rank,
            lora_alpha=config.alpha,
            lora_dropout=config.dropout,
            use_rslora=config.rslora,
            use_dora=config.dora,
            target_modules=targets if targets == "all-linear" else _checked(list(targets), base),
            exclude_modules=_NOT_OF_THE_TEXT if hasattr(base.config, "vision_config") else None,
            bias="none",
            task_type="CAUSAL_LM",
            **(_whole_embeddings(base) if config.train_embeddings else {}),
        ),
    )
    for weight in model.parameters():
        if weight.requires_grad:
            # In bfloat16 most steps of AdamW would be smaller than the distance to the next number.
            weight.data = weight.data.float()
    return model


def load_base(config: MpeftConfig) -> Any:
    """The base as transformers loads it; its weights are in the type of the computation, or in NF4."""
    from transformers import AutoModelForCausalLM

    quantized: dict[str, Any] = {"quantization_config": _nf4(config)} if config.quantization else {}
    return AutoModelForCausalLM.from_pretrained(
        config.base, dtype=weight_type(config), local_files_only=True, **attention(config), **quantized
    )


def attention(config: TrainingConfig) -> dict[str, str]:
    """An argument of `from_pretrained`. Where sdpa is not named, families that lack it (Gemma 2) load as well."""
    return {"attn_implementation": "eager"} if config.attention == "eager" else {}


def weight_type(config: TrainingConfig) -> torch.dtype:
    """In which type the weights of a checkpoint that is not itself trained are held."""
    import torch

    return torch.bfloat16 if config.precision == "bfloat16" else torch.float32


def ready_for_training(model: Any, config: TrainingConfig) -> Any:
    """`model`, checked for packing, which then computes logits only where something is learned."""
    import logging

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


def _checked(targets: list[str], base: Any) -> list[str]:
    """`targets`, if each is the end of a module's name: PEFT passes over one that is not, if another is."""
    import torch

    kinds = (torch.nn.Linear, torch.nn.Embedding)
    names = [name for name, module in base.named_modules() if isinstance(module, kinds)]
    for target in targets:
        if not any(name == target or name.endswith(f".{target}") for name in names):
            known = ", ".join(sorted({name.rpartition(".")[2] for name in names}))
            raise InputError(f"target_modules: the base has no layer {target}; its layers are {known}.")
    return targets


def _whole_embeddings(base: Any) -> dict[str, Any]:
    """A base whose head is its embedding keeps one weight for both, as it will have once it is converted."""
    if base.config.get_text_config().tie_word_embeddings:
        return {"modules_to_save": EMBEDDINGS[:1], "ensure_weight_tying": True}
    return {"modules_to_save": EMBEDDINGS}
