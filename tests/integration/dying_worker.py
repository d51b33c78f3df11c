"""The real worker, which dies (SIGKILL) of every question that holds the word POISON."""

from __future__ import annotations

import os
import signal

from app.core.engine import tools, worker
from app.core.engine.protocol import Complete, Completion, Continuation, Score

POISON = tuple(b"POISON")

_score, _complete = tools.Tools.score, tools.Tools.complete


def _die_of(tokens: tuple[int, ...]) -> None:
    text = "".join(map(chr, tokens))
    if "".join(map(chr, POISON)) in text:
        os.kill(os.getpid(), signal.SIGKILL)


def score(self: tools.Tools, request: Score) -> tuple[Continuation | None, ...]:
    for sequence in request.sequences:
        _die_of(sequence.tokens)
    return _score(self, request)


def complete(self: tools.Tools, request: Complete) -> tuple[Completion, ...]:
    for prompt in request.prompts:
        _die_of(prompt)
    return _complete(self, request)


if __name__ == "__main__":
    tools.Tools.score, tools.Tools.complete = score, complete  # type: ignore[method-assign]
    worker.main()
