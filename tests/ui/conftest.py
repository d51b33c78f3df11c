from __future__ import annotations

import gc
import os

os.environ["QT_QPA_PLATFORM"] = "offscreen"  # before Qt is imported

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QLocale
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.ui.i18n import TRANSLATIONS
from tests.ui.stage import Stage


@pytest.fixture(scope="session")
def translations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The translations as the build makes them, from the sources as they are now."""
    folder = tmp_path_factory.mktemp("translations")
    command = [str(Path(sys.executable).with_name("pyside6-lrelease")), str(TRANSLATIONS / "inro_ja.ts")]
    subprocess.run([*command, "-qm", str(folder / "inro_ja.qm")], check=True, capture_output=True)
    return folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A warning of Qt fails the test: it is a mistake of ours that nobody would otherwise see."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.qt_log_level_fail("WARNING"))
            # The offscreen platform says so of every window; desktops do support it.
            item.add_marker(pytest.mark.qt_log_ignore(r"^This plugin does not support propagateSizeHints\(\)$"))


@pytest.fixture(autouse=True)
def english_numbers() -> None:
    """What a test before this one has set is not this one's."""
    QLocale.setDefault(QLocale("en_US"))


@pytest.fixture(autouse=True)
def garbage_of_windows() -> Iterator[None]:
    """Closed windows are destroyed in their own thread, as in the application: see app.ui.garbage."""
    gc.disable()
    yield
    gc.collect(1)


@pytest.fixture
def stage(qtbot: QtBot, qapp: QApplication, tmp_path: Path, translations: Path) -> Iterator[Stage]:
    """The window in English, over real services, with an engine that says what the test tells it to."""
    stage = Stage(qapp, tmp_path, translations)
    qtbot.addWidget(stage.window)
    yield stage
    stage.close()
