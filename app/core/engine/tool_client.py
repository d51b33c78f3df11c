"""The engine for the model team's tools, which ask one model many things at once."""

from __future__ import annotations

from collections.abc import Sequence

from app.core.engine.client import GREEDY, EngineClient
from app.core.engine.protocol import (
    Complete,
    Completion,
    Completions,
    Continuation,
    Conversation,
    Conversations,
    Encode,
    Encoded,
    Sampling,
    Score,
    Scores,
    TokenSequence,
)


class ToolClient(EngineClient):
    """An `EngineClient` whose model is asked for probabilities, and for many answers side by side.

    All of it raises EngineError, as the requests of `EngineClient` do.
    """

    def encode(self, conversations: Sequence[Conversation]) -> tuple[Encoded, ...]:
        """The tokens of conversations with none and with each of their answers; nothing is cut to fit a context."""
        event = self._ask(lambda number: Encode(id=number, conversations=tuple(conversations)))
        assert isinstance(event, Conversations)
        return event.encoded

    def score(
        self, sequences: Sequence[TokenSequence], prefix: Sequence[int] = (), *, together: bool = True
    ) -> tuple[Continuation | None, ...]:
        """The log-probabilities (nats) of each sequence's tokens from its `first` on; None where one is no number.

        All begin with `prefix`, which ends before each `first`. The same call gives the same bits at any time.
        """
        event = self._ask(
            lambda n: Score(id=n, prefix=tuple(prefix), sequences=tuple(sequences), together=together),
        )
        assert isinstance(event, Scores)
        return event.continuations

    def complete(
        self,
        prompts: Sequence[Sequence[int]],
        prefix: Sequence[int] = (),
        *,
        sampling: Sampling = GREEDY,
        samples: int = 1,
        max_tokens: int = 512,
        stop: Sequence[str] = (),
        grammar: str | None = None,
    ) -> tuple[Completion, ...]:
        """`samples` answers to each prompt (tokens), all written side by side; prompt by prompt in order.

        `grammar` is GBNF. The same call gives the same answers at any time.
        """
        event = self._ask(
            lambda n: Complete(
                id=n,
                prefix=tuple(prefix),
                prompts=tuple(map(tuple, prompts)),
                sampling=sampling,
                samples=samples,
                max_tokens=max_tokens,
                stop=tuple(stop),
                grammar=grammar,
            )
        )
        assert isinstance(event, Completions)
        return event.completions
