"""What a model is trained on, as texts: records of JSON in any shape, and plain documents; read as a stream."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import msgspec

from app.core.errors import InputError
from evaluation.leakage.pieces import Text, running_pieces

MAX_LINE = 64 * 1024 * 1024
"""Bytes of a line of JSON."""
MAX_JSON = 256 * 1024 * 1024
"""Bytes of a file that is one JSON value and has to be held at once."""
MOST_UNREAD = 100
"""Lines that could not be read and are named; all of them are counted."""

LINES, PLAIN = (".jsonl", ".ndjson"), (".txt", ".text", ".md")

_BOM = b"\xef\xbb\xbf"
_BLOCK = 1 << 20


@dataclass
class Reading:
    """What has been read so far."""

    files: int = 0
    texts: int = 0
    """Records, and documents."""
    characters: int = 0
    unread: int = 0
    """Lines that are no JSON, or hold no text: what they say was not checked."""
    named: list[str] = field(default_factory=list)
    """The first of them, with file and line."""

    def left_out(self, path: Path, number: int, why: str) -> None:
        self.unread += 1
        if len(self.named) < MOST_UNREAD:
            self.named.append(f"{path}, line {number}: {why}")


def read_texts(path: Path, longest: int, reading: Reading, on_bytes: Callable[[int], None]) -> Iterator[Text]:
    """Every text of a file. `longest` is that of the index; `on_bytes` is told how many bytes each step read.

    A line that cannot be read is noted in `reading`. In a file that is one array, the line is the record's number.
    Raises InputError for a file of another kind, one that is not UTF-8, or one that holds no text at all.
    """
    before = reading.texts
    reading.files += 1
    suffix = path.suffix.lower()
    if suffix in PLAIN:
        found = _plain(path, longest, reading, on_bytes)
    elif suffix in LINES:
        found = _lines(path, reading, on_bytes)
    elif suffix == ".json":
        found = _json(path, reading, on_bytes)
    else:
        known = ", ".join((*LINES, ".json", *PLAIN))
        raise InputError(f"{path} is of no kind that can be read ({known}): write the training set in one of them.")
    yield from found
    if reading.texts == before:
        why = f": {reading.named[-1]}" if reading.named else ""
        raise InputError(f"{path} holds no text that could be checked{why}.")


def _plain(path: Path, longest: int, reading: Reading, on_bytes: Callable[[int], None]) -> Iterator[Text]:
    def blocks() -> Iterator[str]:
        with path.open(encoding="utf-8-sig") as file:
            while block := file.read(_BLOCK):
                reading.characters += len(block)
                yield block
                on_bytes(len(block.encode()))

    try:
        for number, text in enumerate(running_pieces(blocks(), Text("", str(path), 1, running=True), longest)):
            reading.texts += number == 0
            yield text
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not a UTF-8 file: save it as UTF-8 first.") from error


def _lines(path: Path, reading: Reading, on_bytes: Callable[[int], None]) -> Iterator[Text]:
    decoder = msgspec.json.Decoder()
    with path.open("rb") as file:
        for number, line in _numbered(file, on_bytes):
            if line is None:
                reading.left_out(path, number, f"the line is longer than {MAX_LINE // 2**20} MiB")
                continue
            try:
                value = decoder.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                reading.left_out(path, number, f"not a line of JSON: {error}")
                continue
            yield from _record(value, path, number, reading)


def _numbered(file: IO[bytes], on_bytes: Callable[[int], None]) -> Iterator[tuple[int, bytes | None]]:
    """Lines that are not blank; None stands for one that is too long to be held."""
    number = 0
    while line := file.readline(MAX_LINE + 1):
        number += 1
        on_bytes(len(line))
        if number == 1:
            line = line.removeprefix(_BOM)
        if len(line) > MAX_LINE:
            while line and not line.endswith(b"\n"):
                line = file.readline(MAX_LINE)
                on_bytes(len(line))
            yield number, None
        elif line.strip():
            yield number, line


def _json(path: Path, reading: Reading, on_bytes: Callable[[int], None]) -> Iterator[Text]:
    """One array of records, as Alpaca's file is, or one object; some files of that name hold lines."""
    if path.stat().st_size <= MAX_JSON:
        data = path.read_bytes()
        try:
            value = msgspec.json.decode(data.removeprefix(_BOM))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass
        else:
            on_bytes(len(data))
            for number, one in enumerate(value if isinstance(value, list) else [value], 1):
                yield from _record(one, path, number, reading)
            return
        del data
    yield from _lines(path, reading, on_bytes)


def _record(value: Any, path: Path, number: int, reading: Reading) -> Iterator[Text]:
    text = "\n".join(_strings(value))
    if not text.strip():
        reading.left_out(path, number, "there is no text in it")
        return
    reading.texts += 1
    reading.characters += len(text)
    yield Text(text, str(path), number)


def _strings(value: Any) -> Iterator[str]:
    """All strings of a JSON value, in its order: whatever the names of its fields are, a question is in one of them."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, dict):
            waiting += reversed(one.values())
        elif isinstance(one, list):
            waiting += reversed(one)
