"""Hostile headers, made from good ones: each kind of damage has its own generator, and a seed decides each case."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from tests.hostile import gguf_parts
from tests.hostile.gguf_parts import (
    ARRAY,
    BOOL,
    F32,
    F64,
    I32,
    SIZES,
    TEXT,
    U8,
    U32,
    U64,
    Key,
    Parts,
    Tensor,
    array,
    text,
)
from tests.hostile.templates import ALL as TEMPLATES

Random = random.Random
Named = TypeVar("Named", Key, Tensor)


@dataclass(frozen=True)
class File:
    """The beginning of a file; the rest of it, up to `file_bytes`, is a hole."""

    name: str
    header: bytes
    file_bytes: int


@dataclass(frozen=True)
class Case:
    """`files[0]` is the one that is opened; `manifest` lies beside it."""

    kind: str
    number: int
    files: tuple[File, ...]
    manifest: bytes | None = None


HUGE = (2**64 - 1, 2**63, 2**63 - 1, 2**62, 2**60, 2**40, 2**32, 2**32 - 1, 2**31, 10**9, 70_000, -1, -2, -(2**31))
"""As unsigned numbers of 64 bits, the negative ones wrap."""

NOT_UTF8 = (b"\xff", b"\xfe\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\x80", b"\xe3\x81", b"\xf8\x88")
NAMES = (b"", b"blk.0.", b"blk.99999.x.y", b"blk.-1.x.y", b"blk.\xd9\xa1.x", b"\0", b"a\nb\x1b[2J", b"n" * 1024)
NUMBERS = (b"block_count", b"context_length", b"embedding_length", b"feed_forward_length")
HEADS = (b"head_count", b"head_count_kv", b"attention.key_length", b"attention.value_length")


def truncated(rng: Random, base: Parts) -> bytes:
    whole = base.header()
    return whole[: rng.choice((rng.randrange(len(whole)), rng.randrange(64), len(whole) - rng.randrange(64)))]


def overlapping(rng: Random, base: Parts) -> bytes:
    tensors = base.tensors
    for _ in range(rng.randint(1, 3)):
        at, other = rng.randrange(len(tensors)), rng.choice(tensors)
        tensors[at] = replace(tensors[at], offset=other.offset + 32 * rng.choice((0, 0, 1, 2, -1, rng.randrange(99))))
    return base.header()


def huge_counts(rng: Random, base: Parts) -> bytes:
    value = rng.choice((*HUGE, rng.getrandbits(64), rng.getrandbits(20)))
    whole = bytearray(base.header())
    key = rng.choice(base.written_keys)
    where = rng.choice(("tensors", "keys", "name", "value", "text"))
    if where == "tensors":
        base.tensor_count = value
        return base.header()
    if where == "keys":
        base.key_count = value
        return base.header()
    if where == "text":
        base.set(rng.choice((b"name", b"chat_template", b"pre")), TEXT, struct.pack("<Q", value & 2**64 - 1))
        return base.header()
    length = struct.unpack_from("<Q", whole, key)[0]
    at = key if where == "name" else key + 8 + length + 4 + rng.choice((0, 4))
    whole[at : at + 8] = struct.pack("<Q", value & 2**64 - 1)
    return bytes(whole)


def nested_arrays(rng: Random, base: Parts) -> bytes:
    depth = rng.choice((1, 2, 3, 100, 5000))
    value = array(rng.choice((ARRAY, TEXT, U8)), rng.choice((0, 1, *HUGE)), bytes(rng.randrange(32)))
    for _ in range(depth):
        value = array(ARRAY, rng.choice((1, 1, 1, 2, 2**60)), value)
    base.keys.insert(rng.randrange(len(base.keys)), Key(b"nested", ARRAY, value))
    return base.header()


def wrong_types(rng: Random, base: Parts) -> bytes:
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(base.keys))
        key = base.keys[at]
        kind = rng.choice((*range(13), 13, 77, 2**31, 2**32 - 1))
        match rng.choice(("type", "value", "items", "tensor")):
            case "type":
                base.keys[at] = replace(key, kind=kind)
            case "value":
                value = text(b"x") if kind == TEXT else rng.randbytes(SIZES.get(kind, 12))
                base.keys[at] = replace(key, kind=kind, value=value)
            case "items":
                name = rng.choice((b"ggml.tokens", b"ggml.token_type", b"ggml.merges", b"ggml.scores", b"ggml.pre"))
                base.set(name, ARRAY, array(kind, rng.choice((0, 3, 259)), rng.randbytes(259 * 8)))
            case "tensor":
                at = rng.randrange(len(base.tensors))
                base.tensors[at] = replace(base.tensors[at], kind=rng.choice((*range(40), kind)))
    return base.header()


def offsets(rng: Random, base: Parts) -> bytes:
    """Negative ones, ones that wrap round, and tensors that lie in each other's place."""
    tensors = base.tensors
    if rng.random() < 0.4:
        shift = rng.randrange(1, len(tensors))
        moved = [tensor.offset for tensor in tensors[shift:] + tensors[:shift]]
        base.tensors = [replace(tensor, offset=offset) for tensor, offset in zip(tensors, moved, strict=True)]
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(tensors))
        choices = (*HUGE, -32, -64, -(2**20), 2**64 - 32, 2**63 + 32, 1, 31, rng.getrandbits(64), rng.getrandbits(24))
        base.tensors[at] = replace(base.tensors[at], offset=rng.choice(choices))
    return base.header()


