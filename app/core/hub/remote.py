"""What a hub is to the download: a commit of a repository, with files that can be read from any byte on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class RemoteFile:
    """A file as the hub announces it: its size in bytes and one of two hashes of its content, in hexadecimal.

    `sha256` is that of a large file (Git LFS); a small one is named by `git_blob`, the SHA-1 that git gives it.
    """

    path: str
    size: int
    sha256: str = ""
    git_blob: str = ""

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def content_id(self) -> str:
        return f"sha256:{self.sha256}" if self.sha256 else f"git:{self.git_blob}"


@dataclass(frozen=True)
class Snapshot:
    """A repository at one commit; its files by their path there."""

    repository: str
    commit: str
    files: Mapping[str, RemoteFile]


@dataclass(frozen=True)
class Stream:
    """Bytes of a file from `offset` on, which is 0 where the server does not send parts."""

    offset: int
    chunks: Iterator[bytes]


class BrokenOff(Exception):
    """The hub did not answer to the end, for a reason that may pass; the text names it in few words."""


class Hub(Protocol):
    def snapshot(self, repository: str, revision: str) -> Snapshot:
        """Raises InputError for what is not there or not given; MachineError if the hub cannot be reached."""

    def read(self, snapshot: Snapshot, path: str, offset: int) -> AbstractContextManager[Stream]:
        """Open a file at a byte. Entering it, and its chunks, raise BrokenOff; entering it also as `snapshot`."""
