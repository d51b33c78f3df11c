"""How much of a model goes to the GPU."""

from __future__ import annotations

from collections.abc import Iterable

from app.core.engine.hardware import PROCESS_BYTES, memory_need
from app.core.engine.protocol import Gpu
from app.core.models.gguf_header import GgufHeader, block_number

SPARE_BYTES = 1024**3
"""Of each GPU, for what driver and libraries take once they compute; llama.cpp's own choice (`--fit-target`)."""


def layer_count(header: GgufHeader) -> int:
    """Layers as llama.cpp counts them for a GPU: the output is one."""
    return header.number("block_count") + 1


def usable_bytes(gpus: Iterable[Gpu]) -> int:
    """Free memory of all of them together, less what is spared."""
    return sum(max(0, gpu.free_bytes - SPARE_BYTES) for gpu in gpus)


def gpu_layers(header: GgufHeader, usable: int, context_length: int) -> int:
    """How many layers, weights and cache, fit into so many bytes of GPU memory: 0 to `layer_count`.

    llama.cpp takes them from the end: the output first, then the last block, and so on to the first.
    """
    need = memory_need(header, context_length)
    blocks = header.number("block_count")
    cache = need.kv_cache // blocks
    left = usable - (need.compute - PROCESS_BYTES)
    for fitting, weights in enumerate(_from_the_end(header, blocks)):
        left -= weights + (cache if fitting else 0)
        if left < 0:
            return fitting
    return layer_count(header)


def _from_the_end(header: GgufHeader, blocks: int) -> list[int]:
    """Bytes of the output, the last block, …, the first block."""
    sizes = [0] * blocks
    for tensor in header.tensors:
        if (block := block_number(tensor.name)) is not None:
            sizes[block] += tensor.nbytes
    return [_output_bytes(header), *reversed(sizes)]


def _output_bytes(header: GgufHeader) -> int:
    """Of the matrix that gives the logits, which is the token embedding where the model has none of its own."""
    sizes = {tensor.name: tensor.nbytes for tensor in header.tensors}
    return sizes.get("output.weight", sizes.get("token_embd.weight", 0))
