"""A worker process: started, fed with requests, heard, ended, and what its end means to a person."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Sequence
from typing import IO

from app.core.engine import protocol
from app.core.engine.protocol import Event, Failed, ProtocolError, Request

# How long llama.cpp's threads spin at a barrier before they sleep (libgomp). By default they spin so long that, beside
# another busy program on the same cores, answers come a hundred times slower for a small model and four times for a
# 7B-shaped one; measured with two busy programs on two cores.
_WAITING = {"GOMP_SPINCOUNT": "3000"}
# A failed assertion of llama.cpp would start a debugger, where there is one, and the worker seem to hang meanwhile.
_DYING = {"GGML_NO_BACKTRACE": "1"}


def worker_command() -> list[str]:
    """`-P` keeps the current folder, which may hold anything, out of the module path."""
    return [sys.executable, "-P", "-m", "app.core.engine.worker"]


class WorkerProcess:
    """One worker process: a pipe for requests, a queue of its events that ends with None."""

    def __init__(self, command: Sequence[str]) -> None:
        # A session of its own: Ctrl-C in a terminal is for the command, which then cancels in good order.
        self._popen = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            env=_WAITING | _DYING | os.environ,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        assert self._popen.stdin
        assert self._popen.stdout
        assert self._popen.stderr
        self._outgoing: queue.Queue[bytes] = queue.Queue()
        self.events: queue.Queue[Event | ProtocolError | None] = queue.Queue()
        self.log: deque[str] = deque(maxlen=50)
        threads = (
            (self._write_requests, self._popen.stdin),
            (self._read_events, self._popen.stdout),
            (self._read_log, self._popen.stderr),
        )
        for target, stream in threads:
            threading.Thread(target=target, args=(stream,), daemon=True).start()

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def alive(self) -> bool:
        return self._popen.poll() is None

    def effort(self) -> tuple[object, ...] | None:
        """What changes while the process computes or reads; None while it waits for a disk, or is gone.

        For the time before the first message, when a worker cannot say that it is alive.
        """
        import psutil

        try:
            process = psutil.Process(self.pid)
            if process.status() == psutil.STATUS_DISK_SLEEP:
                return None
            return tuple(process.cpu_times())
        except psutil.Error:
            return None

    def send(self, request: Request) -> None:
        """Never blocks: a thread writes, so that a worker that reads no more is seen to be silent.

        A request to a worker that is gone is dropped; its end is in the queue of events. Raises ProtocolError for text
        that is no Unicode.
        """
        self._outgoing.put(protocol.encode(request))

    def end(self) -> int:
        """Kill the worker if it still runs; its exit code, negative for a signal."""
        self._outgoing.put(b"")
        self._popen.kill()
        return self._popen.wait()

    def wait(self, seconds: float) -> int | None:
        try:
            return self._popen.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def _write_requests(self, stream: IO[bytes]) -> None:
        with contextlib.suppress(OSError), stream:
            while line := self._outgoing.get():
                stream.write(line)
                stream.flush()

    def _read_events(self, stream: IO[bytes]) -> None:
        with stream:
            while line := stream.readline(protocol.MAX_LINE_BYTES):
                try:
                    self.events.put(protocol.decode_event(line))
                except ProtocolError as error:
                    self.events.put(error)
                    break
        self.events.put(None)

    def _read_log(self, stream: IO[bytes]) -> None:
        with stream:
            for line in stream:
                self.log.append(line.decode("utf-8", "replace").rstrip())


def obituary(exit_code: int, *, loading: bool) -> Failed:
    """What a worker's end means to a person."""
    if os.name == "posix" and exit_code < 0:
        how = f"signal {signal.Signals(-exit_code).name}"
    else:
        how = f"exit code {exit_code}"
    if os.name == "posix" and exit_code == -signal.SIGKILL:
        sentence = (
            f"The engine was ended by the system ({how}); it may have run out of memory. Ask again to restart it."
        )
        return Failed(code="worker_died", message=sentence)
    if loading:
        sentence = f"The engine ended while it loaded this file ({how}): the file is damaged or not supported."
        return Failed(code="model_crashed", message=sentence)
    return Failed(code="worker_died", message=f"The engine ended unexpectedly ({how}). Ask again to restart it.")
