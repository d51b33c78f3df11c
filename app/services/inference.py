"""The engine as the window sees it: a state that changes."""

from __future__ import annotations

import datetime
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from PySide6.QtCore import QObject, QTimer, Signal

from app.core.errors import CheckRefused, NotApproved, UserFacingError
from app.core.history.store import ModelIdentity
from app.core.language import Language

if TYPE_CHECKING:
    from app.core.engine.client import EngineClient
    from app.core.engine.protocol import Failed, FailureCode, ModelInfo
    from app.core.models.selection import SelectedModel

_MEMORY_MILLISECONDS = 2000
_GOODBYE_SECONDS = 2.0


@dataclass(frozen=True)
class EngineState:
    """`examples` are questions that the loaded model can answer, by language. `scored`: it passed what was asked of it
    before its release, as its manifest says. Its maker stands by it to the end of the day `expires`.
    """

    phase: Literal["starting", "loading", "ready", "failed"]
    model_name: str = ""
    demonstration: bool = False
    scored: bool = True
    expires: datetime.date | None = None
    model: ModelInfo | None = None
    load_fraction: float = 0.0
    failure: Failed | None = None
    resident_bytes: int = 0
    examples: Mapping[Language, tuple[str, ...]] = field(default_factory=dict)


class InferenceService(QObject):
    """Starts the worker and loads the selected model in a thread, and tells how it stands.

    Args:
        engine: makes the engine's client when it is first asked for, and gives the same to the chat service.
        select: finds the model; it hashes a file, so it runs in the thread too.
        memory_of: resident bytes of a process, 0 if it is gone.
        threads: how many answer; None for the engine's own choice. Asked at every load.
    """

    state_changed = Signal(object)
    _arrived = Signal(int, object, object)

    def __init__(
        self,
        engine: Callable[[], EngineClient],
        select: Callable[[], SelectedModel],
        memory_of: Callable[[int], int],
        threads: Callable[[], int | None] = lambda: None,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._engine, self._select, self._memory_of, self._threads = engine, select, memory_of, threads
        self._state = EngineState("starting")
        self._identity = ModelIdentity("", None)
        self._selected: SelectedModel | None = None
        self._thread: threading.Thread | None = None
        self._run = 0
        self._arrived.connect(self._on_arrival)
        self._timer = QTimer(self, interval=_MEMORY_MILLISECONDS)
        self._timer.timeout.connect(self._measure)

    @property
    def state(self) -> EngineState:
        return self._state

    @property
    def identity(self) -> ModelIdentity:
        return self._identity

    @property
    def selected(self) -> SelectedModel | None:
        """The model that is loaded or being loaded; None before it was found."""
        return self._selected

    def start(self) -> None:
        """Load the selected model in the background; does nothing while that is under way."""
        if self._thread is None or not self._thread.is_alive():
            self._begin()

    def reload(self) -> None:
        """Another model was selected: load it, in place of what is loaded or loading. An answer that is being written
        ends first."""
        if self._state.phase == "loading":
            self._engine().cancel()
        self._begin()

    def restart(self) -> None:
        """After a failure: the same again."""
        self.start()

    def close(self) -> None:
        self._timer.stop()
        self._engine().close()
        if self._thread is not None:
            # It may be hashing a large file; it saves nothing, so it may end with the process.
            self._thread.join(_GOODBYE_SECONDS)

    def _begin(self) -> None:
        self._run += 1  # What an earlier thread still has to say is of the past.
        self._set_state(EngineState("starting"))
        self._thread = threading.Thread(target=self._load, args=(self._run,), daemon=True)
        self._thread.start()
        self._timer.start()

    def _load(self, run: int) -> None:
        # Imported here, in the thread: the window can be typed in before the engine's modules are read.
        from app.core.engine.client import EngineError
        from app.core.engine.protocol import Failed

        state = EngineState("starting")

        def on_progress(fraction: float) -> None:
            if run != self._run:
                self._engine().cancel()
            self._arrived.emit(run, replace(state, load_fraction=fraction), None)

        try:
            selected = self._select()
            manifest = selected.manifest
            state = EngineState(
                "loading",
                model_name=selected.name,
                demonstration=selected.demonstration,
                scored=manifest is not None and manifest.verdict is not None and manifest.verdict.passed,
                expires=manifest.expires if manifest else None,
                examples=manifest.examples if manifest else {},
            )
            self._arrived.emit(run, state, selected)
            if run != self._run:
                return
            model = self._engine().load(selected.path, threads=self._threads(), on_progress=on_progress)
        except EngineError as error:
            self._arrived.emit(run, replace(state, phase="failed", failure=error.failure), None)
        except (UserFacingError, OSError) as error:
            failure = Failed(code=_code_of(error), message=str(error))
            self._arrived.emit(run, replace(state, phase="failed", failure=failure), None)
        else:
            self._arrived.emit(run, replace(state, phase="ready", model=model, load_fraction=1.0), None)

    def _on_arrival(self, run: int, state: EngineState, selected: SelectedModel | None) -> None:
        if run != self._run:
            return
        if selected is not None:
            self._selected, self._identity = selected, ModelIdentity(selected.name, selected.sha256)
        self._set_state(state)

    def _set_state(self, state: EngineState) -> None:
        self._state = state
        self.state_changed.emit(state)

    def _measure(self) -> None:
        pid = self._engine().pid
        resident = self._memory_of(pid) if pid is not None else 0
        if resident != self._state.resident_bytes:
            self._set_state(replace(self._state, resident_bytes=resident))


def _code_of(error: UserFacingError | OSError) -> FailureCode:
    match error:
        case NotApproved():
            return "model_not_approved"
        case CheckRefused():
            return "model_changed"
    return "model_missing"
