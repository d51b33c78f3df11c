"""Lines of files from outside: bounded in length, UTF-8, and the encoding named where it is another one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from app.core.errors import InputError

MAX_LINE = 64 * 1024 * 1024
"""Bytes of a line, and of a file that is one document."""

_BOM = b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_ISO_2022 = (b"\x1b$B", b"\x1b$@", b"\x1b(J")
_SAMPLE = 1 << 20
_NAMES = {"cp932": "Shift_JIS", "euc_jp": "EUC-JP"}
_ICONV = {"Shift_JIS": "CP932", "EUC-JP": "EUC-JP", "ISO-2022-JP": "ISO-2022-JP", "UTF-16": "UTF-16"}
_USUAL = re.compile("[ぁ-んァ-ヶー一-龠、。]")
_UNUSUAL = re.compile("[｡-ﾟ\ue000-\uf8ff]")

OnBytes = Callable[[int], None]


class Undecodable(ValueError):
    """A line that is no text. The message is the end of a sentence."""


def numbered_lines(path: Path, on_bytes: OnBytes) -> Iterator[tuple[int, str | Undecodable]]:
    """(number from 1, line without its end) of every line that is not blank.

    `on_bytes` is told how many bytes each step read. Raises InputError for a file in another encoding.
    """
    with path.open("rb") as file:
        _refuse_known_encodings(path, file)
        for number, line in _bounded(file, on_bytes):
            if line is None:
                yield number, Undecodable(f"it is longer than {MAX_LINE // 2**20} MiB")
                continue
            if any(mark in line for mark in _ISO_2022):
                raise _refusal(path, "ISO-2022-JP")
            try:
                text = line.decode()
            except UnicodeDecodeError:
                if name := _encoding(path):
                    raise _refusal(path, name) from None
                yield number, Undecodable("it is not UTF-8 text")
                continue
            # Not `splitlines`: it also cuts at characters such as U+2028, which JSON allows inside a string.
            if text and not text.isspace():
                yield number, text.removesuffix("\n").removesuffix("\r")


def whole_text(path: Path, on_bytes: OnBytes) -> str:
    """All of a file. Raises InputError for one that is too large, or not UTF-8 text."""
    size = path.stat().st_size
    if size > MAX_LINE:
        raise InputError(
            f"{path} has {size / 2**20:,.0f} MiB, more than one document can have ({MAX_LINE // 2**20} MiB); "
            "cut it into several files."
        )
    data = path.read_bytes()
    on_bytes(size)
    if data.startswith(_UTF16):
        raise _refusal(path, "UTF-16")
    if any(mark in data for mark in _ISO_2022):
        raise _refusal(path, "ISO-2022-JP")
    try:
        return data.removeprefix(_BOM).decode().replace("\r\n", "\n")
    except UnicodeDecodeError:
        name = _encoding(path)
        raise (_refusal(path, name) if name else InputError(f"{path} is not UTF-8 text.")) from None


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


def _refuse_known_encodings(path: Path, file: IO[bytes]) -> None:
    if file.peek(2)[:2] in _UTF16:  # type: ignore[attr-defined]  # a BufferedReader
        raise _refusal(path, "UTF-16")


def _encoding(path: Path) -> str | None:
    """The Japanese encoding that the beginning of a file is surely written in; None where it is none of them.

    Bytes of one encoding often decode in another one too; there they give half-width kana and private characters.
    """
    with path.open("rb") as file:
        sample = file.read(_SAMPLE)
    # A file that is UTF-8 but for a few broken bytes would also decode as Shift_JIS.
    if sum(map(len, re.findall(rb"(?:[\xe3-\xe9][\x80-\xbf]{2})+", sample))) > len(sample) / 4:
        return None
    best: tuple[float, str] | None = None
    for codec, name in _NAMES.items():
        try:
            text = sample[: sample.rfind(b"\n") + 1 or None].decode(codec)
        except UnicodeDecodeError:
            continue
        usual, unusual = len(_USUAL.findall(text)), len(_UNUSUAL.findall(text))
        if usual > unusual:
            best = max(best or (0.0, ""), ((usual - unusual) / len(text), name))
    return best[1] if best else None


def _refusal(path: Path, encoding: str) -> InputError:
    return InputError(
        f"{path} is written in {encoding}, and only UTF-8 is read; convert it first, "
        f"for example with: iconv -f {_ICONV[encoding]} -t UTF-8 {path.name} > new-{path.name}"
    )
