"""Configurations of the recipes: one flat YAML file each, checked completely before anything heavy is imported.

Paths are relative to the folder in which the command runs.
"""

from __future__ import annotations

import difflib
import math
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from app.core.errors import InputError

MAX_CONFIG_BYTES = 256 * 1024
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

PathText = Annotated[str, Meta(min_length=1)]
Count = Annotated[int, Meta(ge=1, le=1_000_000)]


class TrainingConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What both recipes have in common."""

    data: Annotated[tuple[PathText, ...], Meta(min_length=1)]
    """Training files: .jsonl with `text` or `messages` a line, or .txt with one document a line."""
    held_out: tuple[PathText, ...] = ()
    """.jsonl files whose `question`s must not occur in the training data."""
    output: PathText
    seed: Annotated[int, Meta(ge=0, le=2**31 - 1)] = 0
    epochs: Annotated[float, Meta(gt=0, le=1000)] = 1.0
    batch_size: Annotated[int, Meta(ge=1, le=4096)] = 8
    gradient_accumulation: Annotated[int, Meta(ge=1, le=4096)] = 1
    learning_rate: Annotated[float, Meta(gt=0, le=0.1)]
    schedule: Literal["cosine", "linear", "constant_with_warmup"] = "cosine"
    warmup: Annotated[float, Meta(ge=0, lt=1)] = 0.03
    """Fraction of all steps in which the learning rate rises from zero."""
    weight_decay: Annotated[float, Meta(ge=0, le=1)] = 0.0
    adam_beta2: Annotated[float, Meta(ge=0.8, lt=1)] = 0.999
    max_gradient_norm: Annotated[float, Meta(gt=0, le=100)] = 1.0
    precision: Literal["float32", "bfloat16"] = "float32"
    log_every: Annotated[int, Meta(ge=1, le=100_000)] = 10
    """Steps between two losses of the run record."""


class MfptConfig(TrainingConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Medical full-parameter training: of the checkpoint `base`, or of a new Qwen2 model of the given shape."""

    base: PathText | None = None
    vocabulary_size: Annotated[int, Meta(ge=300, le=262_144)] | None = None
    hidden_size: Annotated[int, Meta(ge=32, le=16_384)] | None = None
    layers: Annotated[int, Meta(ge=1, le=200)] | None = None
    heads: Annotated[int, Meta(ge=1, le=256)] | None = None
    kv_heads: Annotated[int, Meta(ge=1, le=256)] | None = None
    intermediate_size: Annotated[int, Meta(ge=32, le=131_072)] | None = None
    context_length: Annotated[int, Meta(ge=32, le=1_048_576)] | None = None
    block_length: Annotated[int, Meta(ge=8, le=1_048_576)] = 1024
    """Tokens in one training sequence; documents are joined and cut into sequences of this length."""


class MpeftConfig(TrainingConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Medical parameter-efficient fine-tuning: a LoRA adapter on the checkpoint `base`."""

    base: PathText
    rank: Annotated[int, Meta(ge=1, le=1024)] = 16
    alpha: Annotated[float, Meta(gt=0, le=4096)] = 32
    """The update is scaled by alpha / rank."""
    dropout: Annotated[float, Meta(ge=0, lt=1)] = 0.0
    max_length: Annotated[int, Meta(ge=8, le=1_048_576)] = 1024
    """Tokens; a longer conversation ends after the last answer that fits."""


Config = TypeVar("Config", bound=TrainingConfig)


def read_config(path: Path, kind: type[Config]) -> Config:
    """Read and check a configuration. Raises InputError with the key at fault."""
    if path.stat().st_size > MAX_CONFIG_BYTES:
        raise InputError(f"{path} is larger than a configuration can be.")
    try:
        raw = msgspec.yaml.decode(path.read_bytes(), type=dict[str, Any])
    except ImportError as error:
        raise InputError("reading a configuration needs PyYAML; install inro with its extra “train”.") from error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{path} is not a flat YAML configuration: {' '.join(str(error).split())}.") from error
    return check_config(raw, kind, str(path))


def check_config(raw: dict[str, Any], kind: type[Config], where: str) -> Config:
    """The keys and values of a file as `kind`; `where` names the file in errors."""
    known = [field.name for field in msgspec.structs.fields(kind)]
    for key in raw:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.4)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise InputError(f"{where}: there is no key {key}.{hint}")
    try:
        # Not strict: YAML reads 1e-4 (without a dot) as text, and everybody writes it so.
        config = msgspec.convert(raw, kind, strict=False)
    except msgspec.ValidationError as error:
        raise InputError(f"{where}: {str(error).replace(' - at `$.', ' at `')}.") from error
    if fault := _fault(config):
        raise InputError(f"{where}: {fault}.")
    return config


def _fault(config: TrainingConfig) -> str | None:
    """What several keys together say wrong, as the end of a sentence."""
    for field in msgspec.structs.fields(config):
        value = getattr(config, field.name)
        if isinstance(value, float) and not math.isfinite(value):
            return f"{field.name} is not a finite number"
    return _fault_of_shape(config) if isinstance(config, MfptConfig) else None


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
