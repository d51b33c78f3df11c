"""The first time that llama.cpp opens a new file: in a process of its own, with limits, and it must answer."""

from __future__ import annotations

import array
import math
import sys
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.core.engine.client import EngineClient, EngineError
from app.core.engine.hardware import memory_need
from app.core.engine.protocol import Done, Failed, Turn
from app.core.errors import InputError
from app.core.models.gguf_header import GgufHeader

CONTEXT_LENGTH = 512
MAX_TOKENS = 16

GOLDEN_PROMPTS = (
    "発熱の原因を一つ挙げてください。",
    "Name one cause of fever.",
    "血圧とは何ですか？ What is blood pressure?",
)
"""What every model must answer with something, in the languages that people ask in."""

_SECONDS, _SECONDS_PER_GB = 300.0, 60.0
# What a process may take beyond the estimate: libraries' own memory, thread stacks, the tokenizer's tables.
_SPARE_BYTES = 2 * 1024**3
_TICK_SECONDS = 0.25


@dataclass(frozen=True)
class Limits:
    """Of one probe. Memory and processor time are held by the system where it can (POSIX), the clock everywhere."""

    memory_bytes: int
    seconds: float


def usual_limits(header: GgufHeader) -> Limits:
    need = memory_need(header, CONTEXT_LENGTH).total
    return Limits(need + _SPARE_BYTES, _SECONDS + _SECONDS_PER_GB * header.file_bytes / 1e9)


def probe(
    engine: EngineClient, model: Path, header: GgufHeader, seconds: float, cancelled: threading.Event, scratch: Path
) -> Generator[tuple[int, int], None, None]:
    """Load the file and let it answer; yields how many of how many steps are done. `scratch` is a folder for its use.

    Raises InputError, with what was wrong, for a file that does not load, answer, or end in time; EngineError when
    `cancelled` was set or the machine could not do it.
    """
    steps = len(GOLDEN_PROMPTS) + 1
    with _in_time(engine, seconds, cancelled) as late:
        try:
            info = engine.load(model, context_length=min(CONTEXT_LENGTH, header.number("context_length")))
            if info.vocabulary != header.vocabulary:
                raise InputError(f"{model.name} has another vocabulary than its header says.")
            yield 1, steps
            for number, prompt in enumerate(GOLDEN_PROMPTS, 2):
                _answer(engine, model, header, prompt, scratch)
                yield number, steps
        except EngineError as error:
            if late.is_set():
                raise InputError(f"{model.name} did not answer within {seconds:g} seconds.") from error
            if error.failure.code in ("worker_died", "worker_hung"):
                raise InputError(f"{model.name} cannot be used: the engine did not survive its trial.") from error
            if error.failure.code == "prompt_too_long":
                sentence = f"its chat template leaves no room for a short question in {CONTEXT_LENGTH} tokens"
                raise InputError(f"{model.name} cannot be used: {sentence}.") from error
            raise


def limited_worker(limits: Limits) -> Sequence[str]:
    """The command of a worker that sets these limits for itself before it opens anything."""
    arguments = [str(limits.memory_bytes), str(int(limits.seconds) + 1)]
    return [sys.executable, "-P", "-m", "app.core.engine.limited_worker", *arguments]


def _answer(engine: EngineClient, model: Path, header: GgufHeader, prompt: str, scratch: Path) -> None:
    tokens = engine.tokenize(prompt)
    if not tokens or not all(0 <= token < header.vocabulary for token in tokens):
        raise InputError(f"{model.name} cannot be used: its tokenizer does not read ordinary text.")
    file = scratch / "logits"
    engine.logits(tokens, file, first=len(tokens) - 1)
    # Weights that overflow still have a "most likely" token.
    if not all(map(math.isfinite, array.array("f", file.read_bytes()))):
        raise InputError(f"{model.name} cannot be used: what it computes are no numbers.")
    for event in engine.generate([Turn("user", prompt)], max_tokens=MAX_TOKENS):
        if isinstance(event, Done) and event.reason == "cancelled":
            raise EngineError(Failed(code="cancelled", message="The trial was stopped."))
        if isinstance(event, Done) and not event.completion_tokens:
            raise InputError(f"{model.name} cannot be used: it answers nothing to a simple question.")


@contextmanager
def _in_time(
    engine: EngineClient, seconds: float, cancelled: threading.Event
) -> Generator[threading.Event, None, None]:
    """Cancel what the engine does after so many seconds, or once `cancelled` is set; the event yielded says that it was
    the time."""
    ended, late = threading.Event(), threading.Event()
    began = time.monotonic()

    def watch() -> None:
        # Again and again: between two requests there is nothing to cancel.
        while not ended.wait(_TICK_SECONDS):
            if time.monotonic() - began > seconds and not cancelled.is_set():
                late.set()
            if late.is_set() or cancelled.is_set():
                engine.cancel()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield late
    finally:
        ended.set()
        watcher.join()
