"""The beginning of a file that nobody has checked yet, read in order through a window of bounded size.

It is read and not mapped: where a stick is pulled out or a file cut, a read fails, and a mapped page ends the process.
"""

from __future__ import annotations

import struct
from typing import BinaryIO

_WINDOW_BYTES = 256 * 1024


class Malformed(Exception):
    """What is wrong with the file, as the end of a sentence that begins with its name."""


class Source:
    """Reads `file`, which stands at its beginning, up to `end`. Every method raises Malformed beyond that."""

    def __init__(self, file: BinaryIO, end: int) -> None:
        self._file, self._end = file, end
        self._window, self._start = b"", 0
        self._at = 0

    @property
    def position(self) -> int:
        return self._at

    def take(self, count: int) -> bytes:
        """The next `count` bytes; as many are held in memory, and no more than one window beyond them."""
        self._reach(count)
        start = self._at - self._start
        self._at += count
        return self._window[start : start + count]

    def skip(self, count: int) -> None:
        if count > self._end - self._at:
            raise _ended()
        self._at += count

    def skip_texts(self, count: int) -> None:
        """Skip texts that are each preceded by their length, in 8 bytes, without keeping any."""
        unpack = struct.Struct("<Q").unpack_from
        while count:
            self._reach(8)
            window, start = self._window, self._at - self._start
            at, last = start, len(window) - 8
            while count and at <= last:
                at += 8 + unpack(window, at)[0]
                count -= 1
            self.skip(at - start)

    def _reach(self, count: int) -> None:
        """Make the window hold the next `count` bytes."""
        if count > self._end - self._at:
            raise _ended()
        if self._at + count <= self._start + len(self._window):
            return
        held = self._window[self._at - self._start :]
        try:
            self._file.seek(self._at + len(held))
            read = self._file.read(max(count - len(held), _WINDOW_BYTES))
        except OSError as error:
            reason = (error.strerror or "the system refused it").lower()
            raise Malformed(f"it cannot be read to its end ({reason})") from error
        self._window, self._start = held + read, self._at
        if count > len(self._window):  # it became shorter meanwhile
            raise _ended()


def _ended() -> Malformed:
    return Malformed("it ends inside its header")
