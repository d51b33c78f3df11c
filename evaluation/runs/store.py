"""`items.jsonl` in a run's folder: what the run is, then every question, one JSON object a line as it ends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from app.core.errors import InputError, MachineError
from app.core.files import write_atomically
from evaluation.runs.records import Record, RunIdentity

if TYPE_CHECKING:
    from filelock import BaseFileLock

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
        if len(line) == _LINE_AT_MOST:
            raise InputError(f"{path}, line {number} is longer than any record of inro-eval: the file was changed.")
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


class RunFile:
    """The file of a run that is going on. Held for one process; every record is in the system's hands when appended."""

    def __init__(self, path: Path, kept: tuple[Record, ...], lock: BaseFileLock) -> None:
        self.kept = kept
        # Without a buffer: what could not be written now must not be tried again when the file is closed.
        self._path, self._lock, self._file = path, lock, path.open("ab", buffering=0)

    def append(self, record: Record) -> None:
        """Raises MachineError where it cannot be written; half a line is then left, which `start_run` takes away."""
        line = memoryview(msgspec.json.encode(record) + b"\n")
        try:
            while line:
                line = line[self._file.write(line) :]
        except OSError as error:
            raise MachineError(f"{self._path} cannot be written: {error.strerror or error}.") from error

    def close(self) -> None:
        try:
            with self._file:
                os.fsync(self._file.fileno())
        finally:
            self._lock.release()

    def __enter__(self) -> RunFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def check_folder(folder: Path, *, resume: bool) -> None:
    """Raises InputError where no run can be written, which is better said before a large model is loaded.

    A run that ended before its first answer is in nobody's way.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file: choose another folder for the run.")
    if not resume and (folder / ITEMS).exists() and read_run(folder).records:
        raise InputError(f"{folder} holds a run already: add --resume to go on with it, or choose another folder.")


def start_run(folder: Path, identity: RunIdentity, *, resume: bool) -> RunFile:
    """A new run in `folder`, or with `resume` the one that is there, which must be the same one.

    Raises InputError where there is a run and none was to be resumed, where it is another one, and where another
    process is at it.
    """
    check_folder(folder, resume=resume)
    folder.mkdir(parents=True, exist_ok=True)
    lock = _locked(folder)
    try:
        path = folder / ITEMS
        kept: tuple[Record, ...] = ()
        check_folder(folder, resume=resume)  # again, now that no other process writes to it
        if path.exists():
            run = read_run(folder)
            if run.records:
                _check_same(run, identity)
                identity = run.identity
            kept = run.records
        (folder / RESULT).unlink(missing_ok=True)  # An earlier end must not stand beside what comes now.
        # Without the line that a kill left unfinished, which would spoil the next one.
        lines = [msgspec.json.encode(line) + b"\n" for line in (identity, *kept)]
        write_atomically(path, b"".join(lines))
        return RunFile(path, kept, lock)
    except BaseException:
        lock.release()
        raise


def _locked(folder: Path) -> BaseFileLock:
    from filelock import FileLock, Timeout

    lock = FileLock(folder / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise InputError(f"Another inro-eval is running in {folder}.") from None
    return lock


def _check_same(run: Run, identity: RunIdentity) -> None:
    other = list(_differences(run.identity, identity))
    if other:
        raise InputError(
            f"{run.folder} holds another run (other {', '.join(other)}): give its command, or choose another folder."
        )


def _differences(found: RunIdentity, wanted: RunIdentity) -> Iterator[str]:
    """The names of what is not the same, for a person."""
    for field in found.__struct_fields__:
        one, other = getattr(found, field), getattr(wanted, field)
        if one == other or (field == "model" and one.sha256 and one.sha256 == other.sha256):
            continue  # A file may be renamed meanwhile.
        if field == "settings":
            yield from (
                name.replace("_", " ") for name in one.__struct_fields__ if getattr(one, name) != getattr(other, name)
            )
        else:
            yield {"data_sha256": "questions", "items": "number of questions"}.get(field, field)
