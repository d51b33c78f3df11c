"""From the bytes of a file that nobody has checked yet to the header of one GGUF file, within bounds.

It allocates in proportion to what it keeps, never to what a length field claims; every count is checked against the
bytes that are left before anything is read, and what it keeps and passes over has an `Allowance`. Together these hold a
header to less than 64 MB and 2 seconds. Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO

from app.core.errors import excerpt
from app.core.models.gguf_source import Malformed, Source

MAX_HEADER_BYTES = 128 * 1024 * 1024
MAX_NAME_BYTES = 1024
MAX_TEXT_BYTES = 1024 * 1024
MAX_ARRAY_ITEMS = 2_000_000
MAX_KEPT_ITEMS = 512
MAX_DIMENSIONS = 4

# struct codes of the scalar value types; 8 is a string and 9 an array.
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9

# ggml type → (name, weights a block, bytes a block)
TENSOR_TYPES = {
    0: ("F32", 1, 4),
    1: ("F16", 1, 2),
    2: ("Q4_0", 32, 18),
    3: ("Q4_1", 32, 20),
    6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24),
    8: ("Q8_0", 32, 34),
    10: ("Q2_K", 256, 84),
    11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144),
    13: ("Q5_K", 256, 176),
    14: ("Q6_K", 256, 210),
    16: ("IQ2_XXS", 256, 66),
    17: ("IQ2_XS", 256, 74),
    18: ("IQ3_XXS", 256, 98),
    19: ("IQ1_S", 256, 50),
    20: ("IQ4_NL", 32, 18),
    21: ("IQ3_S", 256, 110),
    22: ("IQ2_S", 256, 82),
    23: ("IQ4_XS", 256, 136),
    29: ("IQ1_M", 256, 56),
    30: ("BF16", 1, 2),
}


@dataclass(frozen=True)
class ArrayInfo:
    """An array of the metadata: its length, and its items where they are few and numeric."""

    length: int
    type: str
    """The struct code of its numbers, or `text`."""
    items: tuple[int | float | bool, ...] | None


Value = int | float | bool | str | ArrayInfo


@dataclass(frozen=True, slots=True)
class TensorInfo:
    name: str
    shape: tuple[int, ...]
    type: str
    offset: int
    """From the start of the data section."""
    nbytes: int


@dataclass(frozen=True)
class GgufHeader:
    metadata: Mapping[str, Value]
    tensors: tuple[TensorInfo, ...]
    data_offset: int
    file_bytes: int
    part_count: int = 1
    """How many files the model lies in; `file_bytes` counts them all."""

    @property
    def architecture(self) -> str:
        return self.text("general.architecture") or ""

    @property
    def name(self) -> str:
        return self.text("general.name") or ""

    @property
    def chat_template(self) -> str | None:
        return self.text("tokenizer.chat_template")

    @property
    def parameters(self) -> int:
        total = 0
        for tensor in self.tensors:
            count = 1
            for length in tensor.shape:
                count *= length
            total += count
        return total

    @property
    def vocabulary(self) -> int:
        tokens = self.metadata.get("tokenizer.ggml.tokens")
        return tokens.length if isinstance(tokens, ArrayInfo) else 0

    def text(self, key: str) -> str | None:
        value = self.metadata.get(key)
        return value if isinstance(value, str) else None

    def number(self, key: str, default: int = 0) -> int:
        """An integer of this architecture, such as `block_count`; the largest item where it is given per layer.

        -1 for a value that is no integer; `read_header` refuses files with one where it matters.
        """
        value = self.metadata.get(f"{self.architecture}.{key}", default)
        if isinstance(value, ArrayInfo):
            value = max(value.items) if value.items else -1
        return value if isinstance(value, int) and not isinstance(value, bool) else -1


def quoted(name: str) -> str:
    """A name from the file, for a sentence."""
    return f"'{excerpt(name, 60)}'"


class _Quota:
    def __init__(self, most: int, refusal: str) -> None:
        self._left, self._refusal = most, refusal

    def take(self, count: int) -> None:
        if count > self._left:
            raise Malformed(self._refusal.format(count))
        self._left -= count


class Allowance:
    """What the headers of one model may hold, in one file or in several, whose readers take from the same allowance.

    Several times what the largest models of the supported architectures need.
    """

    def __init__(self) -> None:
        self.keys = _Quota(4096, "it claims {} metadata keys")
        self.tensors = _Quota(16384, "it claims {} tensors")
        # Kept as text, which takes up to four bytes for one.
        self.text_bytes = _Quota(8 * 1024 * 1024, "its header holds more text than any model needs")
        self.numbers = _Quota(65536, "its header holds more numbers than any model needs")
        self.skipped_texts = _Quota(2_000_000, "its header holds more tokens than any model needs")


class Reader:
    """Reads the header of one file, which is open and stands at its beginning, up to `end`."""

    def __init__(self, file: BinaryIO, end: int, allowance: Allowance) -> None:
        self._source, self._allowance = Source(file, end), allowance

    def header(self, file_bytes: int) -> GgufHeader:
        """Raises Malformed."""
        if self._source.take(4) != b"GGUF":
            raise Malformed("it does not begin with GGUF")
        if (version := self._scalar("I")) not in (2, 3):
            raise Malformed(f"version {version} of the format is not supported")
        self._allowance.tensors.take(tensor_count := self._scalar("Q"))
        self._allowance.keys.take(key_count := self._scalar("Q"))
        metadata: dict[str, Value] = {}
        for _ in range(key_count):
            key = self._text(MAX_NAME_BYTES)
            if key in metadata:
                raise Malformed(f"the key {quoted(key)} occurs twice")
            metadata[key] = self._value(self._scalar("I"))
        alignment = metadata.get("general.alignment", 32)
        if not isinstance(alignment, int) or not 8 <= alignment <= 65536 or alignment & (alignment - 1):
            raise Malformed("its alignment is not a power of two")
        tensors = tuple(self._tensor(alignment) for _ in range(tensor_count))
        data_offset = -(-self._source.position // alignment) * alignment
        return GgufHeader(metadata, tensors, data_offset, file_bytes)

    def _scalar(self, code: str) -> int:
        return int(self._items(code, 1)[0])

    def _count(self, code: str, limit: int, what: str) -> int:
        value = self._scalar(code)
        if value > limit:
            raise Malformed(f"it claims {value} {what}")
        return value

    def _text(self, limit: int) -> str:
        self._allowance.text_bytes.take(length := self._count("Q", limit, "bytes in one text"))
        raw = self._source.take(length)
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            raise Malformed("a text in its header is not UTF-8") from None

    def _value(self, kind: int) -> Value:
        if kind in _SCALARS:
            return self._items(_SCALARS[kind], 1)[0]
        if kind == _STRING:
            return self._text(MAX_TEXT_BYTES)
        if kind == _ARRAY:
            return self._array()
        raise Malformed(f"it has a value of unknown type {kind}")

    def _array(self) -> ArrayInfo:
        kind = self._scalar("I")
        length = self._count("Q", MAX_ARRAY_ITEMS, "items in one array")
        if kind == _STRING:
            self._allowance.skipped_texts.take(length)
            self._source.skip_texts(length)
            return ArrayInfo(length, "text", None)
        if kind not in _SCALARS:
            raise Malformed(f"it has an array of type {kind}")
        code = _SCALARS[kind]
        if length > MAX_KEPT_ITEMS:
            self._source.skip(struct.calcsize("<" + code) * length)
            return ArrayInfo(length, code, None)
        self._allowance.numbers.take(length)
        return ArrayInfo(length, code, self._items(code, length))

    def _items(self, code: str, count: int) -> tuple[int | float | bool, ...]:
        return struct.unpack(f"<{count}{code}", self._source.take(struct.calcsize("<" + code) * count))

    def _tensor(self, alignment: int) -> TensorInfo:
        name = self._text(MAX_NAME_BYTES)
        dimensions = self._count("I", MAX_DIMENSIONS, "dimensions")
        shape = tuple(self._scalar("Q") for _ in range(dimensions))
        kind, offset = self._scalar("I"), self._scalar("Q")
        if kind not in TENSOR_TYPES:
            raise Malformed(f"the tensor {quoted(name)} has unknown type {kind}")
        type_name, block, block_bytes = TENSOR_TYPES[kind]
        count = 1
        for length in shape:
            if not 0 < length < 2**40:
                raise Malformed(f"the tensor {quoted(name)} has an impossible shape")
            count *= length
        if not shape or shape[0] % block or offset % alignment:
            raise Malformed(f"the tensor {quoted(name)} is not laid out in whole blocks")
        return TensorInfo(name, shape, type_name, offset, count // block * block_bytes)
