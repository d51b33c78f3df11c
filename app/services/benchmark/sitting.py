"""What one thread does: a run, or a measurement of speed, from its engine to what is kept. Qt-free."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Protocol

import msgspec

from app.core.engine.client import EngineError
from app.core.engine.gauge import Gauge
from app.core.engine.hardware import MAX_DEFAULT_CONTEXT
from app.core.engine.patient import PatientEngine
from app.core.engine.turns import Stopped
from app.core.files import sha256_file
from app.core.models import fit
from app.core.models.gguf_header import model_files, read_header
from app.core.models.selection import SelectedModel
from app.core.paths import Paths
from app.core.settings import read_settings
from app.services.benchmark import models, running, speed
from app.services.benchmark.orders import Kept, OrderBook
from app.services.benchmark.running import Ready, Tell
from app.services.benchmark.summing_up import write_down
from app.services.benchmark.views import Progress


class Sitting(Protocol):
    """`run` blocks. It raises Stopped after `stop`, which may come from any thread, and UserFacingError."""

    changed_engine: bool
    """Whether the window's engine holds its model with other settings than before."""

    def run(self) -> None: ...

    def stop(self) -> None: ...

    def close(self) -> None: ...


class _Stoppable:
    """Tells progress until it is stopped."""

    changed_engine = False

    def __init__(self, engine: PatientEngine, tell: Tell) -> None:
        self._engine, self._tell_on, self._stopped = engine, tell, False

    def stop(self) -> None:
        self._stopped = True
        self._engine.stop()

    def close(self) -> None:
        self._engine.close()

    def _tell(self, progress: Progress) -> None:
        if self._stopped:
            raise Stopped
        self._tell_on(progress)


class RunSitting(_Stoppable):
    """Args: shared: the model in use, where it is the one to be asked and its engine is shared; else None."""

    def __init__(
        self,
        kept: Kept,
        engine: PatientEngine,
        shared: SelectedModel | None,
        book: OrderBook,
        paths: Paths,
        tell: Tell,
    ) -> None:
        super().__init__(engine, tell)
        self._kept, self._shared, self._book, self._paths = kept, shared, book, paths

    def run(self) -> None:
        self._ask()
        write_down(self._book, self._kept.order.model_sha256)

    def _ask(self) -> None:
        order = self._kept.order
        if self._shared is not None:
            # Its hash was compared when the window loaded it.
            running.run(self._kept, self._shared.path, lambda _: running.loaded(self._engine), self._tell)
            return
        self._tell(Progress("preparing"))
        with running.blaming("model"):
            path = models.find(order, self._paths).path
        running.run(self._kept, path, lambda tell: self._load(path, tell), self._tell)

    def _load(self, path: Path, tell: Tell) -> Ready:
        threads = read_settings(self._paths.settings).threads
        return running.load(self._engine, path, threads, tell)


class SpeedSitting(_Stoppable):
    """Of the model in use, in the window's engine: a second copy would need its memory once more.

    Args: threads: those that questions are answered with.
    """

    changed_engine = True

    def __init__(
        self, engine: PatientEngine, book: OrderBook, selected: SelectedModel, threads: int, tell: Tell
    ) -> None:
        super().__init__(engine, tell)
        self._book, self._selected, self._threads = book, selected, threads

    def run(self) -> None:
        path = self._selected.path
        subject = speed.Subject(self._selected.name, path, self._digests(path), self._threads)
        created = datetime.now().astimezone().isoformat(timespec="seconds")
        record = speed.measure(subject, self._engine, created, self._expected(path), self._tell)
        self._book.add_speed(self._selected.sha256, msgspec.json.encode(record))
        write_down(self._book, self._selected.sha256)

    def _digests(self, path: Path) -> tuple[str, ...]:
        """Of the first part the hash is known; a model in one file is not read again."""
        further = model_files(path)[1:]
        return (self._selected.sha256, *(sha256_file(part, self._on_bytes) for part in further))

    def _on_bytes(self, _: int) -> None:
        self._tell(Progress("reading"))

    def _expected(self, path: Path) -> tuple[float, float] | None:
        """What the memory of this PC allows for this file; None where that cannot be measured."""
        self._tell(Progress("preparing"))
        header = read_header(path)
        try:
            measured = Gauge().measured(fit.types_to_measure(header))
        except EngineError:
            return None
        expected = fit.speed(header, measured, min(header.number("context_length"), MAX_DEFAULT_CONTEXT))
        return expected.low, expected.high
