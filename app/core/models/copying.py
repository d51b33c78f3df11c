"""A file from a slow or unreliable source, copied and hashed at once: one thread reads and writes, the other hashes."""

from __future__ import annotations

import errno
import hashlib
import mmap
import os
import queue
import threading
from collections.abc import Generator
from pathlib import Path

from app.core.errors import InputError, NoSpace

_CHUNK = 4 * 1024 * 1024
_BUFFERS = 4
_TICK_SECONDS = 0.25
_GOODBYE_SECONDS = 2.0

_Item = tuple[mmap.mmap, int] | BaseException | None


def copy_hashing(source: Path, target: Path) -> Generator[int, None, str]:
    """Yield the bytes of each step, 0 while there is nothing new, and return the SHA-256 of what was written.

    The copy is flushed to the disk. A generator that is closed stops the copy; its caller removes the target.

    Raises:
        InputError: the source cannot be read to its end.
        NoSpace: there is no space left.
    """
    free: queue.Queue[mmap.mmap | None] = queue.Queue()
    for _ in range(_BUFFERS):
        # A bytearray would be filled with zeros under the interpreter's lock, while the window waits for it.
        free.put(mmap.mmap(-1, _CHUNK))
    copied: queue.Queue[_Item] = queue.Queue()
    stop = threading.Event()
    # A daemon: a source that does not answer any more must not keep the program from ending.
    copier = threading.Thread(target=_copy, args=(source, target, free, copied, stop), daemon=True)
    copier.start()
    digest = hashlib.sha256()
    try:
        while True:
            try:
                item = copied.get(timeout=_TICK_SECONDS)
            except queue.Empty:
                yield 0  # The caller may want to stop although the source hangs.
                continue
            if item is None:
                return digest.hexdigest()
            if isinstance(item, BaseException):
                raise item
            buffer, count = item
            digest.update(memoryview(buffer)[:count])
            free.put(buffer)
            yield count
    finally:
        stop.set()
        free.put(None)
        # So that it makes no file in a folder that is being removed; a source that hangs is not waited for.
        copier.join(_GOODBYE_SECONDS)


def _copy(
    source: Path,
    target: Path,
    free: queue.Queue[mmap.mmap | None],
    copied: queue.Queue[_Item],
    stop: threading.Event,
) -> None:
    try:
        with source.open("rb", buffering=0) as reading, target.open("wb", buffering=0) as writing:
            while not stop.is_set():
                buffer = free.get()
                if buffer is None or stop.is_set():
                    return
                try:
                    count = reading.readinto(buffer)
                except OSError as error:
                    reason = (error.strerror or "the system refused it").lower()
                    sentence = f"{source.name} cannot be read to its end ({reason}). Is its disk still connected?"
                    raise InputError(sentence) from error
                if not count:
                    break
                view, written = memoryview(buffer)[:count], 0
                while written < count:
                    written += writing.write(view[written:])
                copied.put((buffer, count))
            os.fsync(writing.fileno())
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        copied.put(NoSpace(f"No space is left for {target.name}; make room and import again.") if full else error)
    except BaseException as error:  # noqa: BLE001 - it is raised in the thread that waits
        copied.put(error)
    else:
        copied.put(None)
