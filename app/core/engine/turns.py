"""Who may compute: a person's question at once, and work that can wait when there is none."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_AGAIN_SECONDS = 0.1
"""A cancel finds nothing while the engine is between two requests, so it is given again."""


class Yielded(Exception):
    """A question came first; the work is to be tried again."""


class Stopped(Exception):
    """The work is not wanted any more."""


class Turns:
    """Shared by all engines of one window. Questions do not exclude each other here: each engine does that itself."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._questions = 0
        self._worker: int | None = None
        self._cancel: Callable[[], None] = lambda: None

    @property
    def works_here(self) -> bool:
        """Whether the calling thread is the one whose work can wait."""
        return self._worker == threading.get_ident()

    @property
    def question_waits(self) -> bool:
        return self._questions > 0

    @contextmanager
    def question(self) -> Iterator[None]:
        """Have the turn from now on: work in progress is cancelled and has ended when the block begins."""
        with self._changed:
            self._questions += 1
            while self._worker is not None:
                self._cancel()
                self._changed.wait(_AGAIN_SECONDS)
        try:
            yield
        finally:
            with self._changed:
                self._questions -= 1
                self._changed.notify_all()

    @contextmanager
    def work(self, cancel: Callable[[], None]) -> Iterator[None]:
        """Have the turn until a question comes, which calls `cancel`. Raises Yielded where one has come already."""
        with self._changed:
            if self._questions or self._worker is not None:
                raise Yielded
            self._worker, self._cancel = threading.get_ident(), cancel
        try:
            yield
        finally:
            with self._changed:
                self._worker = None
                self._changed.notify_all()

    def wait(self, stopped: Callable[[], bool]) -> None:
        """Until nobody has the turn. Raises Stopped as soon as `stopped` says so; `wake` has it asked anew."""
        with self._changed:
            while self._questions or self._worker is not None:
                if stopped():
                    raise Stopped
                self._changed.wait()
        if stopped():
            raise Stopped

    def wake(self) -> None:
        with self._changed:
            self._changed.notify_all()
