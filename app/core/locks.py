"""One process at a time: a lock that the system lets go of when its holder ends, however that happens."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.core.errors import MachineError


@contextmanager
def exclusive(path: Path, busy: str = "") -> Iterator[None]:
    """Hold the lock on `path`, a file that is made for it, while the block runs; wait for it first.

    Threads of one process exclude each other too. Its folder must exist. A symbolic link is not followed.

    Raises MachineError with the sentence `busy`, where there is one, instead of waiting.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
    try:
        if not busy:
            _lock(descriptor)
        elif not _lock_now(descriptor):
            raise MachineError(busy)
        yield
    finally:
        os.close(descriptor)  # lets go of the lock


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        while True:
            try:
                msvcrt.locking(descriptor, msvcrt.LK_LOCK, 1)
            except OSError:  # after ten seconds
                continue
            return

    def _lock_now(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX)

    def _lock_now(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
