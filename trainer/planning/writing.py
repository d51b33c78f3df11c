"""How long a run writes: its checkpoints and its result, at the speed of the disk that they will lie on."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from time import perf_counter

from trainer.planning.machine import existing

MOST, SECONDS, BLOCK = 256 * 2**20, 2.0, 32 * 2**20
"""Bytes that are written to measure the speed, until that time is over; and how many of them at once."""


def writing_seconds(size: int, output: Path) -> float:
    """Of `size` bytes in all, below `output`: measured with a file beside it, which is removed again.

    Raises OSError if nothing can be written there.
    """
    block = os.urandom(min(size, BLOCK))  # some disks make little of zeros
    tried, begin = 0, perf_counter()
    with tempfile.TemporaryFile(dir=existing(output)) as file:
        while tried < min(size, MOST) and perf_counter() - begin < SECONDS:
            tried += file.write(block)
            file.flush()
            os.fsync(file.fileno())
    return (perf_counter() - begin) * size / tried