def not_utf8(rng: Random, base: Parts) -> bytes:
    bad = rng.choice((b"", b"a", "医".encode())) + rng.choice(NOT_UTF8) + rng.choice((b"", b"b"))
    match rng.choice(("name", "value", "tensor", "tokens")):
        case "name":
            at = rng.randrange(len(base.keys))
            base.keys[at] = replace(base.keys[at], name=bad)
        case "value":
            base.set(rng.choice((b"architecture", b"name", b"chat_template", b"ggml.model")), TEXT, text(bad))
        case "tensor":
            at = rng.randrange(len(base.tensors))
            base.tensors[at] = replace(base.tensors[at], name=bad)
        case "tokens":
            base.set(b"ggml.tokens", ARRAY, array(TEXT, 259, text(bad) * 259))
    return base.header()


def bombs(rng: Random, _base: Parts) -> bytes:
    """A few dozen bytes that claim a great deal (ggml-org/llama.cpp#27188)."""
    claim = struct.pack("<Q", rng.choice(HUGE) & 2**64 - 1)
    head = b"GGUF" + struct.pack("<I", rng.choice((2, 3)))
    value = struct.pack("<I", ARRAY) + struct.pack("<I", rng.choice((TEXT, ARRAY, U64, U8))) + claim
    raw = rng.choice(
        (
            head + struct.pack("<QQQ", 0, 1, 1) + b"k" + value,
            head + claim + claim,
            head + struct.pack("<QQ", 0, 1) + claim,
            head + struct.pack("<QQQ", 0, 1, 1) + b"k" + struct.pack("<I", TEXT) + claim,
            head + struct.pack("<QQQ", 1, 0, 1) + b"t" + struct.pack("<I", rng.choice((4, 5, 2**31))) + claim * 4,
            head + claim + struct.pack("<Q", 0),
        )
    )
    return (raw + rng.randbytes(rng.randrange(8)))[:49].ljust(49, rng.choice((b"\0", b"\xff", b"\x01")))


def hyperparameters(rng: Random, base: Parts) -> bytes:
    """`block_count` and the other numbers that memory is estimated and allocated from."""
    for name in rng.sample((*NUMBERS, *HEADS), rng.randint(1, 3)) if rng.random() < 0.5 else (b"block_count",):
        number = rng.choice((0, 1, 2, 3, 600, *HUGE, rng.getrandbits(31)))
        match rng.choice((U32, U32, U64, F32, I32, ARRAY)):
            case gguf_parts.U32:
                base.set(name, U32, struct.pack("<I", number & 2**32 - 1))
            case gguf_parts.U64:
                base.set(name, U64, struct.pack("<Q", number & 2**64 - 1))
            case gguf_parts.F32:
                base.set(name, F32, struct.pack("<f", rng.choice((float("nan"), float("inf"), -1.0, 1.5))))
            case gguf_parts.I32:
                base.set(name, I32, struct.pack("<I", number & 2**32 - 1))
            case _:
                kind, count = rng.choice((U32, U64, F32, BOOL, F64)), rng.choice((0, 1, 2, 512))
                base.set(name, ARRAY, array(kind, count, rng.randbytes(count * SIZES[kind])))
    return base.header()


