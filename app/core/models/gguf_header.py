"""The header of a model file, read within bounds and checked before llama.cpp sees the file.

A model may lie in several files, x-00001-of-00003.gguf and so on, which llama.cpp opens together by their names; then
all of them are read here first.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from app.core.errors import InputError
from app.core.models.gguf_reader import (
    MAX_HEADER_BYTES,
    MAX_KEPT_ITEMS,
    TENSOR_TYPES,
    Allowance,
    ArrayInfo,
    GgufHeader,
    Reader,
    TensorInfo,
    Value,
    quoted,
)
from app.core.models.gguf_source import Malformed

__all__ = [
    "TENSOR_TYPES",
    "ArrayInfo",
    "GgufHeader",
    "TensorInfo",
    "Value",
    "block_number",
    "model_files",
    "part_paths",
    "read_header",
    "split_name",
]

SUPPORTED_ARCHITECTURES = frozenset({"llama", "qwen2", "qwen3", "gemma2", "gemma3"})
"""Architectures that llama.cpp may be given: the fewer of its loaders a file can reach, the better."""

TOKENIZERS = frozenset({"gpt2", "llama"})
"""llama.cpp's names for byte-level BPE and SentencePiece, which the supported architectures use."""

MAX_PARTS = 1000

_PART = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf")


@dataclass(frozen=True)
class SplitName:
    """What the name of one part of a model in several files says: x-00001-of-00003.gguf; numbers begin with 1."""

    stem: str
    number: int
    count: int


def split_name(path: Path) -> SplitName | None:
    """None for a name that is not that of a part."""
    match = _PART.fullmatch(path.name)
    return SplitName(match["stem"], int(match["number"]), int(match["count"])) if match else None


def part_paths(target: Path, count: int) -> list[Path]:
    """The file itself, or the names by which llama.cpp finds the parts of a model in several files."""
    if count == 1:
        return [target]
    return [target.with_name(f"{target.stem}-{number:05d}-of-{count:05d}.gguf") for number in range(1, count + 1)]


def model_files(path: Path) -> list[Path]:
    """The file, or all parts of the model of which it is the first, by name."""
    name = split_name(path)
    return part_paths(path.with_name(f"{name.stem}.gguf"), name.count) if name else [path]


def block_number(tensor_name: str) -> int | None:
    """Which of the model's blocks a tensor belongs to, counted from 0; None for those of no block."""
    parts = tensor_name.split(".")
    if len(parts) > 2 and parts[0] == "blk" and parts[1].isascii() and parts[1].isdigit() and len(parts[1]) <= 5:
        return int(parts[1])
    return None


def read_header(path: Path) -> GgufHeader:
    """The header of a model file, or of all parts together if `path` is the first of several.

    Raises InputError, with the reason, for anything that is not a complete GGUF model of a supported architecture.
    """
    return _reading(path, _whole, Allowance())


def _reading(path: Path, read: Callable[[Path, Allowance], GgufHeader], allowance: Allowance) -> GgufHeader:
    try:
        return read(path, allowance)
    except Malformed as error:
        raise InputError(f"{path.name} is not a usable GGUF model file: {error}.") from None


def _whole(path: Path, allowance: Allowance) -> GgufHeader:
    header = _one(path, allowance)
    count = header.metadata.get("split.count", 1)
    if count not in (0, 1):
        header = _joined(path, header, count, allowance)
    _check(header)
    return header


def _one(path: Path, allowance: Allowance) -> GgufHeader:
    file_bytes = path.stat().st_size
    if file_bytes < 24:
        raise Malformed("it is too short")
    with path.open("rb") as file:
        header = Reader(file, min(file_bytes, MAX_HEADER_BYTES), allowance).header(file_bytes)
    _check_data(header)
    return header


def _joined(path: Path, first: GgufHeader, count: object, allowance: Allowance) -> GgufHeader:
    name = split_name(path)
    if not isinstance(count, int) or not 1 < count <= MAX_PARTS or name is None or name.count != count:
        raise Malformed("it is one part of a model in several files, and its name is not that of such a part")
    if name.number != 1:
        raise Malformed("it is a later part of a model in several files; give the first")
    tensors, size = list(first.tensors), first.file_bytes
    for number, part in enumerate(part_paths(path.with_name(f"{name.stem}.gguf"), count)):
        if not part.is_file():
            raise Malformed(f"the part {part.name} is missing")
        header = first if number == 0 else _reading(part, _one, allowance)
        if (header.metadata.get("split.no"), header.metadata.get("split.count")) != (number, count):
            raise Malformed(f"{part.name} is not the part that its name says")
        if number:
            tensors += header.tensors
            size += header.file_bytes
    if len({tensor.name for tensor in tensors}) != len(tensors):
        raise Malformed("two of its parts hold the same tensor")
    if first.metadata.get("split.tensors.count") != len(tensors):
        raise Malformed("its parts hold another number of tensors than it claims")
    return replace(first, tensors=tuple(tensors), file_bytes=size, part_count=count)


def _check(header: GgufHeader) -> None:
    if header.architecture not in SUPPORTED_ARCHITECTURES:
        names = ", ".join(sorted(SUPPORTED_ARCHITECTURES))
        raise Malformed(f"its architecture {quoted(header.architecture)} is not among the supported ones ({names})")
    if not header.tensors or not header.vocabulary:
        raise Malformed("it has no weights or no vocabulary")
    _check_tokenizer(header)
    _check_layers(header)


def _check_tokenizer(header: GgufHeader) -> None:
    # llama.cpp reads these arrays by their length as texts, floats and integers, whatever they say they are.
    model = header.text("tokenizer.ggml.model")
    if model not in TOKENIZERS:
        raise Malformed(f"its tokenizer {quoted(str(model))} is not among the supported ones")
    for key, wanted in (("tokens", "text"), ("scores", "f"), ("token_type", "i")):
        array = header.metadata.get(f"tokenizer.ggml.{key}")
        if array is None:
            continue
        if not isinstance(array, ArrayInfo) or array.type != wanted or array.length != header.vocabulary:
            raise Malformed(f"its tokenizer's {key} do not fit together")


def _check_data(header: GgufHeader) -> None:
    end = 0
    names = set()
    for tensor in sorted(header.tensors, key=lambda tensor: tensor.offset):
        if tensor.offset < end:
            raise Malformed(f"the tensor {quoted(tensor.name)} overlaps another one")
        if tensor.name in names:
            raise Malformed(f"the tensor {quoted(tensor.name)} occurs twice")
        names.add(tensor.name)
        end = tensor.offset + tensor.nbytes
    if header.data_offset + end > header.file_bytes:
        missing = header.data_offset + end - header.file_bytes
        raise Malformed(f"it is incomplete, {missing:,} bytes are missing")


def _check_layers(header: GgufHeader) -> None:
    # llama.cpp aborts the process, beyond any exception, when block_count promises layers that are not there.
    layers = {block for block in (block_number(tensor.name) for tensor in header.tensors) if block is not None}
    claimed = header.number("block_count")
    if not 0 < claimed <= MAX_KEPT_ITEMS or layers != set(range(claimed)):
        raise Malformed(f"it claims {claimed} layers and holds {len(layers)}")
    for key in ("context_length", "embedding_length", "attention.head_count"):
        if not 0 < header.number(key) < 2**31:
            raise Malformed(f"its {key} is missing or impossible")
    optional = ("feed_forward_length", "attention.head_count_kv", "attention.key_length", "attention.value_length")
    for key in optional:
        if not 0 < header.number(key, 1) < 2**31:
            raise Malformed(f"its {key} is impossible")
