"""One import at a time, as the window sees it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from app.core.errors import UserFacingError
from app.services.deeds import Failure
from app.services.import_progress import ImportProgress

if TYPE_CHECKING:
    from app.core.engine.gauge import Gauge
    from app.core.models.administration import Administration
    from app.core.models.importing import Import, Step

_GOODBYE_SECONDS = 5.0
_TELL_SECONDS = 0.1


class ImportService(QObject):
    """`changed` tells how far it is; `ended` when a model came in or did not.

    Args:
        administration, gauge: made when they are first asked for, in a thread.
        now: seconds of a monotonic clock.
    """

    changed = Signal(object)
    ended = Signal()

    _step = Signal(int, object)

    def __init__(
        self,
        administration: Callable[[], Administration],
        gauge: Callable[[], Gauge],
        now: Callable[[], float] = time.monotonic,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._administration, self._gauge, self._now = administration, gauge, now
        self._progress: ImportProgress | None = None
        self._import: Import | None = None
        self._thread: threading.Thread | None = None
        self._number = 0
        self._step.connect(self._on_step)

    @property
    def progress(self) -> ImportProgress | None:
        """Of the import that runs or ran last; None once its end was taken note of."""
        return self._progress

    @property
    def running(self) -> bool:
        return self._thread is not None

    def bring_in(self, files: Sequence[Path]) -> None:
        """Import the model among these files, or in this folder. Ignored while another import runs."""
        if self.running:
            return
        self._number += 1
        self._thread = threading.Thread(target=self._run, args=(self._number, tuple(files)), daemon=True)
        self._set_progress(ImportProgress(files[0], began=self._now()))
        self._thread.start()

    def cancel(self) -> None:
        if self._progress is not None and self._progress.running:
            self._set_progress(replace(self._progress, cancelling=True))
            if self._import is not None:
                self._import.cancel()

    def dismiss(self) -> None:
        """The end of the import was taken note of."""
        if not self.running:
            self._set_progress(None)

    def close(self) -> None:
        """Cancel an import, which leaves nothing, and wait for it."""
        self._number += 1
        if self._import is not None:
            self._import.cancel()
        if self._thread is not None:
            self._thread.join(_GOODBYE_SECONDS)

    # --- in the thread ------------------------------------------------------------------------------------------------

    def _run(self, number: int, files: Sequence[Path]) -> None:
        end: Step | Failure
        try:
            end = self._steps(number, files)
        except (UserFacingError, OSError) as error:
            end = error
        except BaseException as error:
            sentence = f"Inro has a fault ({type(error).__name__}); nothing of the file is kept."
            self._step.emit(number, UserFacingError(sentence))
            raise
        # The last word: nothing of this import is under way any more.
        self._step.emit(number, end)

    def _steps(self, number: int, files: Sequence[Path]) -> Step:
        from app.core.models.importing import Copying, Placed
        from app.core.models.sources import find_source

        source = find_source(files)
        importing = self._administration().bring_in(source.model, source.manifest, self._gauge())
        self._import = importing
        try:
            if number != self._number or (self._progress is not None and self._progress.cancelling):
                importing.cancel()  # Asked for before there was anything to cancel.
            told = 0.0
            for step in importing.steps():
                # A copy has hundreds of steps a second; a person reads a few, and the end of it.
                if isinstance(step, Copying) and step.done_bytes < step.total_bytes:
                    if self._now() - told < _TELL_SECONDS:
                        continue
                    told = self._now()
                if not isinstance(step, Placed):
                    self._step.emit(number, step)
        finally:
            self._import = None
        return step

    # --- in the window's thread ---------------------------------------------------------------------------------------

    def _on_step(self, number: int, step: Step | Failure) -> None:
        if number != self._number or self._progress is None:
            return
        if isinstance(step, UserFacingError | OSError):
            progress = replace(self._progress, error=step, cancelling=False)
        else:
            progress = self._progress.after(step, self._now())
        if not progress.running:
            self._thread = None
        self._set_progress(progress)
        if not progress.running:
            self.ended.emit()

    def _set_progress(self, progress: ImportProgress | None) -> None:
        self._progress = progress
        self.changed.emit(progress)
