"""What the model team's tools ask of a loaded model: tokens, logits, probabilities, and many answers at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from app.core.engine import hardware
from app.core.engine.prompting import Prompter
from app.core.engine.protocol import (
    Complete,
    Completion,
    Continuation,
    Encode,
    Encoded,
    Logits,
    Score,
    Tokenize,
)
from app.core.engine.refusal import Refusal
from app.core.models.gguf_header import GgufHeader

if TYPE_CHECKING:
    from app.core.engine.llama import Model
    from app.core.engine.sequences import SequenceContext

_SIDE_BY_SIDE = 4096
"""Tokens that fit beside a whole context: what other questions, and answers being written, take."""

_MOST_SAMPLES = 64


class Tools:
    """Of one loaded model.

    Args:
        cancelled: whether the request of that id was cancelled.
    """

    def __init__(
        self, model: Model, header: GgufHeader, prompter: Prompter, threads: int, cancelled: Callable[[int], bool]
    ) -> None:
        self._model, self._header, self._prompter = model, header, prompter
        self._threads, self._cancelled = threads, cancelled
        self._context: SequenceContext | None = None

    def close(self) -> None:
        if self._context is not None:
            self._context.close()
            self._context = None

    def tokenize(self, request: Tokenize) -> tuple[int, ...]:
        return tuple(self._model.tokenize(request.text, parse_special=request.parse_special))

    def encode(self, request: Encode) -> tuple[Encoded, ...]:
        return tuple(self._prompter.encoded(request.id, one) for one in request.conversations)

    def write_logits(self, request: Logits) -> None:
        self._check_tokens(request.tokens)
        if not 0 <= request.first < len(request.tokens):
            raise Refusal("bad_request", f"There is no position {request.first} among {len(request.tokens)} tokens.")
        try:
            with self._computing(request.id), Path(request.path).open("wb") as file:
                for part in self._model.logits(
                    request.tokens,
                    request.first,
                    exact=request.exact,
                    threads=self._threads,
                    abort=lambda: self._cancelled(request.id),
                ):
                    file.write(part)
        except OSError as error:
            raise Refusal("compute_failed", f"{request.path} cannot be written: {error.strerror}.") from error

    def score(self, request: Score) -> tuple[Continuation | None, ...]:
        for sequence in request.sequences:
            self._check_sequence(request.prefix, sequence.tokens)
            if not len(request.prefix) < sequence.first < len(sequence.tokens):
                raise Refusal("bad_request", f"Probabilities from position {sequence.first} on cannot be had.")
        with self._computing(request.id):
            return tuple(
                self._sequences().score(
                    request.prefix, request.sequences, request.together, lambda: self._cancelled(request.id)
                )
            )

    def complete(self, request: Complete) -> tuple[Completion, ...]:
        if not 1 <= request.samples <= _MOST_SAMPLES or request.max_tokens < 1:
            raise Refusal("bad_request", f"At least one token and 1 to {_MOST_SAMPLES} answers to a prompt can be had.")
        for prompt in request.prompts:
            self._check_sequence(request.prefix, prompt)
            if len(prompt) == len(request.prefix):
                raise Refusal("bad_request", "A prompt must be longer than the shared prefix.")
        if not request.prompts:
            return ()
        with self._computing(request.id):
            return tuple(self._sequences().complete(request, lambda: self._cancelled(request.id)))

    # --- parts --------------------------------------------------------------------------------------------------------

    def _sequences(self) -> SequenceContext:
        if self._context is None:
            from app.core.engine.sequences import SequenceContext

            cells = self._model.context_length + _SIDE_BY_SIDE
            needed, free = hardware.memory_need(self._header, cells).kv_cache, hardware.free_memory()
            if needed > free:
                sentence = (
                    f"Asking many questions at once needs {needed / 1e9:.1f} GB of memory, and {free / 1e9:.1f} GB are "
                    "free. Close other programs, or choose a smaller context."
                )
                raise Refusal("not_enough_memory", sentence, needed=needed, free=free)
            self._context = SequenceContext(self._model, cells=cells, threads=self._threads)
        return self._context

    def _check_tokens(self, tokens: Sequence[int]) -> None:
        if not tokens or not all(0 <= token < self._model.vocabulary for token in tokens):
            raise Refusal("bad_request", "These tokens are not in the model's vocabulary.")

    def _check_sequence(self, prefix: Sequence[int], tokens: Sequence[int]) -> None:
        self._check_tokens(tokens)
        if tuple(tokens[: len(prefix)]) != tuple(prefix):
            raise Refusal("bad_request", "A sequence does not begin with the shared prefix.")
        if len(tokens) > self._model.context_length:
            raise Refusal("prompt_too_long", f"{len(tokens):,} tokens are more than the model's context holds.")

    @contextmanager
    def _computing(self, request_id: int) -> Iterator[None]:
        from app.core.engine.llama import LlamaError, OutOfMemoryError

        try:
            yield
        except OutOfMemoryError as error:
            raise Refusal("not_enough_memory", "The machine did not grant the memory for the computation.") from error
        except LlamaError as error:
            if self._cancelled(request_id):
                raise Refusal("cancelled", "The request was stopped.") from error
            raise Refusal("compute_failed", f"llama.cpp could not go on: {error}.") from error
