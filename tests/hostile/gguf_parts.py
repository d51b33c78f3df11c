"""A GGUF file taken apart into what its header says, so that a test can change one thing and put it together again."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace
from pathlib import Path

SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
"""Bytes of the scalar value types."""

U8, I8, U16, I16, U32, I32, F32, BOOL, TEXT, ARRAY, U64, I64, F64 = range(13)

ALIGNMENT = 32


@dataclass(frozen=True)
class Key:
    """`value` as it lies in the file, behind the type."""

    name: bytes
    kind: int
    value: bytes


@dataclass(frozen=True)
class Tensor:
    name: bytes
    shape: tuple[int, ...]
    kind: int
    offset: int


@dataclass
class Parts:
    """`key_count` and `tensor_count` are what the file claims; None for the truth."""

    keys: list[Key]
    tensors: list[Tensor]
    data: bytes
    magic: bytes = b"GGUF"
    version: int = 3
    key_count: int | None = None
    tensor_count: int | None = None
    written_keys: list[int] = field(default_factory=list)
    """Where each key begins in what `header` wrote last."""

    def copy(self) -> Parts:
        return replace(self, keys=list(self.keys), tensors=list(self.tensors), written_keys=[])

    def set(self, name: bytes, kind: int, value: bytes) -> None:
        """Change a key, or add it."""
        for index, key in enumerate(self.keys):
            if key.name.endswith(name):
                self.keys[index] = Key(key.name, kind, value)
                return
        self.keys.append(Key(name, kind, value))

    def contents(self) -> dict[bytes, bytes]:
        """The bytes of each tensor, with the padding behind it."""
        ends = [*sorted(tensor.offset for tensor in self.tensors)[1:], len(self.data)]
        in_order = sorted(self.tensors, key=lambda tensor: tensor.offset)
        return {tensor.name: self.data[tensor.offset : end] for tensor, end in zip(in_order, ends, strict=True)}

    def lay_out(self, tensors: list[tuple[Tensor, bytes]]) -> None:
        """Let the file hold these tensors, one behind the other as llama.cpp wants them."""
        self.tensors, self.data = [], b""
        for tensor, content in tensors:
            self.tensors.append(replace(tensor, offset=len(self.data)))
            self.data += content + bytes(-len(content) % ALIGNMENT)

    def header(self) -> bytes:
        """Up to where the data begins, padding included."""
        tensor_count = len(self.tensors) if self.tensor_count is None else self.tensor_count
        key_count = len(self.keys) if self.key_count is None else self.key_count
        raw = bytearray(self.magic + struct.pack("<IQQ", self.version, tensor_count & _U64, key_count & _U64))
        self.written_keys = []
        for key in self.keys:
            self.written_keys.append(len(raw))
            raw += text(key.name) + struct.pack("<I", key.kind & 0xFFFFFFFF) + key.value
        for tensor in self.tensors:
            raw += text(tensor.name) + struct.pack("<I", len(tensor.shape))
            raw += b"".join(struct.pack("<Q", length & _U64) for length in tensor.shape)
            raw += struct.pack("<IQ", tensor.kind, tensor.offset & _U64)
        return bytes(raw) + bytes(-len(raw) % ALIGNMENT)

    def whole(self) -> bytes:
        return self.header() + self.data


_U64 = 2**64 - 1


def text(raw: bytes) -> bytes:
    return struct.pack("<Q", len(raw)) + raw


def array(kind: int, count: int, items: bytes) -> bytes:
    """The value of an array key."""
    return struct.pack("<IQ", kind, count & _U64) + items


def take_apart(path: Path) -> Parts:
    """For a good file; nothing is checked."""
    raw = path.read_bytes()
    magic, version, tensor_count, key_count = raw[:4], *struct.unpack_from("<IQQ", raw, 4)
    at, keys, tensors = 24, [], []
    for _ in range(key_count):
        name, at = _text(raw, at)
        (kind,) = struct.unpack_from("<I", raw, at)
        end = _end_of_value(raw, at + 4, kind)
        keys.append(Key(name, kind, raw[at + 4 : end]))
        at = end
    for _ in range(tensor_count):
        name, at = _text(raw, at)
        (dimensions,) = struct.unpack_from("<I", raw, at)
        shape = struct.unpack_from(f"<{dimensions}Q", raw, at + 4)
        kind, offset = struct.unpack_from("<IQ", raw, at + 4 + 8 * dimensions)
        tensors.append(Tensor(name, shape, kind, offset))
        at += 16 + 8 * dimensions
    return Parts(keys, tensors, raw[at + -at % ALIGNMENT :], magic, version)


def _text(raw: bytes, at: int) -> tuple[bytes, int]:
    (length,) = struct.unpack_from("<Q", raw, at)
    return raw[at + 8 : at + 8 + length], at + 8 + length


def _end_of_value(raw: bytes, at: int, kind: int) -> int:
    if kind == TEXT:
        return _text(raw, at)[1]
    if kind != ARRAY:
        return at + SIZES[kind]
    kind, count = struct.unpack_from("<IQ", raw, at)
    at += 12
    if kind != TEXT:
        return at + SIZES[kind] * int(count)
    for _ in range(count):
        at = _text(raw, at)[1]
    return at
