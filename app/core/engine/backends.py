"""llama.cpp's devices: the GPUs that it would use, and how fast its processor backend multiplies.

Beside `llama` one of the modules that import llama_cpp. No file is opened. The functions are those of ggml.h,
ggml-alloc.h and ggml-backend.h.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

from llama_cpp import llama_cpp as api

from app.core.engine.protocol import Gpu
from app.core.models.gguf_header import TENSOR_TYPES

TYPES = {name: (number, block, block_bytes) for number, (name, block, block_bytes) in TENSOR_TYPES.items()}
"""Of weights, by name: ggml's number, weights a block, bytes a block."""

_CPU, _GPU, _INTEGRATED_GPU = 0, 1, 2  # ggml_backend_dev_type
_F32 = 0

_COLUMNS = 4096
_MATRIX_BYTES = 2 * 1024 * 1024  # stays in the last cache of any processor of these years
_PRODUCTS = 4  # in one graph: many make the start of its threads count less, few find a quiet moment on a busy machine
_SECONDS, _LEAST_ROUNDS = 0.12, 3

_Pointer, _Size, _Int, _Long = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int64


class _Memory(ctypes.Structure):
    """ggml_init_params"""

    _fields_ = (("size", _Size), ("buffer", _Pointer), ("no_alloc", ctypes.c_bool))


def gpus() -> tuple[Gpu, ...]:
    """Those that llama.cpp would use: integrated ones only where there is no other."""
    found = [(_call("ggml_backend_dev_type", _Int, (_Pointer, device)), device) for device in _devices()]
    wanted = _GPU if any(kind == _GPU for kind, _ in found) else _INTEGRATED_GPU
    return tuple(described(device) for kind, device in found if kind == wanted)


def described(device: int) -> Gpu:
    """One of ggml's devices, by its address."""
    name: bytes = _call("ggml_backend_dev_description", ctypes.c_char_p, (_Pointer, device))
    free, total = _memory(device)
    if not free and not total:  # It has nothing of its own to report, and lives on the machine's.
        free, total = _memory(_cpu())
    return Gpu(name.decode("utf-8", "replace"), free, total)


def product_rate(kind: str, threads: int, *, repack: bool) -> float:
    """Bytes of weights a second that `threads` multiply with a vector, weights in the cache: what computing allows.

    `kind` is one of `TYPES`; `repack` as for `llama.Model`. The best of several rounds, since other programs only take
    from it.
    """
    device = _cpu()
    plain: int = _call("ggml_backend_dev_buffer_type", _Pointer, (_Pointer, device))
    for buffer_type in (*(_special_buffer_types(device) if repack else ()), plain):
        with ExitStack() as stack:
            rate = _rate(stack, kind, threads, device, buffer_type, plain)
        if rate is not None:
            return rate
    raise AssertionError(f"llama.cpp multiplies with {kind} in its plain buffers")


