"""An engine for work that can wait: a question in the window interrupts it, and what was interrupted is asked again."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import psutil

from app.core.engine.client import GREEDY, EngineError
from app.core.engine.protocol import (
    Completion,
    Continuation,
    Conversation,
    Done,
    Encoded,
    Hello,
    Load,
    ModelInfo,
    Piece,
    Reading,
    Report,
    Sampling,
    TokenSequence,
    Turn,
)
from app.core.engine.tool_client import ToolClient
from app.core.engine.turns import Stopped, Turns, Yielded
from app.core.errors import MachineError

T = TypeVar("T")

if sys.platform == "win32":
    _LOWER = psutil.BELOW_NORMAL_PRIORITY_CLASS
else:
    _LOWER = 10


class OtherModel(MachineError):
    """The window has loaded another model into the engine that it shares."""


class WindowEngine(ToolClient):
    """The engine that answers in the window. Whatever the window asks of it comes before work that can wait."""

    def __init__(self, turns: Turns, command: Sequence[str] | None = None) -> None:
        super().__init__(command)
        self._turns = turns

    @contextmanager
    def _operation(self) -> Iterator[None]:
        if self._turns.works_here:
            with super()._operation():
                yield
            return
        with self._turns.question(), super()._operation():
            yield


class PatientEngine:
    """The requests of a `ToolClient`, each repeated until no question interrupts it.

    The same request gives the same bits at any time, so that an interruption changes no number. All raise EngineError
    as the client does, and Stopped after `stop`.

    Args:
        shared: whether the window answers with this engine, and may load another model into it: OtherModel is then
            raised. An engine of its own runs at a lower priority.
    """

    def __init__(self, client: ToolClient, turns: Turns, *, shared: bool) -> None:
        self._client, self._turns, self._shared = client, turns, shared
        self._expected: Load | None = None
        self._stopping = False
        self._lowered: int | None = None

    @property
    def pid(self) -> int | None:
        return self._client.pid

    @property
    def waits(self) -> bool:
        """Whether a question has the turn."""
        return self._turns.question_waits

    def stop(self) -> None:
        """End the request in progress and refuse later ones. From any thread."""
        self._stopping = True
        self._client.cancel()
        self._turns.wake()

    def close(self) -> None:
        """End an engine of its own; a shared one stays."""
        if not self._shared:
            self._client.close()

    def start(self) -> Hello:
        return self._patiently(self._client.start)

    def load(
        self,
        path: Path,
        *,
        threads: int | None = None,
        context_length: int | None = None,
        on_progress: Callable[[float], None] | None = None,
    ) -> ModelInfo:
        """`on_progress` may raise to give up; the loading is then cancelled."""

        def load() -> ModelInfo:
            try:
                return self._client.load(path, threads=threads, context_length=context_length, on_progress=on_progress)
            finally:
                self._expected = self._client.wanted

        return self._patiently(load)

    def status(self) -> Report:
        return self._patiently(self._client.status)

    def encode(self, conversations: Sequence[Conversation]) -> tuple[Encoded, ...]:
        return self._patiently(lambda: self._client.encode(conversations))

    def score(
        self, sequences: Sequence[TokenSequence], prefix: Sequence[int] = (), *, together: bool = True
    ) -> tuple[Continuation | None, ...]:
        return self._patiently(lambda: self._client.score(sequences, prefix, together=together))

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
        return self._patiently(
            lambda: self._client.complete(
                prompts,
                prefix,
                sampling=sampling,
                samples=samples,
                max_tokens=max_tokens,
                stop=stop,
                grammar=grammar,
            )
        )

    def generate(
        self,
        messages: Sequence[Turn] = (),
        *,
        prompt: str | None = None,
        sampling: Sampling = GREEDY,
        stop: Sequence[str] = (),
        max_tokens: int = 512,
        ignore_end: bool = False,
    ) -> Iterator[Reading | Piece | Done]:
        """The whole answer, once it is written: half of one that is begun again is of no use."""

        def whole() -> list[Reading | Piece | Done]:
            events = list(
                self._client.generate(
                    messages,
                    prompt=prompt,
                    sampling=sampling,
                    stop=stop,
                    max_tokens=max_tokens,
                    ignore_end=ignore_end,
                )
            )
            if isinstance(events[-1], Done) and events[-1].reason == "cancelled":
                raise Yielded
            return events

        return iter(self._patiently(whole))

    def _patiently(self, request: Callable[[], T]) -> T:
        while True:
            self._turns.wait(lambda: self._stopping)
            with contextlib.suppress(Yielded), self._turns.work(self._client.cancel):
                self._check_model()
                try:
                    result = request()
                except EngineError as error:
                    if error.failure.code != "cancelled":
                        raise
                    raise Yielded from error
                self._lower()
                return result

    def _check_model(self) -> None:
        if self._stopping:
            raise Stopped
        if self._expected is None:
            self._expected = self._client.wanted
        if self._shared and self._client.wanted != self._expected:
            raise OtherModel("Another model was chosen to answer questions. Resume the run to go on with this one.")

    def _lower(self) -> None:
        """Below every program that a person waits for; a worker that was started anew is lowered again."""
        pid = self._client.pid
        if self._shared or pid is None or pid == self._lowered:
            return
        self._lowered = pid
        with contextlib.suppress(psutil.Error, OSError):
            psutil.Process(pid).nice(_LOWER)
