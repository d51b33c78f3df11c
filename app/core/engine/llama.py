"""llama.cpp through llama-cpp-python's low-level functions: the only module that imports llama_cpp.

It runs only in a worker process, because some files and some processors end the process inside llama.cpp, beyond any
exception. Everything is bytes, tokens and C pointers here; messages, templates and files are the worker's business.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import llama_cpp
from llama_cpp import llama_cpp as api

from app.core.engine.protocol import Sampling

_OUT_OF_ROOM, _ABORTED = 1, 2  # what llama_decode returns
_GGML_TYPE_F32 = 0
LOGITS_BYTES = 64 * 1024 * 1024  # llama.cpp holds them twice: where they are computed, and where they are read

Abort = Callable[[], bool]


class LlamaError(Exception):
    """llama.cpp refused: the file, the memory, or the computation."""


class OutOfMemoryError(LlamaError):
    """The memory for the context was not granted."""


@dataclass(frozen=True)
class Build:
    """Which llama.cpp this is and what it can use on this processor."""

    version: str
    commit: str
    cpu_features: tuple[str, ...]
    gpu_offload: bool


def start(log: Callable[[str], None]) -> Build:
    """Initialise llama.cpp once per process. Its warnings and errors go to `log`."""
    # The callback must outlive every later call, hence the reference on the module that owns the library.
    api._inro_log_callback = api.llama_log_callback(_Logger(log))
    api.llama_log_set(api._inro_log_callback, None)
    api.llama_backend_init()
    return Build(llama_cpp.__version__, _commit(), _cpu_features(), bool(api.llama_supports_gpu_offload()))


class _Logger:
    """Passes on warnings and errors; continuation lines follow the level of the line they continue."""

    _PASSED_ON, _CONTINUED = (3, 4), 5  # ggml.h: 3 warning, 4 error, 5 continuation

    def __init__(self, log: Callable[[str], None]) -> None:
        self._log, self._level = log, 0

    def __call__(self, level: int, text: bytes, _data: object) -> None:
        if level != self._CONTINUED:
            self._level = level
        if self._level in self._PASSED_ON:
            self._log(text.decode("utf-8", "replace"))


def _commit() -> str:
    from llama_cpp import _ggml

    library = next(path for path in _ggml.libggml_base_path.iterdir() if "ggml-base" in path.name)
    function = ctypes.CDLL(str(library)).ggml_commit
    function.restype = ctypes.c_char_p
    # A source distribution is no git checkout, and llama.cpp's build calls what it finds there "dirty".
    return str(function().decode()).removesuffix("-dirty")


def _cpu_features() -> tuple[str, ...]:
    # "CPU : SSE3 = 1 | AVX2 = 1 | OPENMP = 1 | REPACK = 1 | "
    parts = api.llama_print_system_info().decode().replace("CPU :", "").split("|")
    pairs = [part.split("=") for part in parts if part.count("=") == 1]
    return tuple(name.strip() for name, value in pairs if value.strip() not in ("0", ""))


class Model:
    """A loaded model file with one context: a cache of evaluated tokens that requests extend or cut.

    Args:
        repack: rearrange the weights for this processor. The file is then read into memory instead of being mapped,
            since a mapping would stay resident beside the rearranged copy (1.7 times the file).
        on_progress: called with the loaded fraction; returning False ends loading with LlamaError.
    """

    def __init__(
        self,
        path: Path,
        *,
        context_length: int,
        threads: int,
        gpu_layers: int,
        repack: bool,
        ubatch: int,
        on_progress: Callable[[float], bool],
    ) -> None:
        parameters = api.llama_model_default_params()
        parameters.n_gpu_layers = gpu_layers
        parameters.use_extra_bufts = repack
        parameters.load_mode = api.LLAMA_LOAD_MODE_NONE if repack else api.LLAMA_LOAD_MODE_MMAP
        progress = api.llama_progress_callback(lambda fraction, _: on_progress(fraction))
        parameters.progress_callback = progress
        self._context: Any = None
        self._model: Any = api.llama_model_load_from_file(str(path).encode("utf-8"), parameters)
        if not self._model:
            raise LlamaError("llama.cpp cannot load this file")
        self._vocab = api.llama_model_get_vocab(self._model)
        self.cached: list[int] = []
        self.nodes_run = 0
        self._abort: Abort = _never
        self._abort_callback = api.ggml_abort_callback(self._on_node)
        self._piece_buffer = ctypes.create_string_buffer(256)
        self.ubatch = ubatch
        self._context = self.open_context(context_length, threads, outputs=1, ubatch=ubatch)
        if not self._context:
            self.close()
            raise OutOfMemoryError("the context cannot be allocated")
        self._memory = api.llama_get_memory(self._context)
        self.context_length = int(api.llama_n_ctx(self._context))

    def open_context(
        self, context_length: int, threads: int, *, outputs: int, ubatch: int, sequences: int = 1, exact: bool = False
    ) -> Any:
        """A further context of this model, or None; `llama_free` it before the model is closed."""
        parameters = api.llama_context_default_params()
        parameters.n_ctx = context_length
        parameters.n_batch = parameters.n_ubatch = ubatch
        # Logits at one position are enough to choose a token; at every position they would take ubatch x vocabulary.
        parameters.n_outputs_max = outputs
        parameters.n_seq_max, parameters.kv_unified = sequences, sequences > 1
        parameters.n_threads = parameters.n_threads_batch = threads
        parameters.abort_callback = self._abort_callback
        parameters.no_perf = True
        if exact:
            # Flash attention reads even a 32-bit cache as 16 bits.
            parameters.type_k = parameters.type_v = _GGML_TYPE_F32
            parameters.flash_attn_type = api.LLAMA_FLASH_ATTN_TYPE_DISABLED
        return api.llama_init_from_model(self._model, parameters)

    def close(self) -> None:
        if self._context:
            api.llama_free(self._context)
            self._context = None
        if self._model:
            api.llama_model_free(self._model)
            self._model = None

    @property
    def offloads(self) -> bool:
        return bool(api.llama_supports_gpu_offload())

    @property
    def description(self) -> str:
        buffer = ctypes.create_string_buffer(256)
        api.llama_model_desc(self._model, buffer, len(buffer))
        return buffer.value.decode("utf-8", "replace")

    @property
    def parameters(self) -> int:
        return int(api.llama_model_n_params(self._model))

    @property
    def vocabulary(self) -> int:
        return int(api.llama_vocab_n_tokens(self._vocab))

    @property
    def training_context_length(self) -> int:
        return int(api.llama_model_n_ctx_train(self._model))

    # --- text and tokens ----------------------------------------------------------------------------------------------

    def tokenize(self, text: str, *, parse_special: bool, add_special: bool = False) -> list[int]:
        raw = text.encode("utf-8")
        size = len(raw) + 16
        while True:
            buffer = (api.llama_token * size)()
            count = api.llama_tokenize(self._vocab, raw, len(raw), buffer, size, add_special, parse_special)
            if count >= 0:
                return list(buffer[:count])
            size = -count

    def piece(self, token: int, *, special: bool = False) -> bytes:
        """The bytes of a token: possibly only part of a character; empty for control tokens unless `special`."""
        buffer = self._piece_buffer
        count = api.llama_token_to_piece(self._vocab, token, buffer, len(buffer), 0, special)
        if count < 0:
            self._piece_buffer = ctypes.create_string_buffer(-count)
            return self.piece(token, special=special)
        return buffer.raw[:count]

    def text_of(self, token: int) -> str:
        return self.piece(token, special=True).decode("utf-8", "replace") if token >= 0 else ""

    @property
    def adds_end(self) -> bool:
        """Whether `tokenize` with `add_special` puts the end-of-text token after the text."""
        return bool(api.llama_vocab_get_add_eos(self._vocab))

    @property
    def bos_token(self) -> str:
        return self._named_token("bos", api.llama_vocab_bos(self._vocab))

    @property
    def eos_token(self) -> str:
        return self._named_token("eos", api.llama_vocab_eos(self._vocab))

    def _named_token(self, name: str, token: int) -> str:
        """Where a file with byte-level BPE names none, llama.cpp takes token 11; no template must write that."""
        key = f"tokenizer.ggml.{name}_token_id".encode()
        named = api.llama_model_meta_val_str(self._model, key, ctypes.create_string_buffer(32), 32) >= 0
        return self.text_of(token) if named or api.llama_vocab_type(self._vocab) != api.LLAMA_VOCAB_TYPE_BPE else ""

    def control_tokens(self) -> list[str]:
        """The texts of every control token of the vocabulary."""
        vocab = self._vocab
        return [self.text_of(token) for token in range(self.vocabulary) if api.llama_vocab_is_control(vocab, token)]

    def is_end(self, token: int) -> bool:
        return bool(api.llama_vocab_is_eog(self._vocab, token))

    # --- evaluation ---------------------------------------------------------------------------------------------------

    def keep_prefix(self, tokens: Sequence[int]) -> int:
        """Forget what the cache holds beyond its common prefix with `tokens`; return how many tokens are kept.

        At least the last token is left to evaluate, since its logits are needed.
        """
        common = 0
        for ours, theirs in zip(self.cached, tokens[:-1], strict=False):
            if ours != theirs:
                break
            common += 1
        return common if self._cut(common) else 0

    def _cut(self, length: int) -> bool:
        if api.llama_memory_seq_rm(self._memory, 0, length, -1):
            del self.cached[length:]
            return True
        api.llama_memory_clear(self._memory, True)
        self.cached.clear()
        return False

    def evaluate(self, tokens: Sequence[int], abort: Abort) -> bool:
        """Append at most `ubatch` tokens to the cache. Returns False, with the cache as before, if `abort` said so.

        `abort` is asked before each node of the computation graph, from a thread of llama.cpp.
        """
        count = len(tokens)
        self._abort, self.nodes_run = abort, 0
        array = (api.llama_token * count)(*tokens)  # The batch points into it and does not keep it alive.
        batch = api.llama_batch_get_one(array, count)
        result = api.llama_decode(self._context, batch)
        self._abort = _never
        if result == 0:
            self.cached.extend(tokens)
            return True
        self._cut(len(self.cached))
        if result == _ABORTED:
            return False
        reason = "the context is full" if result == _OUT_OF_ROOM else f"llama_decode returned {result}"
        raise LlamaError(reason)

    @contextmanager
    def aborting(self, abort: Abort) -> Iterator[None]:
        """Ask `abort` before each node of what is computed meanwhile, in any context of this model."""
        self._abort = abort
        try:
            yield
        finally:
            self._abort = _never

    def _on_node(self, _data: object) -> bool:
        self.nodes_run += 1
        return self._abort()

    def logits(self, tokens: Sequence[int], first: int, *, exact: bool, threads: int, abort: Abort) -> Iterator[bytes]:
        """Logits from position `first` on, in parts: float32, together of the shape (tokens - first, vocabulary).

        They are evaluated in a context of their own, so many at a time that their logits stay within `LOGITS_BYTES`.
        Raises LlamaError, also when `abort` said so.
        """
        row = self.vocabulary * ctypes.sizeof(ctypes.c_float)
        step = min(max(1, LOGITS_BYTES // row), self.ubatch, len(tokens))
        context = self.open_context(len(tokens), threads, outputs=step, ubatch=step, exact=exact)
        if not context:
            raise OutOfMemoryError("the context cannot be allocated")
        batch = api.llama_batch_init(step, 0, 1)
        try:
            with self.aborting(abort):
                for start in range(0, len(tokens), step):
                    part = tokens[start : start + step]
                    wanted = _fill(batch, part, start, first)
                    if result := api.llama_decode(context, batch):
                        raise LlamaError(f"llama_decode returned {result}")
                    if wanted:
                        yield ctypes.string_at(api.llama_get_logits(context), wanted * row)
        finally:
            api.llama_batch_free(batch)
            api.llama_free(context)

    def sampler(self, sampling: Sampling) -> Sampler:
        return Sampler(self._context, sampling, self)

    def grammar(self, text: str) -> Any:
        """llama.cpp's sampler for a grammar in GBNF. Raises LlamaError for what is none."""
        sampler = api.llama_sampler_init_grammar(self._vocab, text.encode("utf-8"), b"root")
        if not sampler:
            raise LlamaError("llama.cpp cannot read this grammar")
        return sampler


