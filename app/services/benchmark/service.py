"""Benchmarks as the window sees them: one run at a time in a thread, which questions interrupt, and what is kept."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QTimer, Signal

from app.core.engine.turns import Stopped, Turns
from app.core.errors import UserFacingError
from app.core.language import Language
from app.core.paths import Paths
from app.core.settings import read_settings, write_settings
from app.services.benchmark.views import BenchmarkState, Progress, Wanted
from app.services.deeds import Deeds

if TYPE_CHECKING:
    from pathlib import Path

    from app.core.engine.patient import PatientEngine, WindowEngine
    from app.services.benchmark.orders import Kept, OrderBook
    from app.services.benchmark.results import ResultReader
    from app.services.benchmark.sitting import Sitting
    from app.services.inference import InferenceService

_GOODBYE_SECONDS = 5.0
_TELL_SECONDS = 0.05
_WATCH_MILLISECONDS = 200


class BenchmarkService(QObject):
    """Runs what was ordered, keeps it, and reads what is kept; the rest of the window stays usable.

    Args:
        engine: the window's engine. A model that is loaded there is measured there, since a second copy of its weights
            would not fit into the memory of most machines; any other model gets a process of its own.
        turns: between questions in the window and runs.
    """

    state_changed = Signal(object)
    results_changed = Signal()
    """Something was added to what is kept."""

    _told = Signal(int, object)
    _ended = Signal(int, object)

    def __init__(
        self,
        engine: Callable[[], WindowEngine],
        turns: Turns,
        inference: InferenceService,
        paths: Paths,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._engine, self._turns, self._inference, self._paths = engine, turns, inference, paths
        self._state = BenchmarkState()
        self._thread: threading.Thread | None = None
        self._sitting: Sitting | None = None
        self._number = 0
        self._queue: deque[Kept] = deque()
        self._reader: ResultReader | None = None
        self._deeds = Deeds(self)
        self._told.connect(self._on_told)
        self._ended.connect(self._on_end)
        self._watch = QTimer(self, interval=_WATCH_MILLISECONDS)
        self._watch.timeout.connect(self._look_whether_it_waits)

    @property
    def state(self) -> BenchmarkState:
        return self._state

    # --- what there is ------------------------------------------------------------------------------------------------

    def look_up(self, on_done: Callable[[Any], None], on_failure: Callable[[str], None]) -> None:
        """Tell `on_done` of models, tasks, runs and measurements: `(models, tasks, runs, speeds)`, the newest first."""
        in_use = self._inference.selected

        def work() -> tuple[Any, ...]:
            from app.services.benchmark import models, results

            reader = self._results()
            return models.choices(self._paths, in_use), results.tasks(), reader.runs(), reader.speeds()

        self._do(work, on_done, on_failure)

    def compare(self, a: str, b: str, on_done: Callable[[Any], None], on_failure: Callable[[str], None]) -> None:
        """Tell `on_done` of the ComparisonView of two runs, by their ids."""

        def work() -> Any:
            from app.services.benchmark.comparing import compare

            kept = [self._book().find(id_) for id_ in (a, b)]
            one, other = ((each, self._results().run(each)) for each in kept)
            return compare(one, other)

        self._do(work, on_done, on_failure)

    def export(
        self,
        ids: Sequence[str],
        kind: str,
        path: Path,
        language: Language,
        on_done: Callable[[Any], None],
        on_failure: Callable[[str], None],
    ) -> None:
        """Write benchmark runs as `html` (one page of all) or `csv` (the questions of the first)."""

        def work() -> None:
            from app.services.benchmark.exporting import export

            export([self._book().find(id_) for id_ in ids], kind, path, language)

        self._do(work, on_done, on_failure)

    # --- what is done -------------------------------------------------------------------------------------------------

    def start(self, wanted: Sequence[Wanted]) -> None:
        """Write down what is wanted, and run it one after another as soon as nothing else runs."""
        from app.services.benchmark.orders import order

        try:
            self._queue.extend(self._book().add(order(one)) for one in wanted)
        except OSError as error:
            self._set_state(replace(self._state, failure=f"The run cannot be kept: {error.strerror or error}."))
            return
        self.results_changed.emit()
        self._next()

    def resume(self, id_: str) -> None:
        """Go on with a run that was paused, or that ended with the program."""
        try:
            self._queue.append(self._book().find(id_))
        except (UserFacingError, OSError) as error:
            self._set_state(replace(self._state, failure=str(error)))
            return
        self._next()

    def pause(self) -> None:
        """Stop what runs, as soon as the engine can; what was answered is kept. What is queued stays paused too."""
        self._queue.clear()
        if self._sitting is not None:
            self._set_state(replace(self._state, phase="pausing", queued=0))
            self._sitting.stop()

    def measure_speed(self) -> None:
        """Measure the model in use; ignored while something runs, and where none is loaded."""
        selected, model = self._inference.selected, self._inference.state.model
        if self._thread is None and selected is not None and model is not None:
            from app.services.benchmark.sitting import SpeedSitting

            sitting = SpeedSitting(
                self._patient(shared=True), self._book(), selected, model.threads, self._tell_of(self._number)
            )
            self._begin(sitting, BenchmarkState("running", "speed", model=selected.name))

    def remove(self, id_: str) -> None:
        """Delete a run that is not going on. Its model, and other runs, are not touched."""
        if self._state.run is None or self._state.run.id != id_:
            kept = self._book().find(id_)

            def work() -> None:
                from app.services.benchmark.summing_up import write_down

                self._book().remove(kept)
                write_down(self._book(), kept.order.model_sha256)

            self._do(work, lambda _: self.results_changed.emit(), self._fail)

    def keep_threads(self, threads: int) -> None:
        """Answer questions with so many threads, now and after the next start."""
        path = self._paths.settings
        write_settings(path, replace(read_settings(path), threads=threads))
        self._inference.reload()

    def close(self) -> None:
        """End what runs: it can be resumed."""
        self._watch.stop()
        self._queue.clear()
        self._number += 1  # What is told from now on is of the past.
        if self._sitting is not None:
            self._sitting.stop()
        if self._thread is not None:
            self._thread.join(_GOODBYE_SECONDS)
        self._deeds.close()

    # --- one after another --------------------------------------------------------------------------------------------

    def _next(self) -> None:
        if self._thread is not None:
            self._set_state(replace(self._state, queued=len(self._queue)))
            return
        if not self._queue:
            return
        from app.services.benchmark.sitting import RunSitting

        kept = self._queue.popleft()
        selected, state = self._inference.selected, self._inference.state
        shared = (
            selected if selected and selected.sha256 == kept.order.model_sha256 and state.phase == "ready" else None
        )
        sitting = RunSitting(
            kept,
            self._patient(shared=shared is not None),
            shared,
            self._book(),
            self._paths,
            self._tell_of(self._number),
        )
        run = self._results().run(kept)
        self._begin(sitting, BenchmarkState("running", run=run, model=kept.order.model, queued=len(self._queue)))

    def _begin(self, sitting: Sitting, state: BenchmarkState) -> None:
        self._sitting = sitting
        self._set_state(state)
        self._thread = threading.Thread(target=self._run, args=(self._number, sitting), daemon=True)
        self._thread.start()
        self._watch.start()

    def _run(self, number: int, sitting: Sitting) -> None:
        """In a thread."""
        from app.core.engine.client import EngineError
        from app.services.benchmark.running import RunFailed

        end = BenchmarkState()
        try:
            sitting.run()
        except Stopped:
            pass
        except EngineError as error:
            end = BenchmarkState(failure=str(error), engine_failure=error.failure)
        except RunFailed as error:
            end = BenchmarkState(failure=str(error), culprit=error.culprit)
        except (UserFacingError, OSError) as error:
            end = BenchmarkState(failure=str(error))
        except BaseException as error:
            fault = f"Inro has a fault ({type(error).__name__}); what was answered so far is kept."
            end = BenchmarkState(failure=fault)
            raise
        finally:
            sitting.close()
            self._ended.emit(number, end)

    def _tell_of(self, number: int) -> Callable[[Progress], None]:
        """What a thread tells its progress to: often enough for an eye, and the first and last of every step."""
        last: tuple[str, float] = ("", 0.0)

        def tell(progress: Progress) -> None:
            nonlocal last
            now = time.monotonic()
            if progress.step != last[0] or now - last[1] >= _TELL_SECONDS or progress.done == progress.total:
                last = progress.step, now
                self._told.emit(number, progress)

        return tell

    def _on_told(self, number: int, progress: Progress) -> None:
        if number == self._number and self._thread is not None:
            self._set_state(replace(self._state, progress=progress))

    def _on_end(self, number: int, end: BenchmarkState) -> None:
        if number != self._number:
            return
        self._watch.stop()
        self._number += 1
        self._thread, sitting, self._sitting = None, self._sitting, None
        paused = self._state.phase == "pausing"
        if end.failure or paused:
            self._queue.clear()
        self._set_state(replace(end, kind=self._state.kind))
        if sitting is not None and sitting.changed_engine:
            self._inference.start()
        self.results_changed.emit()
        self._next()

    def _look_whether_it_waits(self) -> None:
        waits = self._turns.question_waits
        if waits != self._state.waits:
            self._set_state(replace(self._state, waits=waits))

    # --- parts --------------------------------------------------------------------------------------------------------

    def _patient(self, *, shared: bool) -> PatientEngine:
        from app.core.engine.patient import PatientEngine
        from app.core.engine.tool_client import ToolClient

        return PatientEngine(self._engine() if shared else ToolClient(), self._turns, shared=shared)

    def _book(self) -> OrderBook:
        from app.services.benchmark.orders import OrderBook

        return OrderBook(self._paths.benchmarks)

    def _results(self) -> ResultReader:
        if self._reader is None:
            from app.services.benchmark.results import ResultReader

            self._reader = ResultReader(self._book())
        return self._reader

    def _do(self, work: Callable[[], Any], on_done: Callable[[Any], None], on_failure: Callable[[str], None]) -> None:
        self._deeds.do(work, on_done, lambda error: on_failure(str(error)))

    def _fail(self, sentence: str) -> None:
        self._set_state(replace(self._state, failure=sentence))

    def _set_state(self, state: BenchmarkState) -> None:
        self._state = state
        self.state_changed.emit(state)
