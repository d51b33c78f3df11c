"""Nothing is cut off: at 100 % and at 200 % of the text size, in both languages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtWidgets import QAbstractButton, QApplication, QLabel, QPushButton, QTextEdit, QWidget
from pytestqt.qtbot import QtBot

from app.core.engine.protocol import Failed
from app.core.language import Language
from app.ui.benchmark.page import BenchmarkPage
from app.ui.controls import ElidedLabel, ExampleButton
from app.ui.failures import code_sentence
from app.ui.growing_text import GrowingText
from app.ui.main_window import BENCHMARK
from tests.ui.stage import MODEL, Stage, done

WIDE = "W" * 300 + "。" + "長" * 300


@pytest.fixture(params=[(language, scale) for language in ("ja", "en") for scale in (1.0, 2.0)], ids=str)
def at_size(
    request: pytest.FixtureRequest, qtbot: QtBot, qapp: QApplication, tmp_path: Path, translations: Path
) -> Iterator[Stage]:
    language: Language
    language, scale = request.param
    stage = Stage(qapp, tmp_path, translations, language=language, scale=scale)
    qtbot.addWidget(stage.window)
    stage.window.resize(1280, 800)
    stage.window.show()
    stage.inference.start()
    yield stage
    stage.close()


def cut_off(window: QWidget) -> list[str]:
    """What does not fit into the widget that shows it."""
    found = []
    for label in window.findChildren(QLabel):
        if not label.isVisible() or isinstance(label, ElidedLabel) or not label.text():
            continue
        wanted = label.heightForWidth(label.width()) if label.wordWrap() else label.sizeHint().height()
        if label.height() < wanted or (not label.wordWrap() and label.width() < label.sizeHint().width()):
            found.append(label.text())
    for button in window.findChildren(QPushButton):
        if button.isVisible() and not isinstance(button, ExampleButton):
            wanted = button.sizeHint().width()
            if button.width() < wanted or button.height() < button.sizeHint().height():
                found.append(button.text())
    for text in window.findChildren(GrowingText):
        if text.isVisible() and (text.verticalScrollBar().maximum() or text.horizontalScrollBar().maximum()):
            found.append(text.toPlainText())
    for field in window.findChildren(QTextEdit, "composerText"):
        if field.isVisible() and field.fontMetrics().horizontalAdvance(field.placeholderText()) > field.width():
            found.append(field.placeholderText())
    return found


def test_nothing_is_cut_while_the_model_loads(at_size: Stage, qtbot: QtBot) -> None:
    at_size.engine.tell_load(0.42)
    qtbot.waitUntil(lambda: at_size.inference.state.load_fraction > 0)
    qtbot.waitUntil(lambda: cut_off(at_size.window) == [])


def test_nothing_is_cut_when_the_model_failed(at_size: Stage, qtbot: QtBot) -> None:
    at_size.engine.tell_load(Failed(code="model_crashed", message="The worker ended with signal 6 while it loaded x."))
    qtbot.waitUntil(lambda: at_size.page.engine.failure.isVisible())
    assert code_sentence("model_crashed") in at_size.page.engine.failure.text()
    qtbot.waitUntil(lambda: cut_off(at_size.window) == [])


def test_nothing_is_cut_in_the_empty_window(at_size: Stage, qtbot: QtBot) -> None:
    at_size.engine.tell_load(MODEL)
    qtbot.waitUntil(lambda: at_size.inference.state.phase == "ready")
    qtbot.waitUntil(lambda: cut_off(at_size.window) == [])
    for button in at_size.page.empty.examples:
        assert button.height() >= button.heightForWidth(button.width())


def test_nothing_is_cut_in_a_conversation(at_size: Stage, qtbot: QtBot) -> None:
    stage = at_size
    stage.engine.tell_load(MODEL)
    qtbot.waitUntil(lambda: stage.inference.state.phase == "ready")
    stage.chat.ask(WIDE)
    stage.engine.tell(f"## {WIDE}\n- {WIDE}\n\n{WIDE}\n\n| a | b |\n|--|--|\n| {'長' * 80} | {'長' * 80} |", done())
    qtbot.waitUntil(lambda: not stage.chat.busy)
    stage.chat.ask("Another question?")
    stage.engine.tell("A part.", Failed(code="worker_died", message="The worker ended."))
    qtbot.waitUntil(lambda: not stage.chat.busy)
    qtbot.waitUntil(lambda: cut_off(stage.window) == [])


def test_the_window_fits_a_small_screen_at_the_usual_size(stage: Stage) -> None:
    stage.window.show()
    least = stage.window.minimumSizeHint()
    assert least.width() <= 1024
    assert least.height() <= 700


def test_buttons_can_be_reached_by_the_keyboard(stage: Stage) -> None:
    from PySide6.QtCore import Qt

    for button in stage.window.findChildren(QAbstractButton):
        assert button.focusPolicy() & Qt.FocusPolicy.TabFocus


def test_nothing_is_cut_in_the_page_of_benchmarks(at_size: Stage, qtbot: QtBot) -> None:
    at_size.window.show_page(BENCHMARK)
    page = at_size.window.findChild(BenchmarkPage)
    assert page is not None
    qtbot.waitUntil(lambda: page.accuracy.form.task.count() > 0)
    page.new_button.click()
    page.accuracy.form.task.setCurrentIndex(1)
    page.accuracy.form.confirm.click()
    for switch in page.switches.values():
        switch.click()
        qtbot.wait(50)
        assert cut_off(at_size.window) == []
