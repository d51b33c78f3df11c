"""What a process gives back to the system of the memory that it frees."""

from __future__ import annotations

import ctypes
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trainer.config import TrainingConfig

MAPPED_FROM = 2**20
"""Bytes of the smallest tensor that is given back."""

_M_MMAP_THRESHOLD = -3


def give_back_large_tensors(config: TrainingConfig) -> None:
    """Before anything is loaded, and for a run that has its activations computed again, since memory is short: let
    tensors from MAPPED_FROM on go back to the system as soon as they are freed, where glibc manages memory.

    By itself it keeps up to 32 MB each in its heap, where room between aligned pieces is seldom used again (malloc.c,
    memalign, before version 2.38), and training then holds hundreds of MB more from step to step. To ask the system for
    each of them takes time: from a few hundredths of a run to four tenths, the most with narrow or quantized models.
    """
    if not config.activation_checkpointing or not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # which other C libraries do not have
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, MAPPED_FROM)
