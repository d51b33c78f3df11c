"""The application's side of the engine: starts the worker process, watches it, and turns its events into results.

Blocking, one request at a time; `cancel` and `close` may be called from any thread. A worker that dies, hangs or talks
nonsense ends the request with an `EngineError`, and the next request starts a new worker with the same model.
"""

from __future__ import annotations

import contextlib
import itertools
import queue
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from app.core.engine import protocol
from app.core.engine.process import WorkerProcess, obituary, worker_command
from app.core.engine.protocol import (
    AUTO,
    Alive,
    Cancel,
    Completions,
    Conversations,
    Done,
    Event,
    Failed,
    FailureCode,
    Generate,
    Hello,
    Load,
    Loaded,
    Loading,
    Logits,
    Measured,
    ModelInfo,
    Piece,
    ProtocolError,
    Quantize,
    Reading,
    Report,
    Request,
    Sampling,
    Scores,
    Shutdown,
    Status,
    Tokenize,
    Tokens,
    Turn,
    Unload,
    Unloaded,
    Written,
)
from app.core.errors import ExitCode, UserFacingError

START_SECONDS = 30.0
"""A worker that has not said hello by then never will: slow disks need seconds, not more."""

GREEDY = Sampling()

_SLICE_SECONDS = 0.25
_SILENT_SLICES = 7  # 1.75 s; a busy worker speaks once a slice. Slices, not a clock: a laptop's sleep is no hang.
_GOODBYE_SECONDS = 2.0
_CANCEL_SECONDS = 3.0
"""A worker that has not ended a cancelled request by then is ended itself; half a second is usual at most."""

_RESULTS = Loaded | Done | Unloaded | Report | Tokens | Conversations | Scores | Completions | Written | Measured

_INPUT_CODES: frozenset[FailureCode] = frozenset(
    {"bad_request", "no_model", "bad_model", "model_crashed", "model_missing", "bad_template", "prompt_too_long"}
)


class EngineError(UserFacingError):
    """A request ended without a result; `failure` says why, in a code and in a sentence."""

    def __init__(self, failure: Failed) -> None:
        super().__init__(failure.message)
        self.failure = failure
        if failure.code == "cancelled":
            self.exit_code = ExitCode.INTERRUPTED
        else:
            self.exit_code = ExitCode.USAGE if failure.code in _INPUT_CODES else ExitCode.MACHINE


