"""What lies beside a hostile file: the further parts of a split model, and manifests."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.hostile.gguf_parts import TEXT, U16, U64, Key, Parts, Tensor, text
from tests.hostile.headers import HUGE, KINDS, Case, File

Random = random.Random

TEXTS: tuple[Any, ...] = (
    "",
    "a\x1b[2J\x1b]0;x\x07",
    "\u202egnp.exe",
    "\ud800",
    "n" * 300,
    "n" * 500_000,
    "../../../etc/passwd",
    "/dev/zero",
    "a\0b",
    "f" * 64,
    "F" * 64,
    "2026-02-30",
    "0001-01-01",
    "9999-12-31",
    "モデル",
)
VALUES: tuple[Any, ...] = (*TEXTS, *HUGE, 10**400, -(10**30), 1.5, float("nan"), float("inf"), None, True, [], {}, [[]])


def part_cases(base: Parts, count: int) -> Iterator[Case]:
    """Models in several files that do not belong together, claim too many, or are hostile themselves."""
    for number in range(count):
        rng = Random(f"parts {number}")
        files = rng.choice((2, 2, 3, 20))
        claimed = rng.choice((files, files, files, files, 0, 1, 99999, *HUGE))
        named = rng.choice((files, files, files, 99999))
        parts = []
        for part in range(rng.choice((files, files, files - 1))):
            own = base.copy() if part == 0 else Parts([], [Tensor(b"t%d" % part, (8,), 0, 0)], bytes(32))
            _set_number(own, b"split.no", rng.choice((part, part, part, part, 0, 70_000)))
            _set_number(own, b"split.count", claimed)
            _set_number(own, b"split.tensors.count", rng.choice((len(base.tensors) + files - 1, *HUGE)))
            damage = rng.choice(list(KINDS.values())) if rng.random() < 0.1 and len(own.keys) > 3 else None
            header = damage(rng, own) if damage else own.header()
            name = f"x-{part + rng.choice((1, 1, 1, 1, 1, 1, 0)):05d}-of-{named:05d}.gguf"
            parts.append(File(name, header, len(header) + len(own.data)))
        yield Case("parts", number, tuple(parts))


def manifest_cases(base: Parts, manifest: Mapping[str, Any], count: int) -> Iterator[Case]:
    """A good file beside whose manifest anything lies."""
    header = base.header()
    file = File("file.gguf", header, len(header) + len(base.data))
    for number in range(count):
        rng = Random(f"manifests {number}")
        yield Case("manifests", number, (file,), _manifest(rng, dict(manifest)))


def _manifest(rng: random.Random, fields: dict[str, Any]) -> bytes:
    names = [*fields, "parts", "sources", "verdict", "examples", "recipe", "expires", "chat_template_sha256", "base"]
    for _ in range(rng.randint(1, 2)):
        value = rng.choice((*VALUES, [rng.choice(VALUES)] * rng.choice((1, 3000)), {"x" * 9: rng.choice(VALUES)}))
        fields[rng.choice((*names, "\x1b[2Junknown\n", "n" * 9000))] = value
    if rng.random() < 0.2:
        fields["parts"] = [{"file": rng.choice(TEXTS), "file_bytes": rng.choice(HUGE), "sha256": rng.choice(TEXTS)}]
    raw = json.dumps(fields).encode()
    at = rng.randrange(len(raw))
    return rng.choice(
        (
            raw,
            raw,
            raw,
            raw[:at],
            raw[:at] + rng.randbytes(4) + raw[at:],
            raw + b" " * 2**20,
            b"[" * 900_000,
            b'{"a":' * 150_000,
            raw.replace(b'"name"', b'"name": "x", "name"'),
            raw.decode().encode("utf-16"),
        )
    )


def _set_number(parts: Parts, name: bytes, number: int) -> None:
    if 0 <= number < 2**16:
        parts.set(name, U16, struct.pack("<H", number))
    else:
        parts.set(name, U64, struct.pack("<Q", number & 2**64 - 1))


def monsters(base: Parts) -> Iterator[Case]:
    """Made by hand: as much as a header can hold of each kind."""
    floats = struct.pack("<512d", *(index + 0.5 for index in range(512)))
    wide = text(("\N{GRINNING FACE}" + "x" * 1_000_000).encode())
    keys = {
        "texts": [_array(index, TEXT, 2_000_000, bytes(16_000_000)) for index in range(8)],
        "kept texts": [Key(b"%d" % index, TEXT, wide) for index in range(20)],
        "kept texts in bounds": [Key(b"%d" % index, TEXT, wide) for index in range(7)],
        "numbers": [_array(index, 12, 512, floats) for index in range(4000)],
        "skipped numbers": [_array(index, 12, 2_000_000, bytes(16_000_000)) for index in range(7)],
        "long names": [Key(b"%01000d" % index, 0, b"\0") for index in range(4000)],
    }
    for number, more in enumerate(keys.values()):
        parts = base.copy()
        parts.keys += more
        yield _whole(number, parts)
    for number, (count, name) in enumerate(((65_000, 1000), (16_000, 400), (16_000, 8)), len(keys)):
        parts = base.copy()
        emoji = "\N{GRINNING FACE}".encode()
        parts.tensors = [Tensor(emoji + b"%0*d" % (name, index), (1, 1, 1, 1), 0, 32 * index) for index in range(count)]
        parts.data = bytes(32)
        yield _whole(number, parts, 32 * count)


def _array(index: int, kind: int, count: int, items: bytes) -> Key:
    return Key(b"a%d" % index, 9, struct.pack("<IQ", kind, count) + items)


def _whole(number: int, parts: Parts, data: int | None = None) -> Case:
    header = parts.header()
    return Case("monsters", number, (File("file.gguf", header, len(header) + (data or len(parts.data))),))


def many_parts(base: Parts, count: int, texts: int) -> Sequence[File]:
    """A model in many files, each of which holds so many empty texts."""
    files = []
    for number in range(count):
        own = base.copy() if number == 0 else Parts([], [Tensor(b"t%d" % number, (8,), 0, 0)], bytes(32))
        _set_number(own, b"split.no", number)
        _set_number(own, b"split.count", count)
        _set_number(own, b"split.tensors.count", len(base.tensors) + count - 1)
        own.keys.append(_array(0, TEXT, texts, bytes(8 * texts)))
        header = own.header()
        files.append(File(f"x-{number + 1:05d}-of-{count:05d}.gguf", header, len(header) + len(own.data)))
    return files
