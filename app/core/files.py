"""Writing files so that a reader sees the old one or the new one, and naming them by what they hold."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from app.core.errors import InputError

_CHUNK = 4 * 1024 * 1024


def sha256_file(path: Path, on_bytes: Callable[[int], None] | None = None) -> str:
    """SHA-256 of a file in lower-case hexadecimal; `on_bytes` is told how many bytes each step read."""
    import hashlib  # costs more than the rest of this module, which the start of the window needs

    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            if on_bytes:
                on_bytes(len(chunk))
    return digest.hexdigest()


def read_bounded(path: Path, limit: int, what: str) -> bytes:
    """A small file from outside, whole. `what` it should be, such as "a manifest", is named to the person.

    Raises InputError for one of more than `limit` bytes, and for what is no file (a pipe would never end).
    """
    if path.exists() and not path.is_file():
        raise InputError(f"{path} is not a file.")
    with path.open("rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise InputError(f"{path} is larger than {what} can be.")
    return data


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Yield a temporary path beside `target`; it replaces `target` when the block ends well and is removed otherwise.

    The file and its folder are flushed to the disk before and after the rename, so that a power cut leaves either file.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.urandom(6).hex()}.partial")
    temporary.touch(0o600, exist_ok=False)
    try:
        yield temporary
        temporary.chmod(0o644)
        _flush(temporary)
        temporary.replace(target)
        flush_folder(target.parent)
    finally:
        temporary.unlink(missing_ok=True)


def remove_unfinished(target: Path) -> None:
    """Remove what a process that was killed in `replacing` left beside `target`; only while nobody else writes it."""
    for path in target.parent.iterdir():
        if path.name.startswith(f".{target.name}.") and path.name.endswith(".partial"):
            path.unlink(missing_ok=True)


def write_atomically(target: Path, data: bytes) -> None:
    with replacing(target) as temporary:
        temporary.write_bytes(data)


def _flush(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def flush_folder(path: Path) -> None:
    """Make a rename in a folder outlive a power cut."""
    if os.name == "nt":
        return  # Windows has no handle for flushing a folder; its rename is journalled.
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
