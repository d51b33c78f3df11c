"""What several keys of a configuration together say wrong, each as the end of a sentence.

Only what holds on every machine: a plan is made on one machine for another. What a run needs of its own machine is
`missing_packages`.
"""

from __future__ import annotations

import math
from importlib.util import find_spec
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from trainer.config import MfptConfig, MpeftConfig, TrainingConfig

SHAPE_KEYS = (
    "vocabulary_size",
    "hidden_size",
    "layers",
    "heads",
    "kv_heads",
    "intermediate_size",
    "context_length",
)
QUANTIZATION_BLOCK = 32
"""Rows of a quantized matrix are cut into blocks of this many weights."""

EMBEDDINGS = ("embed_tokens", "lm_head")
EIGHT_BIT_OPTIMIZERS = ("adamw_8bit", "paged_adamw_8bit")


def missing_packages(config: TrainingConfig) -> tuple[str, ...]:
    """Packages that this configuration needs and that are not installed here. They are looked for, not imported."""
    needed = config.optimizer in EIGHT_BIT_OPTIMIZERS or getattr(config, "quantization", None) is not None
    return ("bitsandbytes",) if needed and find_spec("bitsandbytes") is None else ()


def fault_of_all(config: TrainingConfig) -> str | None:
    """The checks of both recipes."""
    return _fault_of_numbers(config) or _fault_of_data(config) or _fault_of_evaluation(config)


def _fault_of_numbers(config: TrainingConfig) -> str | None:
    for field in msgspec.structs.fields(config):
        value = getattr(config, field.name)
        for number in value if isinstance(value, tuple) else (value,):
            if isinstance(number, float) and not math.isfinite(number):
                return f"{field.name} is not a finite number"
    return None


def _fault_of_data(config: TrainingConfig) -> str | None:
    for key in ("weights", "formats"):
        given = getattr(config, key)
        if given and len(given) != len(config.data):
            return f"{key} has {len(given)} entries for {len(config.data)} data files; give one for each"
    return None


def _fault_of_evaluation(config: TrainingConfig) -> str | None:
    if config.early_stopping is not None and not config.validation_share:
        return "early_stopping watches the loss on held-back data; set validation_share, for example to 0.05"
    if (config.evaluation_task is None) != (config.evaluation_data is None):
        missing = "evaluation_data" if config.evaluation_data is None else "evaluation_task"
        return f"evaluation_task and evaluation_data belong together; {missing} is missing"
    if config.evaluate_every and not config.validation_share and config.evaluation_task is None:
        return "evaluate_every has nothing to evaluate; set validation_share or evaluation_task"
    return None


def fault_of_mfpt(config: MfptConfig) -> str | None:
    if config.optimizer == "adamw_bf16" and config.precision != "bfloat16":
        return "adamw_bf16 holds the weights in bfloat16; set precision to bfloat16"
    longest = config.max_characters
    if longest is not None and longest < config.min_characters:
        return "max_characters must not be below min_characters"
    return _fault_of_shape(config)


def fault_of_mpeft(config: MpeftConfig) -> str | None:
    if config.optimizer == "adamw_bf16":
        return "adamw_bf16 is for mfpt, since an adapter's optimizer state is small; use adamw, or adamw_8bit"
    if len(set(config.added_tokens)) < len(config.added_tokens):
        return "added_tokens names a token twice"
    if blank := [text for text in config.added_tokens if text != text.strip()]:
        return f"added_tokens: {blank[0]!r} begins or ends with a blank"
    if config.target_modules != "all-linear":
        both = [name for name in EMBEDDINGS if name in config.target_modules]
        if config.train_embeddings and both:
            return f"{both[0]} cannot be both among target_modules and trained whole by train_embeddings"
        if len(set(config.target_modules)) < len(config.target_modules):
            return "target_modules names a module twice"
    return None


def _fault_of_shape(config: MfptConfig) -> str | None:
    given = [key for key in SHAPE_KEYS if getattr(config, key) is not None]
    if config.base is not None:
        return f"{given[0]} is decided by base; leave one of the two out" if given else None
    if missing := [key for key in SHAPE_KEYS if key not in given]:
        return f"without base a new model is made, which needs {', '.join(missing)}"
    hidden, heads, kv_heads = config.hidden_size or 0, config.heads or 1, config.kv_heads or 1
    if hidden % heads or (hidden // heads) % 2:
        return "hidden_size must be an even multiple of heads"
    if heads % kv_heads:
        return "heads must be a multiple of kv_heads"
    for key, value in (("hidden_size", hidden), ("intermediate_size", config.intermediate_size or 0)):
        if value % QUANTIZATION_BLOCK:
            return f"{key} must be a multiple of {QUANTIZATION_BLOCK}, or the model could not be quantized"
    if config.block_length > (config.context_length or 0):
        return "block_length must not exceed context_length"
    return None