def _rate(stack: ExitStack, kind: str, threads: int, device: int, special: int, plain: int) -> float | None:
    """With the weights in a buffer of the type `special`; None where that is not for them."""
    number, block, block_bytes = TYPES[kind]
    rows = max(64, _MATRIX_BYTES // (_COLUMNS // block * block_bytes) // 64 * 64)
    weights, others = _context(stack, 1), _context(stack, 1 + _PRODUCTS)
    matrix, vector = _tensor(weights, number, rows), _tensor(others, _F32, 1)
    products = [
        _call("ggml_mul_mat", _Pointer, (_Pointer, others), (_Pointer, matrix), (_Pointer, vector))
        for _ in range(_PRODUCTS)
    ]
    _allocate(stack, weights, special)
    if not _call("ggml_backend_dev_supports_op", ctypes.c_bool, (_Pointer, device), (_Pointer, products[0])):
        return None
    _allocate(stack, others, plain)
    for tensor in (matrix, vector):
        _fill(tensor)
    backend = _backend(stack, device, threads)
    graph = _call("ggml_new_graph", _Pointer, (_Pointer, others))
    for product in products:
        _call("ggml_build_forward_expand", None, (_Pointer, graph), (_Pointer, product))
    best, rounds, end = float("inf"), 0, time.perf_counter() + _SECONDS
    while rounds < _LEAST_ROUNDS or time.perf_counter() < end:
        began = time.perf_counter()
        _call("ggml_backend_graph_compute", _Int, (_Pointer, backend), (_Pointer, graph))
        best, rounds = min(best, time.perf_counter() - began), rounds + 1
    return _PRODUCTS * _bytes(matrix) / best


def _devices() -> Iterator[int]:
    for index in range(_call("ggml_backend_dev_count", _Size)):
        yield _call("ggml_backend_dev_get", _Pointer, (_Size, index))


def _cpu() -> int:
    device: int = _call("ggml_backend_dev_by_type", _Pointer, (_Int, _CPU))
    return device


def _memory(device: int) -> tuple[int, int]:
    """Free and total bytes."""
    free, total = _Size(), _Size()
    _call(
        "ggml_backend_dev_memory", None, (_Pointer, device), *((_Pointer, ctypes.addressof(n)) for n in (free, total))
    )
    return free.value, total.value


def _special_buffer_types(device: int) -> Iterator[int]:
    """Those that rearrange weights, in llama.cpp's order."""
    if address := _registered(device, b"ggml_backend_dev_get_extra_bufts"):
        array = ctypes.CFUNCTYPE(ctypes.POINTER(_Pointer), _Pointer)(address)(device)
        index = 0
        while array and (buffer_type := array[index]):
            yield buffer_type
            index += 1


def _backend(stack: ExitStack, device: int, threads: int) -> int:
    backend: int = _call("ggml_backend_dev_init", _Pointer, (_Pointer, device), (ctypes.c_char_p, None))
    stack.callback(_call, "ggml_backend_free", None, (_Pointer, backend))
    if address := _registered(device, b"ggml_backend_set_n_threads"):
        ctypes.CFUNCTYPE(None, _Pointer, _Int)(address)(backend, threads)
    return backend


def _registered(device: int, name: bytes) -> int | None:
    """The address of a function that only some backends have."""
    registry = _call("ggml_backend_dev_backend_reg", _Pointer, (_Pointer, device))
    address: int | None = _call(
        "ggml_backend_reg_get_proc_address", _Pointer, (_Pointer, registry), (ctypes.c_char_p, name)
    )
    return address


def _context(stack: ExitStack, tensors: int) -> int:
    size = tensors * _call("ggml_tensor_overhead", _Size) + _call("ggml_graph_overhead", _Size)
    context: int = _call("ggml_init", _Pointer, (_Memory, _Memory(size, None, True)))
    stack.callback(_call, "ggml_free", None, (_Pointer, context))
    return context


def _tensor(context: int, number: int, rows: int) -> int:
    shape = (_Long, _COLUMNS), (_Long, rows)
    tensor: int = _call("ggml_new_tensor_2d", _Pointer, (_Pointer, context), (_Int, number), *shape)
    return tensor


def _allocate(stack: ExitStack, context: int, buffer_type: int) -> None:
    buffer = _call("ggml_backend_alloc_ctx_tensors_from_buft", _Pointer, (_Pointer, context), (_Pointer, buffer_type))
    if not buffer:
        raise MemoryError
    stack.callback(_call, "ggml_backend_buffer_free", None, (_Pointer, buffer))


def _fill(tensor: int) -> None:
    # Zeros, which no type reads as a denormal number: those would be slower.
    data = ctypes.create_string_buffer(_bytes(tensor))
    size = len(data)
    _call("ggml_backend_tensor_set", None, (_Pointer, tensor), (ctypes.c_char_p, data), (_Size, 0), (_Size, size))


def _bytes(tensor: int) -> int:
    size: int = _call("ggml_nbytes", _Size, (_Pointer, tensor))
    return size


def _call(name: str, returned: Any, *arguments: tuple[Any, Any]) -> Any:
    """Call one of ggml's functions; each argument with its type. They are found through llama.cpp's own library, whose
    list of devices is the one that counts."""
    function = getattr(api._lib, name)
    function.restype, function.argtypes = returned, [kind for kind, _ in arguments]
    return function(*(value for _, value in arguments))
