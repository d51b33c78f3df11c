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

    Threads of one process exclude each other too. Its folder must exist. A symbolic link is not followed where the
    system can be told so.

    Raises:
        MachineError: with the sentence `busy`, where there is one, instead of waiting.
        OSError: the file system knows no locks.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
    try:
        if not busy:
            _lock(descriptor)
        elif not _lock_now(descriptor):
            raise MachineError(busy)
        try:
            yield
        finally:
            _unlock(descriptor)
    finally:
        os.close(descriptor)


if sys.platform == "win32":
    import errno
    import msvcrt
    import time

    _RETRY_SECONDS = 0.02

    def _lock(descriptor: int) -> None:
        # Not LK_LOCK, which tries once a second and, for ten seconds, cannot be interrupted.
        while not _lock_now(descriptor):
            time.sleep(_RETRY_SECONDS)

    def _lock_now(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            if error.errno != errno.EACCES:  # which means that another handle holds it
                raise
            return False
        return True

    def _unlock(descriptor: int) -> None:
        # Windows lets go of the lock of a closed handle when it finds the time.
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

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

    def _unlock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
