"""Does a model fit into this machine's memory, and with how long a conversation?"""

from __future__ import annotations

from dataclasses import dataclass

from app.core.engine.hardware import memory_need
from app.core.models.gguf_header import GgufHeader

CONTEXT_LENGTHS = (1024, 2048, 4096, 8192, 16384, 32768)


@dataclass(frozen=True)
class Fit:
    context_length: int
    needed_bytes: int
    fits: bool


def fits(header: GgufHeader, free_bytes: int) -> tuple[Fit, ...]:
    """For the usual context lengths up to the model's own, and that one if it is shorter than all."""
    longest = header.number("context_length")
    lengths = [length for length in CONTEXT_LENGTHS if length <= longest] or [longest]
    needs = [(length, memory_need(header, length).total) for length in lengths]
    return tuple(Fit(length, need, need <= free_bytes) for length, need in needs)
