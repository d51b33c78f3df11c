"""Measuring how fast a model file answers on this machine, through the engine that answers in the application."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Protocol

from app.core.engine.hardware import physical_cores, processor_name
from app.core.engine.protocol import Conversation, Done, Encoded, Hello, ModelInfo, Piece, Reading, Report
from app.core.engine.tool_client import ToolClient
from app.core.errors import InputError
from app.core.models.gguf_header import read_header
from evaluation.measured_model import MeasuredModel, Progress, measured, sha256s
from evaluation.speed import SpeedAt, SpeedMachine, SpeedReport, Spread

NEW_TOKENS = 64
"""Written after each prompt."""
LEAST = 3
"""Repeats of each length that are made however slow the machine is."""
SECONDS = 60.0
"""After which no further repeat of a length begins."""

_WARM_UP_TOKENS = 8
_WORDS = (
    "the",
    "patient",
    "has",
    "a",
    "dry",
    "cough",
    "with",
    "fever",
    "since",
    "last",
    "week",
    "and",
    "no",
    "medicine",
)
_FIRST = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_FILLERS = (" a", "a", ".", " 1", "\n", " the")


class Timed(Protocol):
    """An engine that has loaded the model: a `ToolClient`, or one that questions interrupt."""

    def generate(
        self, *, prompt: str | None = None, max_tokens: int = 512, ignore_end: bool = False
    ) -> Iterator[Reading | Piece | Done]: ...

    def encode(self, conversations: Sequence[Conversation]) -> tuple[Encoded, ...]: ...

    def status(self) -> Report: ...


def measure(path: Path, contexts: Sequence[int], threads: int | None, repeats: int, progress: Progress) -> SpeedReport:
    """Read prompts of the given lengths and answer each with NEW_TOKENS tokens, again and again.

    Nothing that was read before is used again: each prompt begins with another letter. The text is always the same.
    Raises InputError for a file that cannot be used or a length beyond its context, EngineError if the engine refuses.
    """
    whole = read_header(path).number("context_length")
    if max(contexts) + NEW_TOKENS > whole:
        raise InputError(
            f"{path.name} was made for {whole:,} tokens, which do not hold {max(contexts):,} and an answer of "
            f"{NEW_TOKENS}: give a smaller --context."
        )
    digests = sha256s(path, progress)
    with ToolClient() as engine:
        hello = engine.start()
        info = engine.load(path, context_length=max(contexts) + NEW_TOKENS, threads=threads)
        with progress("measuring", len(contexts) * repeats, "answer") as advance:
            return report(engine, hello, info, measured(path, digests, info), contexts, repeats, advance)


def report(
    engine: Timed,
    hello: Hello,
    info: ModelInfo,
    model: MeasuredModel,
    contexts: Sequence[int],
    repeats: int,
    advance: Callable[[int], None],
) -> SpeedReport:
    """The same with a model that `engine` has loaded, with room for the longest prompt and its answer.

    `advance` is told of each repeat.
    """
    _answer(engine, _prompt(engine, min(contexts), 0), _WARM_UP_TOKENS)
    lengths = tuple(_measured(engine, length, repeats, advance) for length in contexts)
    return SpeedReport(
        model=model,
        machine=_machine(info, hello.llama_cpp_commit, hello.llama_cpp_python),
        resident_bytes=engine.status().resident_bytes,
        contexts=lengths,
    )


def _measured(engine: Timed, length: int, repeats: int, advance: Callable[[int], None]) -> SpeedAt:
    answers: list[Done] = []
    started = time.monotonic()
    for number in range(1, repeats + 1):
        answers.append(_answer(engine, _prompt(engine, length, number), NEW_TOKENS))
        advance(1)
        if number >= LEAST and time.monotonic() - started > SECONDS:
            advance(repeats - number)
            break
    firsts = [_known(done.time_to_first_token_s) for done in answers]
    return SpeedAt(
        prompt_tokens=answers[-1].prompt_tokens,
        new_tokens=answers[-1].completion_tokens,
        # What every prompt begins with (a token for the beginning of a text) is not read again.
        prompt_per_second=_spread(
            [(done.prompt_tokens - done.reused_tokens) / first for done, first in zip(answers, firsts, strict=True)]
        ),
        decode_per_second=_spread([_known(done.tokens_per_second) for done in answers]),
        first_token_s=_spread(firsts),
    )


def _answer(engine: Timed, prompt: str, tokens: int) -> Done:
    *_, done = engine.generate(prompt=prompt, max_tokens=tokens, ignore_end=True)
    assert isinstance(done, Done)
    return done


def _known(value: float | None) -> float:
    """Times are missing only where nothing was written, and that cannot be with `ignore_end`."""
    assert value is not None
    return value


def _spread(values: Sequence[float]) -> Spread:
    return Spread(median=median(values), low=min(values), high=max(values), repeats=len(values))


def _prompt(engine: Timed, length: int, number: int) -> str:
    """A text of exactly `length` tokens, or of as few less as the tokenizer allows; another one for each number."""

    def tokens(text: str) -> int:
        return len(engine.encode([Conversation(prompt=text)])[0].prompt)

    chance = random.Random(number)
    words = [_WORDS[int(chance.random() * len(_WORDS))] for _ in range(length)]

    def text(count: int) -> str:
        return " ".join([_FIRST[number % len(_FIRST)], *words[:count]])

    few, many = 0, length  # as many words as tokens are too many, or just enough
    while few < many:
        middle = (few + many + 1) // 2
        few, many = (middle, many) if tokens(text(middle)) <= length else (few, middle - 1)
    return _filled(text(few), length, tokens)


def _filled(text: str, length: int, tokens: Callable[[str], int]) -> str:
    while (missing := length - tokens(text)) > 0:
        fitting = (text + filler for filler in _FILLERS if length - missing < tokens(text + filler) <= length)
        longer = next(fitting, None)
        if longer is None:
            break
        text = longer
    return text


def _machine(info: ModelInfo, commit: str, version: str) -> SpeedMachine:
    return SpeedMachine(
        processor=processor_name(),
        cores=physical_cores(),
        threads=info.threads,
        gpu_layers=info.gpu_layers,
        repacked=info.repacked,
        llama_cpp_commit=commit,
        llama_cpp_python=version,
    )
