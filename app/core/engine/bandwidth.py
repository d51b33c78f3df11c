"""How fast this machine reads its memory: every token of an answer reads every weight."""

from __future__ import annotations

import itertools
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SECONDS = 0.25

# Together beyond the caches, of which a PC's processor has up to 128 MB.
_THREAD_BYTES, _LEAST_BYTES, _MOST_BYTES = 128 * 1024**2, 256 * 1024**2, 512 * 1024**2
# For each thread: a millisecond or two, as long as a busy machine too leaves it alone, and long against its start.
_PIECE_BYTES = 16 * 1024**2
_LEAST_ROUNDS = 4


def read_rate(threads: int, free_bytes: int, seconds: float = SECONDS) -> float:
    """Bytes a second that so many threads read together: the best of the rounds that fit into `seconds`.

    The best, since other programs only take from it. At most an eighth of `free_bytes` is allocated.
    """
    import numpy as np

    total = min(max(threads * _THREAD_BYTES, _LEAST_BYTES), _MOST_BYTES, free_bytes // 8)
    part = max(total // threads, 1)
    step = min(part, _PIECE_BYTES)
    with ThreadPoolExecutor(threads) as pool:
        # Written once, each part by a thread: untouched memory is one page of zeros.
        parts = list(pool.map(lambda size: np.ones(size, np.uint8), [part] * threads))
        best, end = 0.0, time.perf_counter() + seconds
        # One piece of each part after the other, so that what is read again has left the caches.
        for rounds, start in enumerate(itertools.cycle(range(0, part - step + 1, step))):
            if rounds >= _LEAST_ROUNDS and time.perf_counter() > end:
                break
            pieces = [whole[start : start + step] for whole in parts]
            began = time.perf_counter()
            list(pool.map(_read, pieces))
            best = max(best, threads * step / (time.perf_counter() - began))
    return best


def _read(piece: NDArray[np.uint8]) -> int:
    # Of numpy's reductions the one that waits for nothing but memory: 32 bytes an instruction, no conversion. It
    # releases the interpreter's lock.
    return int(piece.max())
