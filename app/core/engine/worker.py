"""The worker process: reads requests from stdin, runs llama.cpp, writes events to stdout.

Three threads: the main one runs requests in order; a reader takes lines from stdin, so that a cancel is seen while
llama.cpp computes; a pulse reports progress, so that silence means a hang. When stdin ends, the application is gone and
the process ends at once, whatever it is doing.
"""

from __future__ import annotations

import contextlib
import os
import queue
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from app.core.engine import protocol, selftest
from app.core.engine.protocol import (
    Alive,
    Cancel,
    Complete,
    Completions,
    Conversations,
    Encode,
    Event,
    Failed,
    Generate,
    Hello,
    Load,
    Logits,
    Measure,
    ProtocolError,
    Quantize,
    Request,
    Score,
    Scores,
    Shutdown,
    Status,
    Tokenize,
    Tokens,
    Unload,
    Unloaded,
    Written,
)
from app.core.engine.refusal import Refusal
from app.core.engine.session import Session
from app.core.paths import user_paths

PULSE_SECONDS = 0.25


class Outbox:
    """Writes events, one line each, from any thread."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._lock = stream, threading.Lock()

    def send(self, event: Event) -> None:
        line = protocol.encode(event)
        with self._lock:
            self._stream.write(line)
            self._stream.flush()


class Worker:
    def __init__(self, outbox: Outbox, self_test: Callable[[], selftest.Verdict]) -> None:
        self._outbox = outbox
        self._requests: queue.Queue[Request | None] = queue.Queue()
        self._session = Session(outbox.send, self._abandon, self_test)
        self._current: int | None = None

    def read(self, stream: BinaryIO) -> None:
        """Take requests until the stream ends, then end the process: nobody is left to work for."""
        while line := stream.readline(protocol.MAX_LINE_BYTES):
            try:
                request = protocol.decode_request(line)
            except ProtocolError as error:
                self._outbox.send(Failed(code="bad_request", message=f"The request cannot be read: {error}"))
                continue
            if isinstance(request, Cancel):
                self._session.cancel(request.id)
            else:
                self._requests.put(request)
        os._exit(0)

    def pulse(self) -> None:
        """Say four times a second that a request is being worked on, and how far it is."""
        tick = threading.Event()
        while not tick.wait(PULSE_SECONDS):
            # Where memory is short for a moment, one beat is left out and not all that would follow.
            with contextlib.suppress(MemoryError):
                if (current := self._current) is not None:
                    self._outbox.send(self._session.progress(current) or Alive(id=current))

    def run(self) -> None:
        while (request := self._requests.get()) is not None and not isinstance(request, Shutdown):
            assert not isinstance(request, Cancel)
            self._current = request.id
            try:
                event = self._answer(request)
            except Refusal as refusal:
                event = refusal.failed(request.id)
            except MemoryError:
                event = Failed(id=request.id, code="not_enough_memory", message="The machine has no memory left.")
            finally:
                self._current = None
            self._outbox.send(event)
        self._session.close()

    def _abandon(self, failure: Failed) -> None:
        self._outbox.send(failure)
        os._exit(1)

    def _answer(self, request: Request) -> Event:
        session = self._session
        match request:
            case Load():
                return session.load(request)
            case Generate():
                return session.generate(request)
            case Unload():
                session.close()
                return Unloaded(id=request.id)
            case Status():
                return session.report(request.id)
            case Tokenize():
                return Tokens(id=request.id, tokens=session.tools.tokenize(request))
            case Logits():
                session.tools.write_logits(request)
                return Written(id=request.id, path=request.path)
            case Encode():
                return Conversations(id=request.id, encoded=session.tools.encode(request))
            case Score():
                return Scores(id=request.id, continuations=session.tools.score(request))
            case Complete():
                return Completions(id=request.id, completions=session.tools.complete(request))
            case Quantize():
                session.quantize(request)
                return Written(id=request.id, path=request.target)
            case Measure():
                return session.measure(request)
            case _:
                return Failed(code="bad_request", message="This request is not for a queue.")


def main() -> None:
    requests, events = _own_streams()
    _volunteer_for_the_kernel()
    from app.core.engine import llama

    outbox = Outbox(events)
    build = llama.start(_log)
    outbox.send(
        Hello(
            protocol=protocol.PROTOCOL_VERSION,
            llama_cpp_python=build.version,
            llama_cpp_commit=build.commit,
            cpu_features=build.cpu_features,
            gpu_offload=build.gpu_offload,
        )
    )
    worker = Worker(outbox, lambda: selftest.verdict(build, user_paths().engine_state))
    for target, arguments in ((worker.read, (requests,)), (worker.pulse, ())):
        threading.Thread(target=target, args=arguments, daemon=True).start()
    worker.run()
    # Interpreter shutdown would wait for the reader's blocking read.
    os._exit(0)


def _own_streams() -> tuple[BinaryIO, BinaryIO]:
    """The protocol's two pipes; what C code prints on descriptor 1 goes to stderr, so that it cannot corrupt them."""
    requests = os.fdopen(os.dup(0), "rb")
    events = os.fdopen(os.dup(1), "wb")
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    return requests, events


def _volunteer_for_the_kernel() -> None:
    """When memory runs out, Linux should end this process rather than the window."""
    if sys.platform == "linux":
        try:
            Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
        except OSError:
            return  # It may be forbidden; then the kernel chooses, usually the largest process, which is this one.


def _log(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


if __name__ == "__main__":
    main()
