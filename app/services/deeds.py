"""Work that must not stop the window: done in a thread, one after another, each end told in the window's thread."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from PySide6.QtCore import QObject, Signal

from app.core.errors import UserFacingError

_GOODBYE_SECONDS = 2.0


Failure = UserFacingError | OSError
"""What a person can act on."""


@dataclass(frozen=True)
class _Work:
    work: Callable[[], Any]
    on_done: Callable[[Any], None]
    on_failure: Callable[[Failure], None]


class Deeds(QObject):
    """A failure goes to `on_failure`. So does anything else, as a fault in a sentence; it keeps its traceback."""

    _ended = Signal(object)
    _told = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._waiting: deque[_Work] = deque()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._ended.connect(self._on_end)
        self._told.connect(self._on_told)

    @property
    def busy(self) -> bool:
        return self._thread is not None

    def do(
        self,
        work: Callable[[], Any],
        on_done: Callable[[Any], None],
        on_failure: Callable[[Failure], None],
    ) -> None:
        """Have `work` called in a thread, after what was asked for before it."""
        self._waiting.append(_Work(work, on_done, on_failure))
        self._next()

    @property
    def closed(self) -> bool:
        return self._closed

    def tell(self, function: Callable[[], None]) -> None:
        """From within the work: have the window's thread call `function`."""
        if not self._closed:
            self._told.emit(function)

    def close(self) -> None:
        """Nothing is begun or told any more; what is under way gets a moment to end."""
        self._closed = True
        if self._thread is not None:
            self._thread.join(_GOODBYE_SECONDS)

    def _next(self) -> None:
        if self._thread is None and self._waiting and not self._closed:
            self._thread = threading.Thread(target=self._run, args=(self._waiting.popleft(),), daemon=True)
            self._thread.start()

    def _run(self, work: _Work) -> None:
        end: Callable[[], None] = _nothing
        try:
            end = partial(work.on_done, work.work())
        except (UserFacingError, OSError) as error:
            end = partial(work.on_failure, error)
        except BaseException as error:
            end = partial(work.on_failure, UserFacingError(f"Inro has a fault ({type(error).__name__})."))
            raise
        finally:
            if not self._closed:
                self._ended.emit(end)

    def _on_told(self, function: Callable[[], None]) -> None:
        if not self._closed:
            function()

    def _on_end(self, end: Callable[[], None]) -> None:
        self._thread = None
        if not self._closed:
            end()
            self._next()


def _nothing() -> None:
    pass