class EngineClient:
    """Args: command: how to start a worker; by default this interpreter's."""

    def __init__(self, command: Sequence[str] | None = None) -> None:
        self._command = list(command or worker_command())
        self._process: WorkerProcess | None = None
        self._hello: Hello | None = None
        self._wanted: Load | None = None
        self._loaded = False
        self._closed = threading.Event()
        self._working = False
        self._cancelled_at: float | None = None
        self._file: tuple[int, int, int] | None = None
        self._ids = itertools.count(1)
        self._current: int | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """The worker's process id while it runs."""
        return self._process.pid if self._process and self._process.alive else None

    @property
    def wanted(self) -> Load | None:
        """What a worker is told to load, now and after it had to be started anew; None before the first `load`."""
        return self._wanted

    def start(self) -> Hello:
        """Start the worker unless it runs. Raises EngineError."""
        with self._operation():
            return self._start()

    def load(
        self,
        path: Path,
        *,
        context_length: int | None = None,
        threads: int | None = None,
        gpu_layers: int = AUTO,
        on_progress: Callable[[float], None] | None = None,
    ) -> ModelInfo:
        """Load a model file in place of the one before. `on_progress` takes fractions. Raises EngineError."""
        with self._operation():
            self._wanted = Load(
                id=0,
                path=str(path.absolute()),
                context_length=context_length,
                threads=threads,
                gpu_layers=gpu_layers,
            )
            self._start()
            return self._load(on_progress)

    def generate(
        self,
        messages: Sequence[Turn] = (),
        *,
        prompt: str | None = None,
        sampling: Sampling = GREEDY,
        stop: Sequence[str] = (),
        max_tokens: int = 512,
        ignore_end: bool = False,
    ) -> Generator[Reading | Piece | Done, None, None]:
        """Answer a conversation, or continue a prompt; the last event is `Done`. Raises EngineError.

        An iterator that is left before its end cancels the request.
        """
        with self._operation():
            self._restore()
            request = Generate(
                id=next(self._ids),
                messages=tuple(messages),
                prompt=prompt,
                sampling=sampling,
                stop=tuple(stop),
                max_tokens=max_tokens,
                ignore_end=ignore_end,
            )
            for event in self._exchange(request):
                assert isinstance(event, Reading | Piece | Done)
                yield event

    def cancel(self) -> None:
        """End the operation in progress, if there is one, as soon as the worker sees it; by force if it does not."""
        if not self._working:
            return
        if self._cancelled_at is None:
            self._cancelled_at = time.monotonic()
        process, current = self._process, self._current
        if process is not None and current is not None:
            process.send(Cancel(id=current))

    def tokenize(self, text: str, parse_special: bool = False) -> tuple[int, ...]:
        event = self._ask(lambda number: Tokenize(id=number, text=text, parse_special=parse_special))
        assert isinstance(event, Tokens)
        return event.tokens

    def logits(self, tokens: Sequence[int], path: Path, first: int = 0, *, exact: bool = False) -> None:
        """Write the logits from position `first` on to `path`: float32, C order, shape (tokens - first, vocabulary).

        They are those that answers are chosen from, or with `exact` those of attention in 32 bits.
        """
        target = str(path.absolute())
        event = self._ask(lambda n: Logits(id=n, tokens=tuple(tokens), path=target, first=first, exact=exact))
        assert isinstance(event, Written)

    def quantize(self, source: Path, target: Path, recipe: str, *, weighted: bool = False) -> None:
        """Write `source` with llama.cpp's recipe of that name; an incomplete `target` may be left by a failure."""
        with self._operation():
            self._start()
            request = Quantize(
                id=next(self._ids),
                source=str(source.absolute()),
                target=str(target.absolute()),
                recipe=recipe,
                weighted=weighted,
            )
            self._result(request)

    def unload(self) -> None:
        with self._operation():
            self._wanted, self._loaded = None, False
            if self._process and self._process.alive:
                event = self._result(Unload(id=next(self._ids)))
                assert isinstance(event, Unloaded)

    def status(self) -> Report:
        with self._operation():
            self._start()
            event = self._result(Status(id=next(self._ids)))
        assert isinstance(event, Report)
        return event

    def close(self) -> None:
        """End the worker for good: in order if it is idle, at once if it is busy. Later requests fail."""
        self._closed.set()
        process, self._process = self._process, None
        if process is None:
            return
        if self._current is None:
            process.send(Shutdown())
            process.wait(_GOODBYE_SECONDS)
        process.end()

    # --- the worker's life --------------------------------------------------------------------------------------------

    def _start(self) -> Hello:
        if self._closed.is_set():
            raise _failure("worker_unusable", "The engine was closed.")
        if self._process is not None and self._process.alive and self._hello is not None:
            return self._hello
        self._loaded = False
        try:
            self._process = process = WorkerProcess(self._command)
        except OSError as error:
            raise _failure("worker_unusable", f"The engine cannot be started: {error.strerror}.") from error
        if self._closed.is_set():  # by another thread, in the meantime
            process.end()
            raise _cancelled()
        event = self._hear_hello(process)
        if not isinstance(event, Hello) or event.protocol != protocol.PROTOCOL_VERSION:
            code = process.end()
            detail = process.log[-1] if process.log else f"exit code {code}"
            raise _failure("worker_unusable", f"The engine does not start: {detail}.")
        self._hello = event
        return event

    def _hear_hello(self, process: WorkerProcess) -> Event | ProtocolError | None:
        idle, before = 0, process.effort()
        for _ in range(int(START_SECONDS / _SLICE_SECONDS)):
            if self._closed.is_set() or self._cancelled_at is not None:
                process.end()
                raise _cancelled()
            with contextlib.suppress(queue.Empty):
                return process.events.get(timeout=_SLICE_SECONDS)
            # A slow start is one thing, a process that neither computes nor waits for a disk another.
            now = process.effort()
            idle, before = idle + 1 if now is not None and now == before else 0, now
            if idle >= _SILENT_SLICES - 1:  # the slice that showed the last effort has passed too
                process.end()
                raise _hung()
        return None

    def _restore(self) -> None:
        """A running worker with the wanted model, after whatever happened to the last one."""
        self._start()
        if not self._loaded and self._wanted is not None:
            if _identity(self._wanted.path) != self._file:
                raise _failure("model_changed", "The model file was changed since it was loaded. Load it again.")
            self._load(None)

    @contextmanager
    def _operation(self) -> Iterator[None]:
        """One at a time; what it leaves running when it is left is cancelled and heard out."""
        with self._lock:
            self._working, self._cancelled_at = True, None
            try:
                yield
            finally:
                if self._current is not None:
                    self.cancel()
                    self._settle(self._current)
                self._working = False

    def _settle(self, number: int) -> None:
        with contextlib.suppress(EngineError):
            while (process := self._process) is not None and not _ends(
                self._next_event(process, loading=False), number
            ):
                pass
        self._current = None

    def _load(self, on_progress: Callable[[float], None] | None) -> ModelInfo:
        assert self._wanted is not None
        self._loaded = False
        number, wanted = next(self._ids), self._wanted
        self._file = _identity(wanted.path)
        request = Load(
            id=number,
            path=wanted.path,
            context_length=wanted.context_length,
            threads=wanted.threads,
            gpu_layers=wanted.gpu_layers,
        )
        for event in self._exchange(request):
            if isinstance(event, Loading) and on_progress:
                on_progress(event.fraction)
            if isinstance(event, Loaded):
                self._loaded = True
                return event.model
        raise AssertionError("a load ends with Loaded or an exception")

    def _ask(self, make: Callable[[int], Request]) -> Event:
        with self._operation():
            self._restore()
            return self._result(make(next(self._ids)))

    def _result(self, request: Request) -> Event:
        *_, last = self._exchange(request)
        return last

    def _exchange(self, request: Request) -> Iterator[Event]:
        """Send a request and yield its events, the last one being its result. Raises EngineError."""
        assert not isinstance(request, Cancel | Shutdown)
        process, number = self._process, request.id
        if process is None:
            raise _failure("worker_unusable", "The engine was closed.")
        try:
            process.send(request)
        except ProtocolError as error:
            raise _failure("bad_request", f"The request cannot be sent: {error}.") from error
        self._current = number
        if self._cancelled_at is not None:
            process.send(Cancel(id=number))
        while True:
            try:
                event = self._next_event(process, loading=isinstance(request, Load))
            except EngineError:
                self._current = None
                raise
            if _ends(event, number):
                self._current = None
            if isinstance(event, Failed) and event.id in (number, None):
                if event.last:
                    process.end()
                raise EngineError(event)
            if isinstance(event, Alive | Hello | Failed) or event.id != number:
                continue
            yield event
            if self._current is None:
                return

    def _next_event(self, process: WorkerProcess, *, loading: bool) -> Event:
        for _ in range(_SILENT_SLICES):
            if self._cancelled_at is not None and time.monotonic() > self._cancelled_at + _CANCEL_SECONDS:
                process.end()
                raise _cancelled()
            try:
                event = process.events.get(timeout=_SLICE_SECONDS)
            except queue.Empty:
                continue
            if event is None:
                raise EngineError(obituary(process.end(), loading=loading))
            if isinstance(event, ProtocolError):
                process.end()
                raise _failure("worker_unusable", "The engine sent something that is not of its protocol.")
            return event
        process.end()
        raise _hung()


def _ends(event: Event, number: int) -> bool:
    """Whether this is the last event of a request."""
    if isinstance(event, Failed):
        return event.id in (number, None)
    return isinstance(event, _RESULTS) and event.id == number


def _identity(path: str) -> tuple[int, int, int] | None:
    """What changes when a file is replaced or written to; None if there is none."""
    try:
        status = Path(path).stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def _hung() -> EngineError:
    return _failure("worker_hung", "The engine stopped responding and was ended. Ask again to restart it.")


def _cancelled() -> EngineError:
    return _failure("cancelled", "The request was stopped.")


def _failure(code: FailureCode, sentence: str) -> EngineError:
    return EngineError(Failed(code=code, message=sentence))
