"""The shape of a model, read from its config.json: what its matrices, activations and logits are made of.

Families: Llama, Mistral, Qwen2, Qwen3, Gemma 2 and Gemma 3. Any other is taken for a Llama, and the plan says so.
Source of each: its modelling file in transformers, with whose parameter counts the tests compare.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.core.errors import InputError

if TYPE_CHECKING:
    from trainer.config import MfptConfig

MAX_CONFIG_BYTES = 4 * 2**20
MAX_HEADER_BYTES = 100 * 2**20
LARGEST = 2**31

KNOWN = ("llama", "mistral", "qwen2", "qwen3", "gemma2", "gemma3_text")
GEMMA = ("gemma2", "gemma3_text")


@dataclass(frozen=True)
class Matrix:
    """One linear layer of a block: `inputs` columns, `outputs` rows."""

    name: str
    inputs: int
    outputs: int
    bias: bool = False

    @property
    def parameters(self) -> int:
        return self.inputs * self.outputs + (self.outputs if self.bias else 0)


@dataclass(frozen=True)
class Shape:
    """A decoder with gated feed-forward blocks and root-mean-square norms."""

    family: str
    vocabulary: int
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_size: int
    intermediate: int
    context: int
    tied: bool
    qkv_bias: bool = False
    output_bias: bool = False
    mlp_bias: bool = False
    norms: int = 2
    """Norms of `hidden` values in a block; 4 where outputs are normed too."""
    head_norms: bool = False
    """Queries and keys are normed, head by head."""

    @property
    def queries(self) -> int:
        """Values of all heads of a token."""
        return self.heads * self.head_size

    @property
    def keys(self) -> int:
        """Values of all key heads of a token; as many values again."""
        return self.kv_heads * self.head_size

    def matrices(self) -> tuple[Matrix, ...]:
        """The linear layers of one block."""
        hidden, wide = self.hidden, self.intermediate
        return (
            Matrix("q_proj", hidden, self.queries, self.qkv_bias),
            Matrix("k_proj", hidden, self.keys, self.qkv_bias),
            Matrix("v_proj", hidden, self.keys, self.qkv_bias),
            Matrix("o_proj", self.queries, hidden, self.output_bias),
            Matrix("gate_proj", hidden, wide, self.mlp_bias),
            Matrix("up_proj", hidden, wide, self.mlp_bias),
            Matrix("down_proj", wide, hidden, self.mlp_bias),
        )

    @property
    def matrix_parameters(self) -> int:
        """Weights of all linear layers of all blocks, without biases: what 4 bits are for."""
        return self.layers * sum(matrix.inputs * matrix.outputs for matrix in self.matrices())

    @property
    def embedding_parameters(self) -> int:
        """Of the embeddings, and of the output matrix where it is one of its own."""
        return self.vocabulary * self.hidden * (1 if self.tied else 2)

    @property
    def parameters(self) -> int:
        block = sum(matrix.parameters for matrix in self.matrices()) + self.norms * self.hidden
        heads = 2 * self.head_size if self.head_norms else 0
        return self.layers * (block + heads) + self.embedding_parameters + self.hidden


def shape_of_new(config: MfptConfig) -> Shape:
    """Of the new Qwen2 model that a configuration without base makes."""
    return shape_from(
        {
            "model_type": "qwen2",
            "vocab_size": config.vocabulary_size,
            "hidden_size": config.hidden_size,
            "num_hidden_layers": config.layers,
            "num_attention_heads": config.heads,
            "num_key_value_heads": config.kv_heads,
            "intermediate_size": config.intermediate_size,
            "max_position_embeddings": config.context_length,
            "tie_word_embeddings": True,
        },
        "the configuration",
    )


def read_shape(base: Path) -> Shape:
    """Of the checkpoint in the folder `base`. Raises InputError if its config.json is absent or is not one."""
    path = base / "config.json"
    if not path.is_file():
        raise InputError(f"{base} is no checkpoint: it has no config.json.")
    if path.stat().st_size > MAX_CONFIG_BYTES:
        raise InputError(f"{path} is larger than a config.json can be.")
    try:
        raw = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON.") from error
    if not isinstance(raw, dict):
        raise InputError(f"{path} is not a JSON object.")
    return shape_from(raw, str(path))


def shape_from(raw: Mapping[str, Any], where: str) -> Shape:
    """From the keys of a config.json; `where` names it in errors."""
    text = raw.get("text_config")
    if isinstance(text, dict):  # of a model that also sees pictures
        raw = {"tie_word_embeddings": raw.get("tie_word_embeddings", True), **text}
    family = str(raw.get("model_type", ""))
    hidden, heads = _count(raw, "hidden_size", where), _count(raw, "num_attention_heads", where)
    gemma = family in GEMMA
    attention_bias = bool(raw.get("attention_bias", False))
    return Shape(
        family=family,
        vocabulary=_count(raw, "vocab_size", where),
        hidden=hidden,
        layers=_count(raw, "num_hidden_layers", where),
        heads=heads,
        kv_heads=_count(raw, "num_key_value_heads", where, heads),
        head_size=_count(raw, "head_dim", where, 256 if gemma else 128 if family == "qwen3" else hidden // heads),
        intermediate=_count(raw, "intermediate_size", where),
        context=_count(raw, "max_position_embeddings", where, 2048),
        tied=bool(raw.get("tie_word_embeddings", gemma)),
        qkv_bias=family == "qwen2" or attention_bias,
        output_bias=family != "qwen2" and attention_bias,
        mlp_bias=bool(raw.get("mlp_bias", False)),
        norms=4 if gemma else 2,
        head_norms=family in ("qwen3", "gemma3_text"),
    )


def _count(raw: Mapping[str, Any], key: str, where: str, default: int | None = None) -> int:
    value = raw.get(key)
    value = default if value is None else value
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < LARGEST:
        raise InputError(f"{where}: {key} must be a whole number above 0 (it is {str(value)[:50]}).")
    return value


def stored_parameters(base: Path) -> int | None:
    """How many numbers the safetensors files of `base` hold, by their headers alone; None where there are none.

    Raises InputError for a broken header. Format: eight bytes (the length of the header, little endian), then JSON.
    """
    total = 0
    for path in sorted(base.glob("*.safetensors")):
        for name, entry in _header(path).items():
            if name != "__metadata__":
                total += _elements(entry, path)
    return total or None


def _header(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(MAX_HEADER_BYTES, path.stat().st_size):
            raise InputError(f"{path} is not a safetensors file.")
        try:
            header = json.loads(file.read(length))
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path} is not a safetensors file.") from error
    if not isinstance(header, dict):
        raise InputError(f"{path} is not a safetensors file.")
    return header


def _elements(entry: Any, path: Path) -> int:
    shape = entry.get("shape") if isinstance(entry, dict) else None
    if not isinstance(shape, list) or not all(isinstance(size, int) and 0 <= size < LARGEST for size in shape):
        raise InputError(f"{path} is not a safetensors file.")
    product = 1
    for size in shape:
        product *= size
    return product
