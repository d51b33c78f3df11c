"""What this machine offers the engine: cores, free memory, and what a model will need of it."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path

import psutil

from app.core.models.gguf_header import GgufHeader

UBATCH = 512
"""Prompt tokens evaluated at once."""

MAX_DEFAULT_CONTEXT = 4096

PROCESS_BYTES = 160 * 1024 * 1024
"""What the process holds besides weights, cache and buffers: the interpreter, libraries, the tokenizer. Measured."""


@dataclass(frozen=True)
class MemoryNeed:
    """Bytes that a loaded model will hold."""

    weights: int
    kv_cache: int
    compute: int

    @property
    def total(self) -> int:
        return self.weights + self.kv_cache + self.compute


def default_context(header: GgufHeader) -> int:
    """Tokens that a session holds if nobody asks for another number."""
    return min(header.number("context_length"), MAX_DEFAULT_CONTEXT)


def memory_need(header: GgufHeader, context_length: int) -> MemoryNeed:
    """Estimate from the header alone: a 16-bit cache, flash attention, logits at one position."""
    heads = header.number("attention.head_count")
    head_length = header.number("attention.key_length", header.number("embedding_length") // heads)
    value_length = header.number("attention.value_length", head_length)
    kv_heads = header.number("attention.head_count_kv", heads)
    kv_cache = header.number("block_count") * context_length * kv_heads * (head_length + value_length) * 2
    # The widest moment of a layer: gate, up and their product beside the residual stream, in float32.
    widths = 3 * header.number("feed_forward_length") + 4 * header.number("embedding_length")
    compute = UBATCH * widths * 4 + header.vocabulary * 4 + UBATCH * context_length * 2
    return MemoryNeed(header.file_bytes, kv_cache, compute + PROCESS_BYTES)


def free_memory() -> int:
    """Bytes that can be taken without pushing others out: the machine's, or the control group's where that is less."""
    free = int(psutil.virtual_memory().available)
    group = _control_group_free()
    return free if group is None else min(free, group)


def physical_cores() -> int:
    """Physical cores that this process may run on; hyper-threads of one core count once."""
    allowed = _allowed_processors()
    if allowed is None:
        return psutil.cpu_count(logical=False) or os.cpu_count() or 1
    cores = {_siblings(number) for number in allowed}
    return max(1, len(cores))


def processor_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _allowed_processors() -> frozenset[int] | None:
    if hasattr(os, "sched_getaffinity"):
        return frozenset(os.sched_getaffinity(0))
    return None


def _siblings(number: int) -> str:
    topology = Path(f"/sys/devices/system/cpu/cpu{number}/topology/thread_siblings_list")
    try:
        return topology.read_text(encoding="ascii").strip()
    except OSError:
        return str(number)


def _control_group_free(root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> int | None:
    """Free bytes under the memory limits of this process's control groups (version 2), None without a limit."""
    try:
        name = next(line for line in own.read_text(encoding="ascii").splitlines() if line.startswith("0::"))[3:]
    except (OSError, StopIteration):
        return None
    free: int | None = None
    folder = root / name.lstrip("/")
    for group in (folder, *folder.parents):
        try:
            limit = (group / "memory.max").read_text(encoding="ascii").strip()
            used = int((group / "memory.current").read_text(encoding="ascii")) - _file_cache(group)
        except (OSError, ValueError):
            continue
        if limit != "max":
            left = max(0, int(limit) - used)
            free = left if free is None else min(free, left)
    return free


def _file_cache(group: Path) -> int:
    """Bytes of files that the kernel gives up when memory is asked for; a model that was just hashed is among them."""
    lines = (line.split() for line in (group / "memory.stat").read_text(encoding="ascii").splitlines())
    return sum(int(value) for name, value in lines if name in ("active_file", "inactive_file"))
