"""What this machine can do, measured in a worker of its own: nothing of it holds up the process that asks."""

from __future__ import annotations

import threading
from collections.abc import Sequence, Set

from app.core.engine.client import EngineClient
from app.core.engine.protocol import Measure, Measured


class Gauge:
    """Measures when it is first asked, and again only for a type of weights that it has not seen.

    Args: command: how to start a worker; by default this interpreter's.
    """

    def __init__(self, command: Sequence[str] | None = None) -> None:
        self._command, self._lock = command, threading.Lock()
        self._measured: Measured | None = None
        self._engine: _MeasuringClient | None = None

    def measured(self, types: Set[str]) -> Measured:
        """With at least these types of weights, by GGUF's names. Takes about a second. Raises EngineError."""
        with self._lock:
            known = frozenset(self._measured.product_bytes_per_second) if self._measured else frozenset()
            if self._measured is None or not types <= known:
                with _MeasuringClient(self._command) as engine:
                    self._engine = engine
                    try:
                        self._measured = engine.measure(sorted(types | known))
                    finally:
                        self._engine = None
            return self._measured

    def cancel(self) -> None:
        """End a measurement that is being made, from another thread; `measured` then raises EngineError."""
        if (engine := self._engine) is not None:
            engine.cancel()


class _MeasuringClient(EngineClient):
    def measure(self, types: Sequence[str]) -> Measured:
        with self._operation():
            self._start()
            event = self._result(Measure(id=next(self._ids), types=tuple(types)))
        assert isinstance(event, Measured)
        return event
