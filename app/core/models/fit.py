"""What to expect of a model on this machine, from its header and what was measured: memory, speed, GPU. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from app.core.engine.hardware import memory_need
from app.core.engine.offload import gpu_layers, layer_count, usable_bytes
from app.core.engine.protocol import Gpu, Measured
from app.core.models.gguf_header import GgufHeader

CONTEXT_LENGTHS = (1024, 2048, 4096, 8192, 16384, 32768)

# The share of what memory and cores allow that decoding reaches. Half would be reading and multiplying one after the
# other, each as long; measured: 0.54 to 0.93 with files of three types on two cores.
_LEAST, _MOST = 0.45, 0.95
# Attention over the cache, against a plain product with as many bytes; measured with a conversation of 1,400 tokens.
_ATTENTION = 3.5
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
    """Of the processor alone: a token takes the time to read weights and cache from memory, or the time to multiply
    with them if that is longer, as it is with few cores.

    `measured` holds the types of `types_to_measure`.
    """
    weights, rates = bytes_per_token(header), measured.product_bytes_per_second
    bandwidth = measured.read_bytes_per_second
    reading = sum(weights.values()) / bandwidth
    computing = sum(size / rates[kind] for kind, size in weights.items() if kind in rates)
    cache, heads = memory_need(header, context_length).kv_cache, header.number("attention.head_count")
    # Each head of the queries goes over the keys and values that it shares with others.
    attention = _ATTENTION * cache * heads / header.number("attention.head_count_kv", heads) / rates[_CACHE_TYPE]
    return SpeedRange(
        low=_LEAST / max(reading + cache / bandwidth, computing + attention),
        high=_MOST / max(reading, computing),
        context_length=context_length,
        read_bytes_per_second=bandwidth,
    )


def gpu_fit(header: GgufHeader, gpus: tuple[Gpu, ...], context_length: int) -> GpuFit:
    layers = gpu_layers(header, usable_bytes(gpus), context_length) if gpus else 0
    return GpuFit(gpus, layers, layer_count(header), context_length)
