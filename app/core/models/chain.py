"""Lines that each hold the hash of the one before: how they are written, and what is wrong with them. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import msgspec

from app.core.errors import CheckRefused, InputError
from app.core.models.events import Begun, BegunAnew, Line

MAX_LINE_BYTES = 16 * 1024
NOTHING = "0" * 64
"""What the first line holds in place of a hash."""


class Broken(Exception):
    """What is wrong with a record, as the end of a sentence."""


@dataclass(frozen=True)
class Contents:
    """The lines of a record that was found sound, and the hash of each."""

    lines: tuple[Line, ...] = ()
    hashes: tuple[str, ...] = ()
    completed: bool = False
    """Whether an addition that was interrupted was completed just now."""

    @property
    def last(self) -> str:
        return self.hashes[-1] if self.hashes else NOTHING


def follow(data: bytes, count: int) -> tuple[tuple[Line, ...], tuple[str, ...], int]:
    """The first `count` lines, their hashes, and where they end. Raises Broken, naming the first that is wrong."""
    lines: list[Line] = []
    hashes: list[str] = []
    at = 0
    for number in range(1, count + 1):
        end = data.find(b"\n", at, at + MAX_LINE_BYTES + 1)
        if end < 0:
            cut = at + MAX_LINE_BYTES >= len(data)
            what = f"its end was cut off: {count} lines were written" if cut else "it is longer than any line"
            raise Broken(f"line {number} is not there as it was written, {what}")
        raw, at = data[at:end], end + 1
        try:
            line = decode(raw)
        except InputError:
            raise Broken(f"line {number} is none that was written") from None
        if line.number != number:
            sentence = f"line {number} has the number {line.number}: lines were removed, added or put in another order"
            raise Broken(sentence)
        if line.previous != (hashes[-1] if hashes else NOTHING):
            raise Broken(f"line {number - 1}, or what line {number} says of it, is not what was written")
        if isinstance(line.event, Begun) != (number == 1) or (isinstance(line.event, BegunAnew) and number != 2):
            raise Broken(f"line {number} is none that was written there")
        lines.append(line)
        hashes.append(hashlib.sha256(raw).hexdigest())
    return tuple(lines), tuple(hashes), at


def check_contains(contents: Contents, digest: str) -> int:
    """The number of the line with this hash, which was noted elsewhere. Raises CheckRefused if there is none."""
    if digest not in contents.hashes:
        raise CheckRefused(f"The record has no line with the hash {digest}: it was written anew since that was noted.")
    return contents.hashes.index(digest) + 1


def encode(value: msgspec.Struct) -> bytes:
    """The one way to write a value: without blanks, fields in their order."""
    return msgspec.json.encode(value)


def decode(raw: bytes) -> Line:
    """Raises InputError for what `encode` would not have written."""
    try:
        line = msgspec.json.decode(raw, type=Line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"this cannot be written to the record: {error}.") from error
    # One way only to write a line: then no blank and no order of fields can differ.
    if encode(line) != raw or len(raw) > MAX_LINE_BYTES:
        raise InputError("this cannot be written to the record: it is too long.")
    return line