def templates(rng: Random, base: Parts) -> bytes:
    source = rng.choice(list(TEMPLATES.values()))
    raw = (rng.choice(("", "x", "{{ 1 }}", "{")) + source * rng.choice((1, 1, 3))).encode()
    raw = rng.choice((raw, raw, raw + rng.choice(NOT_UTF8), raw.ljust(rng.choice((2**20, 2**20 + 1)), b" ")))
    base.set(b"chat_template", TEXT, text(raw))
    return base.header()


def shapes(rng: Random, base: Parts) -> bytes:
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(base.tensors))
        tensor = base.tensors[at]
        shape = rng.choice(
            (
                (),
                (0,),
                tensor.shape[::-1],
                tuple(rng.choice((*HUGE, 0, 1, 63, 64)) for _ in range(rng.randint(1, 6))),
                (2**39,) * 4,
                (1,) * rng.choice((5, 255, 4000)),
                tuple(length + rng.choice((-1, 1)) for length in tensor.shape),
            )
        )
        base.tensors[at] = replace(tensor, shape=shape, kind=rng.choice((tensor.kind, tensor.kind, rng.randrange(32))))
    return base.header()


def twice(rng: Random, base: Parts) -> bytes:
    """Keys and tensors that occur twice, are missing, or have strange names."""
    for _ in range(rng.randint(1, 3)):
        if rng.random() < 0.5:
            _disorder(rng, base.keys)
        else:
            _disorder(rng, base.tensors)
    return base.header()


def _disorder(rng: Random, items: list[Named]) -> None:
    at = rng.randrange(len(items))
    match rng.choice(("again", "gone", "renamed")):
        case "again":
            items.insert(rng.randrange(len(items)), items[at])
        case "gone":
            del items[at]
        case "renamed":
            items[at] = replace(items[at], name=rng.choice(NAMES))


def alignment(rng: Random, base: Parts) -> bytes:
    kind = rng.choice((U32, U32, U64, I32, F32, TEXT, BOOL))
    value = rng.choice((0, 1, 3, 7, 8, 16, 33, 64, 65536, 131072, *HUGE)) & 2**64 - 1
    base.set(b"general.alignment", kind, text(b"32") if kind == TEXT else struct.pack("<Q", value)[: SIZES[kind]])
    return base.header()


def flips(rng: Random, base: Parts) -> bytes:
    whole = bytearray(base.header())
    for _ in range(rng.choice((1, 1, 2, 8, 64))):
        at = rng.randrange(len(whole) if rng.random() < 0.5 else 700)
        whole[at] ^= rng.randrange(1, 256)
    return bytes(whole)


def splices(rng: Random, base: Parts) -> bytes:
    whole = base.header()
    for _ in range(rng.randint(1, 3)):
        first, second = sorted(rng.randrange(len(whole)) for _ in range(2))
        few = rng.randrange(99)
        other = rng.choice((whole[first:second], rng.randbytes(few), bytes(few), b"", b"GGUF"))
        at = rng.randrange(len(whole))
        whole = whole[:at] + other[:4096] + whole[at + rng.choice((0, 0, 1, 8, len(other))) :]
    return whole


KINDS: dict[str, Callable[[Random, Parts], bytes]] = {
    function.__name__: function
    for function in (
        truncated,
        overlapping,
        huge_counts,
        nested_arrays,
        wrong_types,
        offsets,
        not_utf8,
        bombs,
        hyperparameters,
        templates,
        shapes,
        twice,
        alignment,
        flips,
        splices,
    )
}


def header_cases(bases: Sequence[Parts], each: int) -> Iterator[Case]:
    """`each` cases of every kind."""
    for kind, make in KINDS.items():
        for number in range(each):
            rng = Random(f"{kind} {number}")
            base = rng.choice(bases).copy()
            header = make(rng, base)
            rest = 0 if make in (truncated, bombs) else len(base.data) - rng.choice((0, 0, 0, 1, 4096))
            yield Case(kind, number, (File("file.gguf", header, len(header) + rest),))
