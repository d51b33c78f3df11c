"""The composition root: builds the services, hands them to the window, and runs it."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QSocketNotifier, QTimer
from PySide6.QtWidgets import QApplication

from app.core.engine.turns import Turns
from app.core.errors import ExitCode
from app.core.history.store import HistoryError, HistoryStore
from app.core.language import Language
from app.core.paths import Paths, user_paths
from app.core.processes import open_connections, resident_bytes
from app.core.settings import read_settings, write_settings
from app.services.administrator import AdministratorService
from app.services.benchmark.service import BenchmarkService
from app.services.chat import ChatService
from app.services.importing import ImportService
from app.services.inference import InferenceService
from app.services.library import LibraryService
from app.ui.file_dialogs import FileDialogs
from app.ui.garbage import GarbageCollector
from app.ui.i18n import Translation
from app.ui.main_window import MainWindow
from app.ui.theme import Theme

if TYPE_CHECKING:
    from app.core.asking import Options
    from app.core.engine.gauge import Gauge
    from app.core.engine.patient import WindowEngine
    from app.core.models.administration import Administration
    from app.core.models.local_results import LocalResults
    from app.core.models.pin import PinGuard
    from app.core.models.selection import SelectedModel


def _select(named: Path | None, paths: Paths) -> SelectedModel:
    # Imported in the thread that loads the model, when the window can be typed in already.
    from app.core.models.library import ModelLibrary
    from app.core.models.selection import select

    ModelLibrary(paths.models).sweep()
    return select(named, read_settings(paths.settings), paths)


class SettingsPreferences:
    """The interface's preferences, kept in the settings file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def language(self) -> str | None:
        return read_settings(self._path).language

    def set_language(self, language: Language) -> None:
        write_settings(self._path, replace(read_settings(self._path), language=language))


class Application:
    """Everything that lives as long as the window does.

    Args:
        named: the model file to answer with; None for the chosen one.
    """

    def __init__(self, qt: QApplication, paths: Paths, named: Path | None, options: Options | None = None) -> None:
        self._client: WindowEngine | None = None
        self._client_lock = threading.Lock()
        self._gauge: Gauge | None = None
        self._turns = Turns()
        self.store = HistoryStore(paths.history)
        self._named = named
        self.inference = InferenceService(
            self.engine,
            lambda: _select(self._named, paths),
            resident_bytes,
            threads=lambda: read_settings(paths.settings).threads,
        )
        self.chat = ChatService(self.engine, self.store, lambda: self.inference.identity, options)
        self.benchmark = BenchmarkService(self.engine, self._turns, self.inference, paths)
        translation = Translation(qt, SettingsPreferences(paths.settings))
        self._paths = paths
        self.library = LibraryService(self._administration, self.store.speeds, self._local_results)
        self.library.switched.connect(self._forget_named)
        self.imports = ImportService(self._administration, self._make_gauge)
        self.administrator = AdministratorService(self._pin_guard, self._administration)
        self.window = MainWindow(
            self.inference,
            self.chat,
            translation,
            Theme(qt),
            self._open_connections,
            self.library,
            self.imports,
            self.administrator,
            FileDialogs(),
            self.benchmark,
        )

    def engine(self) -> WindowEngine:
        """The client of the engine, made when a service first needs it."""
        from app.core.engine.patient import WindowEngine

        with self._client_lock:
            if self._client is None:
                self._client = WindowEngine(self._turns)
            return self._client

    def close(self) -> None:
        """Stop in an order that loses nothing: an import, a run, the answer, then the engine, then the history."""
        self.imports.close()
        self.library.close()
        self.administrator.close()
        self.benchmark.close()
        self.chat.close()
        self.inference.close()
        self.store.close()

    def _forget_named(self) -> None:
        """Who chooses a model in the window wants that one, whatever the program was started with."""
        self._named = None

    def _make_gauge(self) -> Gauge:
        """One for all imports: what was measured is not measured again."""
        from app.core.engine.gauge import Gauge

        if self._gauge is None:
            self._gauge = Gauge()
        return self._gauge

    def _administration(self) -> Administration:
        from app.core.models.administration import Administration

        return Administration(self._paths)

    def _local_results(self) -> Mapping[str, LocalResults]:
        from app.core.models.local_results import read_local_results

        return read_local_results(self._paths.benchmarks)

    def _pin_guard(self) -> PinGuard:
        from app.core.models.pin import PinGuard

        return PinGuard(self._paths.administrator)

    def _open_connections(self) -> int:
        worker = self._client.pid if self._client else None
        return open_connections([os.getpid(), *([worker] if worker is not None else [])])


def open_window(named: Path | None, on_shown: Callable[[Application], None] | None = None) -> int:
    """Run the window until it is closed. `on_shown` is called once it is painted: for measuring the start."""
    # The style sheet is drawn on Fusion. Named here, it is in place before Qt sets up another, and Python needs no
    # classes for it (15 ms).
    qt = QApplication([sys.argv[0], "-style", "fusion"])
    # A thread that reads a header in Python gives way to the window a hundred times sooner than usual: to lay out a
    # page takes the interpreter hundreds of times.
    sys.setswitchinterval(0.00005)
    garbage = GarbageCollector(qt)
    qt.setApplicationName("Inro")
    qt.setDesktopFileName("inro")
    try:
        application = Application(qt, user_paths(), named)
    except HistoryError as error:
        from PySide6.QtWidgets import QMessageBox

        QMessageBox.critical(None, "Inro", str(error))
        return int(error.exit_code)
    interrupted = _quit_on_signals(qt) if os.name == "posix" else []
    application.window.show()
    if on_shown is not None:
        QTimer.singleShot(0, partial(on_shown, application))
    QTimer.singleShot(0, application.inference.start)
    QTimer.singleShot(0, garbage.settle)
    try:
        code = qt.exec()
    finally:
        application.close()
        garbage.close()
    return ExitCode.INTERRUPTED if interrupted else code


def _quit_on_signals(qt: QApplication) -> list[int]:
    """Close in good order on Ctrl-C and on being asked to end; the list then holds the signal.

    Python runs its handlers only between its own instructions, of which an idle Qt loop has none: the byte that each
    signal writes into a pipe wakes the loop.
    """
    received: list[int] = []
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: received.append(number))

    def on_wakeup() -> None:
        os.read(reading, 64)
        if received:
            qt.quit()

    notifier = QSocketNotifier(reading, QSocketNotifier.Type.Read, qt)
    notifier.activated.connect(on_wakeup)
    return received


if __name__ == "__main__":
    sys.exit(open_window(None))
