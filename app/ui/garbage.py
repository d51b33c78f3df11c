"""Python's garbage is collected in the window's thread alone.

Its collector runs in whatever thread happens to allocate, and destroys there what it finds. Found by the thread of a
benchmark, a menu of the window may bring both threads to a halt: `QObject::~QObject` holds a lock of Qt while PySide6
(6.11) asks Python for an override, and the window's thread, with the interpreter's lock, waits for Qt's.
"""

from __future__ import annotations

import gc

from PySide6.QtCore import QObject, QTimer

_MILLISECONDS = 500


class GarbageCollector(QObject):
    """In the place of Python's own, from its making until `close`."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        gc.disable()
        self._timer = QTimer(self, interval=_MILLISECONDS)
        self._timer.timeout.connect(self.collect)
        self._timer.start()

    def settle(self) -> None:
        """What there is now stays: it need not be looked through at each collection, which took 26 ms at the start."""
        gc.freeze()

    def collect(self) -> None:
        """The oldest generation that is due, as Python would."""
        due = [count > most for count, most in zip(gc.get_count(), gc.get_threshold(), strict=True)]
        if any(due):
            gc.collect(max(generation for generation, is_due in enumerate(due) if is_due))

    def close(self) -> None:
        self._timer.stop()
        gc.enable()
