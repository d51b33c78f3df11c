"""Ctrl-C and SIGTERM: the first asks the run to save and end, the second ends it at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from types import FrameType

from trainer.running.measuring import launched_processes

_ONE_REQUEST = 2.0
"""Seconds. Ctrl-C in a terminal reaches launched processes twice: from it, and from the launcher, which got it too."""


@dataclass
class Stop:
    asked: bool = False


@contextmanager
def stopping() -> Iterator[Stop]:
    """While the block runs, the first signal sets `asked`, and the next raises KeyboardInterrupt."""
    stop = Stop()
    launched = launched_processes().count > 1
    first = 0.0
    if threading.current_thread() is not threading.main_thread():
        yield stop  # only the main thread is told of signals
        return

    def ask(_number: int, _frame: FrameType | None) -> None:
        nonlocal first
        if stop.asked and launched and monotonic() - first < _ONE_REQUEST:
            return
        if stop.asked:
            raise KeyboardInterrupt
        stop.asked, first = True, monotonic()
        # Past Python's own buffers: the signal may have come while something was written to them.
        os.write(2, b"\nA checkpoint is saved after this step; once more ends at once.\n")

    earlier = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
