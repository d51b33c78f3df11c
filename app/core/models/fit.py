"""What to expect of a model on this machine, from its header and what was measured: memory, speed, GPU. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from app.core.engine.hardware import memory_need
from app.core.engine.offload import gpu_layers, layer_count, usable_bytes
from app.core.engine.protocol import Gpu, Measured
from app.core.models.gguf_header import GgufHeader

CONTEXT_LENGTHS = (1024, 2048, 4096, 8192, 16384, 32768)

# Measured on one core and two with files of Q4_K, Q8_0 and F16 of 0.5 to 7.6 billion weights: a token took 0.9 to 1.7
# times as long as reading its weights and then multiplying with them.
_LEAST = 0.6
# What a head of the queries takes for each token of the cache, as the bytes of a plain product that takes as long;
# measured: 80 to 125 ns on a core that multiplies with 33 GB a second, with heads of 128 and of 64.
_ATTENTION_BYTES = 3500
_CACHE_TYPE = "F16"
_COUNTS = 0.01  # Types with less of the weights are not worth a measurement.


@dataclass(frozen=True)
class Fit:
    context_length: int
    needed_bytes: int
    fits: bool


@dataclass(frozen=True)
class SpeedRange:
    """Tokens a second of an answer, from `high` at the beginning of a conversation down to `low` at its end."""

    low: float
    high: float
    context_length: int
    """Tokens at the end of that conversation."""
    read_bytes_per_second: float
    """The measured memory bandwidth that they follow from."""


@dataclass(frozen=True)
class GpuFit:
    """How many of a model's layers, the output being one, the GPUs of this machine hold with a context."""

    gpus: tuple[Gpu, ...]
    """Empty where the engine can use none."""
    layers: int
    of_layers: int
    context_length: int


def fits(header: GgufHeader, free_bytes: int) -> tuple[Fit, ...]:
    """For the usual context lengths up to the model's own, and that one if it is shorter than all."""
    longest = header.number("context_length")
    lengths = [length for length in CONTEXT_LENGTHS if length <= longest] or [longest]
    needs = [(length, memory_need(header, length).total) for length in lengths]
    return tuple(Fit(length, need, need <= free_bytes) for length, need in needs)


def types_to_measure(header: GgufHeader) -> frozenset[str]:
    """The types of weights, by GGUF's names, whose speed decides the model's."""
    read = bytes_per_token(header)
    total = sum(read.values())
    return frozenset({_CACHE_TYPE} | {kind for kind, size in read.items() if size >= _COUNTS * total})


def bytes_per_token(header: GgufHeader) -> dict[str, float]:
    """Bytes of weights that are read for each token of an answer, by type.

    Of the embedding that is one row, unless it gives the logits too; of experts, those that a token is sent to.
    """
    tied = all(tensor.name != "output.weight" for tensor in header.tensors)
    used, experts = header.number("expert_used_count"), header.number("expert_count")
    share = used / experts if 0 < used <= experts else 1.0
    sizes: dict[str, float] = {}
    for tensor in header.tensors:
        if tensor.name != "token_embd.weight" or tied:
            part = share if "_exps." in tensor.name else 1.0
            sizes[tensor.type] = sizes.get(tensor.type, 0.0) + part * tensor.nbytes
    return sizes


def speed(header: GgufHeader, measured: Measured, context_length: int) -> SpeedRange:
    """Of the processor alone. A token takes the time to read weights and cache from memory, which decides with many
    cores, and the time to multiply with them, which decides with few; at best the shorter one hides behind the other.

    `measured` holds the types of `types_to_measure`.
    """
    weights, rates = bytes_per_token(header), measured.product_bytes_per_second
    reading = sum(weights.values()) / measured.read_bytes_per_second
    computing = sum(size / rates[kind] for kind, size in weights.items() if kind in rates)
    reading_cache = memory_need(header, context_length).kv_cache / measured.read_bytes_per_second
    heads = header.number("attention.head_count") * header.number("block_count")
    attention = heads * context_length * _ATTENTION_BYTES / rates[_CACHE_TYPE]
    return SpeedRange(
        low=_LEAST / (reading + computing + reading_cache + attention),
        high=1 / max(reading, computing),
        context_length=context_length,
        read_bytes_per_second=measured.read_bytes_per_second,
    )


def gpu_fit(header: GgufHeader, gpus: tuple[Gpu, ...], context_length: int) -> GpuFit:
    layers = gpu_layers(header, usable_bytes(gpus), context_length) if gpus else 0
    return GpuFit(gpus, layers, layer_count(header), context_length)
