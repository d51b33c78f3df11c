"""Garbage with Qt objects in it, while other threads allocate."""

from __future__ import annotations

import gc
import threading
import weakref

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.ui.garbage import GarbageCollector


class Knot(QObject):
    """Garbage that only the collector finds."""

    def __init__(self) -> None:
        super().__init__()
        self.itself = self


def test_what_other_threads_allocate_destroys_nothing_of_the_window(qapp: QApplication, qtbot: QtBot) -> None:
    gc.enable()
    collector = GarbageCollector(qapp)
    destroyed_in: list[threading.Thread] = []
    kept: list[list[int]] = []
    try:
        weakref.finalize(Knot(), lambda: destroyed_in.append(threading.current_thread()))
        thread = threading.Thread(target=lambda: kept.extend([number] for number in range(20 * gc.get_threshold()[0])))
        thread.start()
        thread.join()
        assert not destroyed_in
        qtbot.waitUntil(lambda: bool(destroyed_in))
    finally:
        collector.close()
    assert destroyed_in == [threading.main_thread()]
