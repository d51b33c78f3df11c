"""Lines of files from outside: bounded in length, UTF-8, and the encoding named where it is another one."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from app.core.errors import InputError
from trainer.data.encodings import Encoding, escaped, marked, recognised

MAX_LINE = 64 * 1024 * 1024
"""Bytes of a line, and of a file that is one document."""

_BOM = b"\xef\xbb\xbf"
_SAMPLE = 1 << 20
_NUL = "holds NUL characters, which no text does"

OnBytes = Callable[[int], None]


class Undecodable(ValueError):
    """A line that is no text. The message is the end of a sentence."""


class Unreadable(InputError):
    """A file of which nothing can be read."""

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(f"{path} {what}.")
        self.path, self.what = path, what


def numbered_lines(path: Path, on_bytes: OnBytes = lambda _: None) -> Iterator[tuple[int, str | Undecodable]]:
    """(number from 1, line without its end) of every line that is not blank.

    `on_bytes` is told how many bytes each step read. Raises Unreadable for a file in another encoding.
    """
    with path.open("rb") as file:
        _refuse(path, marked(file.peek(4)[:4]))
        looked: str | None = None
        for number, line in _bounded(file, on_bytes):
            if line is None:
                yield number, Undecodable(f"it is longer than {MAX_LINE // 2**20} MiB")
                continue
            _refuse(path, escaped(line))
            text = _utf8(line)
            if text is None:
                if looked is None:  # once: every line of such a file may be broken
                    looked = _looked_at(path, file.tell() - len(line))
                yield number, Undecodable(f"it {_NUL if 0 in line else looked}")
            # Not `splitlines`: it also cuts at characters such as U+2028, which JSON allows inside a string.
            elif text and not text.isspace():
                yield number, text.removesuffix("\n").removesuffix("\r")


def whole_text(path: Path, on_bytes: OnBytes = lambda _: None) -> str:
    """All of a file. Raises Unreadable for one that is too large, or not UTF-8 text."""
    size = path.stat().st_size
    if size > MAX_LINE:
        raise Unreadable(
            path,
            f"has {size / 2**20:,.0f} MiB, more than one document can have ({MAX_LINE // 2**20} MiB); cut it into "
            "several files",
        )
    data = path.read_bytes()
    on_bytes(size)
    return decoded(path, data).replace("\r\n", "\n")


def decoded(path: Path, data: bytes) -> str:
    """`data`, which is the whole of the file, without a byte order mark. Raises Unreadable if it is not UTF-8 text."""
    _refuse(path, marked(data) or escaped(data))
    data = data.removeprefix(_BOM)
    try:
        text = data.decode()
        at = data.find(0)
    except UnicodeDecodeError as error:
        at = error.start
    if at >= 0:
        looked = _looked_at(path, data.rfind(b"\n", 0, at) + 1)
        raise Unreadable(path, _NUL if data[at] == 0 else looked)
    return text


def _utf8(line: bytes) -> str | None:
    """A NUL is no text either: UTF-16 without a mark is full of them, and otherwise valid UTF-8 where it is English."""
    try:
        return None if 0 in line else line.decode()
    except UnicodeDecodeError:
        return None


def _bounded(file: IO[bytes], on_bytes: OnBytes) -> Iterator[tuple[int, bytes | None]]:
    """None stands for a line that is too long to be held."""
    number = 0
    while line := file.readline(MAX_LINE + 1):
        number += 1
        on_bytes(len(line))
        if number == 1:
            line = line.removeprefix(_BOM)
        if len(line) <= MAX_LINE:
            yield number, line
            continue
        while line and not line.endswith(b"\n"):
            line = file.readline(MAX_LINE)
            on_bytes(len(line))
        yield number, None


def _looked_at(path: Path, at: int) -> str:
    """What is to be said of a line that begins at byte `at` and is no text, as the end of a sentence.

    Raises Unreadable where the whole file is surely in another encoding.
    """
    sample, cut = _sample(path, at)
    found = recognised(sample, cut=cut)
    if found and found.sure:
        _refuse(path, found)
    if found:
        return f"is not UTF-8 text; perhaps {found.name} (iconv -f {found.iconv} -t UTF-8)"
    return "is not UTF-8 text"


def _sample(path: Path, at: int) -> tuple[bytes, bool]:
    """The file's beginning, with what stands from `at` on if that is not in it; and whether the file goes on."""
    with path.open("rb") as file:
        sample = file.read(_SAMPLE)
        if at >= len(sample):
            file.seek(at)
            sample = sample[: sample.rfind(b"\n") + 1] + file.read(_SAMPLE)
        return sample, bool(file.read(1))


def _refuse(path: Path, encoding: Encoding | None) -> None:
    if encoding:
        raise Unreadable(
            path,
            f"is written in {encoding.name}, and only UTF-8 is read; convert it first, for example with: "
            f"{_conversion(path, encoding)}",
        )


def _conversion(path: Path, encoding: Encoding) -> str:
    """The original stays, under a name that no folder of data is read for."""
    name, old = shlex.quote(str(path)), shlex.quote(f"{path}.old")
    return f"mv {name} {old} && iconv -f {encoding.iconv} -t UTF-8 {old} > {name}"
