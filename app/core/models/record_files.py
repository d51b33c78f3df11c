"""What lies where a record's files are, which may be anything: read within bounds, hashed, put aside."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from app.core.files import flush_folder
from app.core.models.chain import Broken

NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
BINARY = getattr(os, "O_BINARY", 0)


def read(path: Path, limit: int) -> bytes | None:
    """None if there is no such file. Raises Broken for a link, a folder or a pipe in its place."""
    try:
        descriptor = os.open(path, os.O_RDONLY | NO_FOLLOW | BINARY | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Broken(f"{path.name} cannot be opened ({error.strerror})") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Broken(f"{path.name} is no file")
    with os.fdopen(descriptor, "rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise Broken(f"{path.name} is larger than it can be")
    return data


def sha256_of(path: Path, limit: int) -> str:
    """SHA-256 of a file of at most `limit` bytes; empty where there is none."""
    try:
        data = read(path, limit)
    except Broken:
        data = None
    return "" if data is None else hashlib.sha256(data).hexdigest()


def unused(folder: Path) -> Path:
    names = (folder, *(folder.with_name(f"{folder.name}-{number}") for number in range(2, 1000)))
    return next(name for name in names if not os.path.lexists(name))


def keep(path: Path, kept: Path) -> None:
    """Give whatever lies at `path` a second name, or another where the system does not know second names."""
    if not os.path.lexists(path):
        return
    try:
        os.link(path, kept, follow_symlinks=False)
    except (OSError, NotImplementedError):
        path.rename(kept)
    flush_folder(kept.parent)