class Sampler:
    """llama.cpp's chain of samplers; greedy when the temperature is 0. `grammar` (GBNF) limits what it chooses."""

    def __init__(self, context: Any, sampling: Sampling, model: Model, grammar: str | None = None) -> None:
        self._context = context
        limit = model.grammar(grammar) if grammar is not None else None
        self._chain: Any = api.llama_sampler_chain_init(api.llama_sampler_chain_default_params())
        if limit:
            self._add(limit)
        if sampling.repeat_penalty != 1.0:
            self._add(api.llama_sampler_init_penalties(64, sampling.repeat_penalty, 0.0, 0.0))
        if sampling.temperature <= 0:
            self._add(api.llama_sampler_init_greedy())
            return
        self._add(api.llama_sampler_init_top_k(sampling.top_k))
        self._add(api.llama_sampler_init_top_p(sampling.top_p, 1))
        self._add(api.llama_sampler_init_min_p(sampling.min_p, 1))
        self._add(api.llama_sampler_init_temp(sampling.temperature))
        self._add(api.llama_sampler_init_dist(sampling.seed & 0xFFFFFFFF))

    def _add(self, sampler: Any) -> None:
        api.llama_sampler_chain_add(self._chain, sampler)

    def next(self, index: int = -1) -> int:
        """The token after the last evaluated one, or after that at `index` of the last batch; it is remembered."""
        return int(api.llama_sampler_sample(self._chain, self._context, index))

    def close(self) -> None:
        api.llama_sampler_free(self._chain)


def _fill(batch: Any, tokens: Sequence[int], start: int, first: int) -> int:
    """Make `batch` the tokens from position `start` on; returns how many of them, from `first` on, give logits."""
    batch.n_tokens = len(tokens)
    for index, token in enumerate(tokens):
        batch.token[index], batch.pos[index] = token, start + index
        batch.n_seq_id[index], batch.seq_id[index][0] = 1, 0
        batch.logits[index] = start + index >= first
    return sum(start + index >= first for index in range(len(tokens)))


def _never() -> bool:
    return False
