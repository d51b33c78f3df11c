"""The record of what was done to this machine's models: lines that are only ever added, each holding the hash of the
one before, so that a change, a gap, another order or a cut is found.

Beside the lines lies a head file: how many there are, the hash of the last, and, while a line is being added, that
line. It is written whole, before the line and after it. A process that dies in between leaves a record whose end is the
beginning of that very line, and the next one to open it completes it; any other end is a change by someone else.

What it cannot find: whoever may write these files can write all of them anew, consistently. Only a hash that was noted
elsewhere shows that; see `chain.check_contains`.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import os
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from app.core.errors import CheckRefused, InputError
from app.core.files import flush_folder, read_bounded, remove_unfinished, write_atomically
from app.core.locks import exclusive
from app.core.models.chain import MAX_LINE_BYTES, NOTHING, Broken, Contents, decode, encode, follow
from app.core.models.events import Begun, BegunAnew, Event, Line, Sha256
from app.core.models.record_files import BINARY, NO_FOLLOW, keep, read, sha256_of, unused
from app.core.processes import user_name

MAX_RECORD_BYTES = 64 * 1024 * 1024


class _Head(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    format: Literal["inro-record-head/1"] = "inro-record-head/1"
    count: Annotated[int, msgspec.Meta(ge=0)]
    last: Sha256
    pending: str
    """The line that is being added, without its line feed; empty when none is."""
    check: Sha256
    """Of the three values above: they are small, and no chain covers them."""


class Chain:
    """An open record, locked: what it says, and the way to add to it."""

    def __init__(self, record: Record, contents: Contents) -> None:
        self._record, self._contents = record, contents

    @property
    def contents(self) -> Contents:
        return self._contents

    @property
    def lines(self) -> tuple[Line, ...]:
        return self._contents.lines

    def append(self, event: Event) -> Line:
        """Raises InputError for an event that is out of bounds, or when the record is full."""
        self._contents = self._record._append(self._contents, event)
        return self._contents.lines[-1]


class Record:
    """Args: user: who is at work; now: the time. Both are asked for each line."""

    def __init__(
        self,
        folder: Path,
        user: Callable[[], str] = user_name,
        now: Callable[[], datetime.datetime] = lambda: datetime.datetime.now(datetime.UTC),
    ) -> None:
        self._folder, self._user, self._now = folder, user, now
        self._path, self._head_path = folder / "record.jsonl", folder / "head.json"

    def read(self) -> Contents:
        """Raises CheckRefused, with the first line that is wrong, for a record that was changed."""
        if not self._folder.is_dir():
            return Contents()
        with exclusive(self._folder / "lock"):
            return self._load()

    @contextmanager
    def open(self) -> Iterator[Chain]:
        """Lock the record, so that nothing is added between what is read and what is decided on it.

        Raises CheckRefused like `read`.
        """
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with exclusive(self._folder / "lock"):
            contents = self._load()
            if not contents.lines:
                contents = self._append(contents, _begun())
            yield Chain(self, contents)

    def append(self, event: Event) -> Line:
        with self.open() as chain:
            return chain.append(event)

    def export_to(self, file: Path) -> str:
        """Write the lines to a new file; the hash of the last one. Raises InputError if it is there, or there is
        no record yet; CheckRefused like `read`."""
        if file.exists() or file.is_symlink():
            raise InputError(f"{file} is there already; give another name.")
        contents = self.read()
        if not contents.lines:
            raise InputError("there is no record yet: nothing was done to models on this machine.")
        write_atomically(file, b"".join(encode(line) + b"\n" for line in contents.lines))
        return contents.last

    def begin_anew(self, reason: str, pin: Literal["given", "none"]) -> BegunAnew:
        """Put a record that was changed into a folder beside it, and begin another whose second line says so.

        A process that dies in between leaves a record that is refused as before. Raises InputError for a sound record.
        """
        if not self._folder.is_dir():
            raise InputError("there is no record yet: nothing was done to models on this machine.")
        with exclusive(self._folder / "lock"):
            try:
                self._checked()
            except Broken as error:
                problem = str(error)
            else:
                raise InputError("the record is sound: there is nothing to begin anew.")
            aside = unused(self._folder / f"damaged-{self._now():%Y%m%dT%H%M%SZ}")
            anew = BegunAnew(
                aside=aside.name,
                record_sha256=sha256_of(self._path, MAX_RECORD_BYTES),
                head_sha256=sha256_of(self._head_path, MAX_RECORD_BYTES),
                problem=problem[:300],
                reason=reason,
                pin=pin,
            )
            first, first_raw = self._line(Contents(), _begun())
            begun = Contents((first,), (hashlib.sha256(first_raw).hexdigest(),))
            _, second_raw = self._line(begun, anew)
            aside.mkdir(mode=0o700)
            for path in (self._path, self._head_path):
                keep(path, aside / path.name)
            # The lines first: no head but theirs fits them, so that what is half done is refused.
            write_atomically(self._path, first_raw + b"\n" + second_raw + b"\n")
            self._write_head(2, hashlib.sha256(second_raw).hexdigest(), b"")
            return anew

    def _line(self, contents: Contents, event: Event) -> tuple[Line, bytes]:
        """The next line, and how it is written."""
        line = Line(
            number=len(contents.lines) + 1,
            time=self._now().strftime("%Y-%m-%dT%H:%M:%SZ"),
            user=self._user()[:300],
            event=event,
            previous=contents.last,
        )
        try:
            raw = encode(line)
        except UnicodeEncodeError:
            raise InputError("this cannot be written to the record: it is not text.") from None
        # Bounds are checked when a line is read; one that cannot be read again must not be written.
        decode(raw)
        return line, raw

    def _append(self, contents: Contents, event: Event) -> Contents:
        line, raw = self._line(contents, event)
        before = self._path.stat().st_size if contents.lines else 0
        if before + len(raw) > MAX_RECORD_BYTES:
            raise InputError(f"the record in {self._folder} is full; move the folder to an archive to begin another.")
        self._write_head(len(contents.lines), contents.last, raw)
        try:
            self._add(raw + b"\n")
        except OSError:
            # The person is told that it failed: so it did not happen. If even this fails, the line is completed later.
            with contextlib.suppress(OSError):
                self._cut(before)
                self._write_head(len(contents.lines), contents.last, b"")
            raise
        digest = hashlib.sha256(raw).hexdigest()
        self._write_head(line.number, digest, b"")
        return Contents((*contents.lines, line), (*contents.hashes, digest), contents.completed)

    def _load(self) -> Contents:
        with contextlib.suppress(OSError):  # whoever may only read it leaves them
            remove_unfinished(self._head_path)
        try:
            return self._checked()
        except Broken as error:
            raise CheckRefused(
                f"The record of models in {self._folder} was changed: {error}. Put it back from a backup, or begin "
                "another one, in which nothing is approved: inro models audit begin-anew --reason TEXT"
            ) from None

    def _checked(self) -> Contents:
        head, data = self._read_head(), self._read_lines()
        if head is None:
            if data:
                raise Broken("its head file is missing")
            return Contents()
        lines, hashes, end = follow(data, head.count)
        if (hashes[-1] if hashes else NOTHING) != head.last:
            raise Broken(f"line {head.count} is not the one that was written last")
        tail, pending = data[end:], head.pending.encode("utf-8")
        if not pending:
            if tail:
                raise Broken(f"something was added after line {head.count}")
            return Contents(lines, hashes)
        if not (pending + b"\n").startswith(tail):
            raise Broken(f"line {head.count + 1} is not the one that was being written")
        self._add((pending + b"\n")[len(tail) :])
        digest = hashlib.sha256(pending).hexdigest()
        self._write_head(head.count + 1, digest, b"")
        return Contents((*lines, decode(pending)), (*hashes, digest), completed=True)

    def _read_head(self) -> _Head | None:
        data = read(self._head_path, 4 * MAX_LINE_BYTES)
        if data is None:
            return None
        try:
            head = msgspec.json.decode(data, type=_Head)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            head = None
        if head is None or head != _head(head.count, head.last, head.pending) or encode(head) + b"\n" != data:
            raise Broken("its head file is not what was written")
        return head

    def _read_lines(self) -> bytes:
        return read(self._path, MAX_RECORD_BYTES) or b""

    def _write_head(self, count: int, last: str, pending: bytes) -> None:
        write_atomically(self._head_path, encode(_head(count, last, pending.decode("utf-8"))) + b"\n")

    def _add(self, data: bytes) -> None:
        new = not self._path.exists()
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | NO_FOLLOW | BINARY
        descriptor = os.open(self._path, flags, 0o600)
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            written = 0
            while written < len(data):
                written += file.write(data[written:])
            os.fsync(descriptor)
        if new:
            flush_folder(self._folder)

    def _cut(self, size: int) -> None:
        descriptor = os.open(self._path, os.O_WRONLY | NO_FOLLOW | BINARY)
        try:
            os.ftruncate(descriptor, size)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def read_export(path: Path) -> Contents:
    """The lines of a file that `Record.export_to` wrote. Raises CheckRefused for one that was changed.

    No head file comes with it: lines that were cut off its end are missed only by who noted the last hash.
    """
    data = read_bounded(path, MAX_RECORD_BYTES, "a record")
    try:
        lines, hashes, end = follow(data, data.count(b"\n"))
        if end != len(data) or not lines:
            raise Broken(f"its end after line {len(lines)} is none that was written")
    except Broken as error:
        raise CheckRefused(f"{path} is no export of a record, or was changed: {error}.") from None
    return Contents(lines, hashes)


def _begun() -> Begun:
    return Begun(installation=os.urandom(16).hex(), computer=platform.node()[:300])


def _head(count: int, last: str, pending: str) -> _Head:
    check = hashlib.sha256(f"{count}\n{last}\n{pending}".encode()).hexdigest()
    return _Head(count=count, last=last, pending=pending, check=check)
