"""Reading a prompt and answering it, token by token, on a loaded model."""

from __future__ import annotations

import codecs
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from app.core.engine.protocol import Done, Generate, Piece, Reading

if TYPE_CHECKING:
    from app.core.engine.llama import Model

Reason = Literal["stop", "length", "cancelled"]


class TextStream:
    """Turns the bytes of tokens into text to show: whole characters, and nothing from a stop string onwards.

    What could be the beginning of a stop string is held back until the next bytes decide.
    """

    def __init__(self, stop: Sequence[str] = ()) -> None:
        self._stop = tuple(text for text in stop if text)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""
        self.stopped = False

    def push(self, data: bytes) -> str:
        """The text that can be shown now; empty while a character or a stop string may be incomplete."""
        return self._release(self._decoder.decode(data), final=False)

    def finish(self) -> str:
        """What was held back, at the end of the answer."""
        return self._release(self._decoder.decode(b"", True), final=True)

    def _release(self, new: str, *, final: bool) -> str:
        if self.stopped:
            return ""
        text = self._held + new
        ends = [at for at in (text.find(stop) for stop in self._stop) if at >= 0]
        if ends:
            self.stopped, self._held = True, ""
            return text[: min(ends)]
        kept = 0 if final else self._undecided(text)
        self._held = text[len(text) - kept :]
        return text[: len(text) - kept]

    def _undecided(self, text: str) -> int:
        longest = max((len(stop) for stop in self._stop), default=1) - 1
        for length in range(min(longest, len(text)), 0, -1):
            tail = text[-length:]
            if any(stop.startswith(tail) for stop in self._stop):
                return length
        return 0


@dataclass
class Generation:
    """One request in progress.

    Args:
        tokens: the prompt.
        send: takes `Reading` and `Piece` events.
        cancelled: asked between tokens and before each node of llama.cpp's computation.
        nodes_per_batch: nodes of a computation graph, for progress within a batch; 0 if unknown.
        started: `time.perf_counter()` at the arrival of the request.
    """

    request: Generate
    model: Model
    tokens: Sequence[int]
    dropped_messages: int
    send: Callable[[Reading | Piece], None]
    cancelled: Callable[[], bool]
    nodes_per_batch: int
    started: float
    _evaluated: int = 0
    _batch: int = 0
    _reused: int = 0
    _times: list[float] = field(default_factory=list)
    _count: int = 0

    def run(self) -> Done:
        self._reused = self._evaluated = self.model.keep_prefix(self.tokens)
        reason = self._answer() if self._read() else "cancelled"
        return self._done(reason)

    def progress(self) -> Reading | None:
        """While the prompt is read: tokens done, counting the part of the running batch that is computed."""
        if not self._batch:
            return None
        share = min(1.0, self.model.nodes_run / self.nodes_per_batch) if self.nodes_per_batch else 0.0
        return self._reading(self._evaluated + int(self._batch * share))

    def _reading(self, done: int) -> Reading:
        return Reading(id=self.request.id, done_tokens=done, total_tokens=len(self.tokens))

    def _read(self) -> bool:
        model, total = self.model, len(self.tokens)
        while self._evaluated < total:
            batch = self.tokens[self._evaluated : self._evaluated + model.ubatch]
            self._batch = len(batch)
            if self.cancelled() or not model.evaluate(batch, self.cancelled):
                return False
            self._evaluated, self._batch = self._evaluated + len(batch), 0
            self.send(self._reading(self._evaluated))
        return True

    def _answer(self) -> Reason:
        model, request = self.model, self.request
        room = min(request.max_tokens, model.context_length - len(self.tokens))
        text = TextStream(request.stop)
        sampler = model.sampler(request.sampling)
        try:
            reason = self._sample(sampler.next, text, room)
        finally:
            sampler.close()
        self._show(text.finish())
        return reason

    def _sample(self, next_token: Callable[[], int], text: TextStream, room: int) -> Reason:
        model, cancelled, ignore_end = self.model, self.cancelled, self.request.ignore_end
        while not cancelled():
            token = next_token()
            now = time.perf_counter()
            if not self._times:
                self._times = [now, now]
            self._times[1] = now
            if not ignore_end and model.is_end(token):
                return "stop"
            self._count += 1
            self._show(text.push(model.piece(token)))
            if text.stopped:
                return "stop"
            if self._count >= room:
                return "length"
            if not model.evaluate((token,), cancelled):
                break
        return "cancelled"

    def _show(self, text: str) -> None:
        if text:
            self.send(Piece(id=self.request.id, text=text))

    def _done(self, reason: Reason) -> Done:
        first, last = self._times or (None, None)
        seconds = last - first if first is not None and last is not None else 0.0
        return Done(
            id=self.request.id,
            reason=reason,
            prompt_tokens=len(self.tokens),
            reused_tokens=self._reused,
            dropped_messages=self.dropped_messages,
            completion_tokens=self._count,
            time_to_first_token_s=first - self.started if first is not None else None,
            tokens_per_second=(self._count - 1) / seconds if self._count > 1 and seconds > 0 else None,
        )
