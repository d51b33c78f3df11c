"""The optimizer of a run, from its configuration: AdamW (arXiv 1711.05101) with moments of several sizes, LoRA+."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from trainer.config import TrainingConfig

_BETA1, _EPSILON = 0.9, 1e-8

# As in transformers' Trainer, and DoRA's lengths of rows.
_NOT_DECAYED = [r"bias", r"layernorm", r"rmsnorm", r"(?:^|\.)norm(?:$|\.)", r"_norm(?:$|\.)", r"lora_magnitude_vector"]

_SECOND_FACTORS = ("lora_B", "lora_embedding_B")


def build_optimizer(model: Any, config: TrainingConfig) -> torch.optim.Optimizer:
    """An optimizer of what `model` trains. For a sharded model, the one that is trained: to be built after sharding."""
    import torch

    groups = parameter_groups(model, config)
    settings: dict[str, Any] = {"lr": config.learning_rate, "betas": (_BETA1, config.adam_beta2), "eps": _EPSILON}
    if config.optimizer == "adamw":
        return torch.optim.AdamW(groups, fused=True, **settings)
    if config.optimizer == "adamw_bf16":
        from trainer.bf16_adamw import Bf16AdamW

        return Bf16AdamW(groups, seed=config.seed, **settings)
    return _eight_bit(model, groups, paged=config.optimizer == "paged_adamw_8bit", **settings)


def parameter_groups(model: Any, config: TrainingConfig) -> list[dict[str, Any]]:
    """By weight decay, which is for matrices only, and by learning rate.

    With LoRA+ (arXiv 2402.12354) the second factors learn faster: they begin at zero, the first ones at random.
    """
    import torch
    from transformers.trainer_pt_utils import get_parameter_names

    ratio = getattr(config, "lora_plus_ratio", None)
    decayed = set(get_parameter_names(model, [torch.nn.LayerNorm], _NOT_DECAYED))
    groups: dict[tuple[bool, bool], list[Any]] = {}
    for name, weight in model.named_parameters():
        if weight.requires_grad:
            fast = ratio is not None and any(factor in name for factor in _SECOND_FACTORS)
            groups.setdefault((fast, name not in decayed), []).append(weight)
    # The slow ones first: the learning rate that is reported is that of the first group.
    return [
        {
            "params": weights,
            "lr": config.learning_rate * (ratio or 1.0) if fast else config.learning_rate,
            "weight_decay": 0.0 if plain else config.weight_decay,
        }
        for (fast, plain), weights in sorted(groups.items(), key=lambda entry: entry[0])
    ]


def _eight_bit(model: Any, groups: list[dict[str, Any]], *, paged: bool, **settings: Any) -> torch.optim.Optimizer:
    """bitsandbytes (arXiv 2110.02861). Embeddings keep 32 bits, as there: rare tokens' gradients are far apart."""
    import torch

    optim: Any = import_module("bitsandbytes.optim")  # which has no types to check against
    manager = optim.GlobalOptimManager.get_instance()
    for module in model.modules():
        if isinstance(module, torch.nn.Embedding) and module.weight.requires_grad:
            manager.register_module_override(module, "weight", {"optim_bits": 32})
    kind = optim.PagedAdamW8bit if paged else optim.AdamW8bit
    optimizer: torch.optim.Optimizer = kind(groups, **settings)
    return optimizer
