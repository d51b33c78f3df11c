"""The model that MPEFT trains: a base that stays as it is, perhaps held in 4 bits, and a LoRA adapter on it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from app.core.errors import InputError
from trainer.added_tokens import Pieces, make_rows
from trainer.base import load_frozen, ready_for_training
from trainer.running.settings import is_sharded

if TYPE_CHECKING:
    from trainer.config import MpeftConfig

EMBEDDINGS = ["embed_tokens", "lm_head"]

_NOT_OF_THE_TEXT = r".*(vision|visual|audio|image|multi_modal).*"
"""Modules of models that also see or hear; text alone teaches them nothing."""


def adapter_model(config: MpeftConfig, added: Pieces | None = None) -> Any:
    """The base with a new adapter, as PEFT has it, and rows for `added` tokens; what is trained is in float32.

    Raises InputError if the settings do not fit the base.
    """
    from peft import LoraConfig, get_peft_model

    base = ready_for_training(load_frozen(config), config)
    grown = make_rows(base, added) if added else False
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
            **(_whole_embeddings(base) if config.train_embeddings else _rows_of(base, added or {})),
        ),
    )
    for weight in model.parameters():
        if weight.requires_grad:
            # In bfloat16 most steps of AdamW would be smaller than the distance to the next number.
            weight.data = weight.data.float()
    _save_embeddings(model, wanted=grown and not config.train_embeddings)
    return model


def _save_embeddings(model: Any, *, wanted: bool) -> None:
    """Whether the base's embeddings are saved with the adapter: where they have rows that the base's files do not have,
    and are not saved as what is trained. By itself PEFT also saves those that have an adapter, and of trained ones that
    grew what they were before."""
    model.saves_embeddings = wanted
    model.save_pretrained = partial(model.save_pretrained, save_embedding_layers=wanted)


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


def _rows_of(base: Any, added: Pieces) -> dict[str, Any]:
    """Only the rows of `added` tokens are trained; PEFT finds the other matrix by itself where the two are one."""
    if not added:
        return {}
    tied = base.config.get_text_config().tie_word_embeddings
    return {"trainable_token_indices": list(added) if tied else {name: list(added) for name in EMBEDDINGS}}


def _whole_embeddings(base: Any) -> dict[str, Any]:
    """A base whose head is its embedding keeps one weight for both, as it will have once it is converted."""
    if base.config.get_text_config().tie_word_embeddings:
        if is_sharded():
            raise InputError("train_embeddings cannot be spread over devices with a base whose head is its embedding.")
        return {"modules_to_save": EMBEDDINGS[:1], "ensure_weight_tying": True}
    return {"modules_to_save": EMBEDDINGS}
