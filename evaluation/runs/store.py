"""`items.jsonl` in a run's folder: what the run is, then every question, one JSON object a line as it ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import msgspec

from app.core.errors import InputError
from evaluation.runs.records import Record, RunIdentity

ITEMS = "items.jsonl"
RESULT = "result.json"

_LINE_AT_MOST = 16 * 1024 * 1024
_RECORDS_AT_MOST = 1_000_000


@dataclass(frozen=True)
class Run:
    """A run as its folder holds it; complete if there is a record for each of `identity.items`."""

    folder: Path
    identity: RunIdentity
    records: tuple[Record, ...]

    @property
    def complete(self) -> bool:
        return len(self.records) == self.identity.items

    @property
    def name(self) -> str:
        return self.folder.name or str(self.folder)


def read_run(folder: Path) -> Run:
    """A run, finished or not. A line that a kill or a power cut left unfinished is not part of it.

    Raises InputError for a folder without a run, or whose file was not written by this version of inro-eval.
    """
    path = folder / ITEMS
    try:
        with path.open("rb") as file:
            identity = _identity(path, file.readline(_LINE_AT_MOST))
            return Run(folder, identity, tuple(_records(path, file)))
    except FileNotFoundError:
        raise InputError(f"{folder} holds no run: there is no {ITEMS} in it.") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error


def _identity(path: Path, line: bytes) -> RunIdentity:
    try:
        return msgspec.json.decode(line, type=RunIdentity)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{path} is no run of this version of inro-eval.") from error


def _records(path: Path, file: BinaryIO) -> Iterator[Record]:
    """The records of a file, the first for each id. Raises InputError for a line that is whole and no record."""
    seen: set[str] = set()
    number = 1
    while line := file.readline(_LINE_AT_MOST):
        number += 1
        if not line.endswith(b"\n"):
            return  # A kill left it unfinished: the question is asked again.
        try:
            record = msgspec.json.decode(line, type=Record)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise InputError(f"{path}, line {number} is no record of inro-eval: the file was changed.") from error
        if record.item.id not in seen:
            seen.add(record.item.id)
            yield record
        if len(seen) > _RECORDS_AT_MOST:
            raise InputError(f"{path} holds more than {_RECORDS_AT_MOST:,} questions.")
