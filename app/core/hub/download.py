"""One file from a hub, appended to what an earlier attempt left of it, and hashed on the way."""

from __future__ import annotations

import errno
import hashlib
import os
import time
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from app.core.errors import CheckRefused, MachineError
from app.core.hub.remote import BrokenOff, Hub, RemoteFile, Snapshot

PAUSES_SECONDS = (0.0, 1.0, 2.0, 4.0, 8.0)
"""Before each further attempt in a row that comes no further than those before; after one that did, from the first."""

KEPT = "what was downloaded is kept, and the same command goes on from there"

_CHUNK = 4 * 1024 * 1024
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


def download(
    hub: Hub, snapshot: Snapshot, file: RemoteFile, target: Path, pauses: Sequence[float] = PAUSES_SECONDS
) -> Generator[int, None, str]:
    """Yield the bytes that each step adds, negative where a server makes it begin anew; return the file's SHA-256.

    Bytes are on the disk before they are counted, so that whatever ends it, the next call goes on from there.

    Raises:
        CheckRefused: the content is not what the hub announces; it is not kept, since no rest could make it right.
        InputError: the hub does not give the file.
        MachineError: the connection broke off more often than there are pauses, or the disk is full.
    """
    digest, done, furthest, failures = _Digest(file), 0, 0, 0
    with target.open("ab", buffering=0) as out:
        if out.tell() > file.size:
            out.truncate(0)
        for chunk in _chunks(target):
            digest.update(chunk)
            done = furthest = done + len(chunk)
            yield len(chunk)
        while done < file.size:
            try:
                with hub.read(snapshot, file.path, done) as stream:
                    if stream.offset != done:
                        out.truncate(0)
                        yield -done
                        digest, done = _Digest(file), 0
                    for chunk in stream.chunks:
                        if done + len(chunk) > file.size:
                            raise _not_announced(file, out)
                        _write(out, chunk, target)
                        digest.update(chunk)
                        done += len(chunk)
                        if done > furthest:
                            furthest, failures = done, 0
                        yield len(chunk)
                if done < file.size:
                    raise BrokenOff("it ended too early")
            except BrokenOff as reason:
                if failures == len(pauses):
                    raise MachineError(f"The connection to the hub broke off ({reason}); {KEPT}.") from reason
                time.sleep(pauses[failures])
                failures += 1
        if digest.content_id != file.content_id:
            raise _not_announced(file, out)
        os.fsync(out.fileno())
    return digest.sha256


class _Digest:
    def __init__(self, file: RemoteFile) -> None:
        self._sha256 = hashlib.sha256()
        # How git names a file's content; the hub knows no other hash of a small file.
        self._git = None if file.sha256 else hashlib.sha1(f"blob {file.size}\0".encode(), usedforsecurity=False)

    def update(self, chunk: bytes) -> None:
        self._sha256.update(chunk)
        if self._git:
            self._git.update(chunk)

    @property
    def sha256(self) -> str:
        return self._sha256.hexdigest()

    @property
    def content_id(self) -> str:
        return f"git:{self._git.hexdigest()}" if self._git else f"sha256:{self.sha256}"


def content_of(path: Path, file: RemoteFile) -> Generator[int, None, bool]:
    """Read a file; yield the bytes of each step and return whether it is the one that the hub announces."""
    if path.stat().st_size != file.size:
        return False
    digest = _Digest(file)
    for chunk in _chunks(path):
        digest.update(chunk)
        yield len(chunk)
    return digest.content_id == file.content_id


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def _write(out: BinaryIO, chunk: bytes, target: Path) -> None:
    try:
        view = memoryview(chunk)
        while view:
            view = view[out.write(view) :]
    except OSError as error:
        if error.errno in _NO_SPACE:
            raise MachineError(f"No space is left for {target.name}; {KEPT}.") from error
        if error.errno == errno.EFBIG:
            raise MachineError(
                f"This disk cannot hold a file as large as {target.name}: FAT32 ends at 4 GiB, exFAT and NTFS do not."
            ) from error
        raise


def _not_announced(file: RemoteFile, out: BinaryIO) -> CheckRefused:
    out.truncate(0)
    return CheckRefused(f"{file.name} is not what the hub announces (size or hash); nothing of it is kept.")
