"""A hub that is a folder, in this process: what the download asks of one, and every way in which it may fail."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.core.errors import InputError
from app.core.files import sha256_file
from app.core.hub.remote import BrokenOff, RemoteFile, Snapshot, Stream

COMMIT = "0123456789abcdef0123456789abcdef01234567"
CHUNK = 1000


class FolderHub:
    """Attributes:
    announced: what is said of a file instead of the truth, by its path.
    cuts: by path, after how many bytes each next reading breaks off.
    ranges: False for one that sends whole files only.
    excess: sent after the end of every file.
    served: the bytes that were sent of each path; `opened`, how often.
    """

    def __init__(self, folder: Path, commit: str = COMMIT) -> None:
        self.folder, self.commit = folder, commit
        self.announced: dict[str, RemoteFile] = {}
        self.cuts: dict[str, list[int]] = {}
        self.ranges = True
        self.excess = b""
        self.served: Counter[str] = Counter()
        self.opened: Counter[str] = Counter()

    def snapshot(self, repository: str, revision: str) -> Snapshot:
        if revision not in ("main", self.commit):
            raise InputError(f"{repository} has no revision {revision}.")
        paths = (path for path in sorted(self.folder.rglob("*")) if path.is_file())
        files = {(name := path.relative_to(self.folder).as_posix()): remote_file(path, name) for path in paths}
        return Snapshot(repository, self.commit, {**files, **self.announced})

    @contextmanager
    def read(self, snapshot: Snapshot, path: str, offset: int) -> Iterator[Stream]:
        self.opened[path] += 1
        begin = offset if self.ranges else 0
        yield Stream(begin, self._chunks(path, begin))

    def _chunks(self, path: str, begin: int) -> Iterator[bytes]:
        data = (self.folder / path).read_bytes()[begin:] + self.excess
        cuts = self.cuts.get(path)
        end = cuts.pop(0) if cuts else len(data) + 1
        for start in range(0, min(end, len(data)), CHUNK):
            chunk = data[start : min(start + CHUNK, end)]
            self.served[path] += len(chunk)
            yield chunk
        if end <= len(data):
            raise BrokenOff("reset by peer")


def remote_file(path: Path, name: str) -> RemoteFile:
    """As a hub announces it: model files by SHA-256, small ones by git's SHA-1."""
    size = path.stat().st_size
    if path.suffix == ".gguf":
        return RemoteFile(name, size, sha256=sha256_file(path))
    blob = hashlib.sha1(f"blob {size}\0".encode() + path.read_bytes()).hexdigest()
    return RemoteFile(name, size, git_blob=blob)
