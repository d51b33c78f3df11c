"""Memory that is not the training's own: libraries, the data, and what allocators hold back. Measured, not derived."""

from __future__ import annotations

from dataclasses import replace

from trainer.planning.activations import FLOAT, Execution, block_bytes
from trainer.planning.shapes import Shape
from trainer.running.freed_memory import MAPPED_FROM

MIB = 2**20

LIBRARIES = 500 * MIB
"""About what `libraries.library_bytes` measures, for the presets, whose size does not depend on it."""
CUDA_CONTEXT = 600 * MIB
"""CUDA's context with the kernels and the workspace of cuBLAS, which nvidia-smi counts and torch does not."""
CUDA_FRAGMENTS = 0.05
"""Of the rest, that torch's caching allocator holds back in pieces that do not fit."""

HEAP_LIMIT = 32 * MIB
"""glibc maps larger tensors on their own and gives them back at once; smaller ones lie in its heap, unless activations
are computed again (see `trainer.running.freed_memory`)."""
HEAP_HELD = 0.9
HEAP_HELD_FULL = 0.3
"""Of the activations of a forward pass, by how much the heap grows beyond what is in use: aligned memory that was freed
is seldom used again (glibc's malloc.c, memalign, before version 2.38). Adapters make more small tensors that come and
go. Measured."""

_TOKEN_OBJECTS = 50
_TOKEN_ARRAYS = 16
_TOKEN_BLOCKS = 4


def heap_bytes(shape: Shape, run: Execution) -> int:
    """What glibc holds back, on a processor."""
    limit = MAPPED_FROM if run.checkpointing else HEAP_LIMIT
    if run.tokens * shape.hidden * FLOAT >= limit:
        return 0
    each = block_bytes(shape, replace(run, checkpointing=False))
    if run.tokens * shape.intermediate * run.compute_bytes >= limit:
        each -= 4 * shape.intermediate * run.compute_bytes
    return int(run.tokens * shape.layers * each * (HEAP_HELD_FULL if run.trains_all else HEAP_HELD))


def data_bytes(tokens: int, *, packed: bool, adapter: bool) -> int:
    """Of the sequences of an epoch, which are held in memory: Python's integers, or arrays of 32 bits."""
    if not adapter and not packed:
        return tokens * _TOKEN_BLOCKS
    return tokens * (_TOKEN_ARRAYS if packed else _TOKEN_OBJECTS)
