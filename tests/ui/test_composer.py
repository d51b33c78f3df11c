from __future__ import annotations

import pytest
from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtGui import QInputMethodEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.core.limits import MAX_QUESTION_CHARACTERS
from app.ui.composer import Composer
from app.ui.theme import Theme


class Sent(list[str]):
    """The questions that were sent."""


@pytest.fixture
def composer(qtbot: QtBot, qapp: QApplication) -> Composer:
    composer = Composer(Theme(qapp, scale=1.0))
    qtbot.addWidget(composer)
    composer.resize(760, 120)
    composer.show()
    return composer


@pytest.fixture
def sent(composer: Composer) -> Sent:
    sent = Sent()
    composer.submitted.connect(sent.append)
    return sent


def input_method(composer: Composer, preedit: str, commit: str = "") -> None:
    event = QInputMethodEvent(preedit, [])
    event.setCommitString(commit)
    QCoreApplication.sendEvent(composer.text, event)


@pytest.mark.parametrize("key", [Qt.Key.Key_Return, Qt.Key.Key_Enter])
def test_enter_sends_the_question(composer: Composer, sent: Sent, qtbot: QtBot, key: Qt.Key) -> None:
    QTest.keyClicks(composer.text, " What is shock? ")
    QTest.keyClick(composer.text, key)
    assert sent == ["What is shock?"]


def test_shift_enter_breaks_the_line(composer: Composer, sent: Sent, qtbot: QtBot) -> None:
    QTest.keyClicks(composer.text, "one")
    QTest.keyClick(composer.text, Qt.Key.Key_Return, Qt.KeyboardModifier.ShiftModifier)
    QTest.keyClicks(composer.text, "two")
    assert sent == []
    assert composer.text.toPlainText() == "one\ntwo"
    QTest.keyClick(composer.text, Qt.Key.Key_Return)
    assert sent == ["one\ntwo"]


def test_enter_does_not_send_while_a_conversion_is_open(composer: Composer, sent: Sent, qtbot: QtBot) -> None:
    input_method(composer, "しんきんこうそく")
    QTest.keyClick(composer.text, Qt.Key.Key_Return)
    assert sent == []


def test_enter_that_confirms_a_conversion_does_not_send(composer: Composer, sent: Sent, qtbot: QtBot) -> None:
    input_method(composer, "しんきんこうそく")
    input_method(composer, "", "心筋梗塞")
    # Some input methods pass on the very key that confirmed.
    QTest.keyPress(composer.text, Qt.Key.Key_Return)
    assert sent == []
    assert composer.text.toPlainText() == "心筋梗塞"
    QTest.keyRelease(composer.text, Qt.Key.Key_Return)
    QTest.keyClick(composer.text, Qt.Key.Key_Return)
    assert sent == ["心筋梗塞"]


def test_enter_sends_after_an_input_method_kept_the_confirming_key(
    composer: Composer, sent: Sent, qtbot: QtBot
) -> None:
    input_method(composer, "しょっく")
    input_method(composer, "", "ショック")

    def enter_sends() -> None:
        QTest.keyPress(composer.text, Qt.Key.Key_Return)
        assert sent == ["ショック"]

    qtbot.waitUntil(lambda: _passes(enter_sends))


def _passes(check: object) -> bool:
    try:
        check()  # type: ignore[operator]
    except AssertionError:
        return False
    return True


def test_a_held_enter_sends_once(composer: Composer, sent: Sent, qtbot: QtBot) -> None:
    from PySide6.QtCore import QEvent
    from PySide6.QtGui import QKeyEvent

    QTest.keyClicks(composer.text, "question")
    none = Qt.KeyboardModifier.NoModifier
    for repeated in (False, True, True):
        press = QKeyEvent(QEvent.Type.KeyPress, Qt.Key.Key_Return.value, none, "\r", repeated)
        QCoreApplication.sendEvent(composer.text, press)
    assert sent == ["question"]


def test_a_blank_question_is_not_sent(composer: Composer, sent: Sent, qtbot: QtBot) -> None:
    QTest.keyClicks(composer.text, "   ")
    QTest.keyClick(composer.text, Qt.Key.Key_Return)
    assert sent == []
    assert not composer.send_button.isEnabled()


def test_while_blocked_one_can_type_but_not_send_and_reads_why(composer: Composer, sent: Sent, qtbot: QtBot) -> None:
    composer.set_state(busy=False, blocked="The model is loading.")
    QTest.keyClicks(composer.text, "question")
    QTest.keyClick(composer.text, Qt.Key.Key_Return)
    assert sent == []
    assert composer.text.toPlainText() == "question"
    assert composer.hint.text() == "The model is loading."
    assert composer.send_button.accessibleDescription() == "The model is loading."
    composer.set_state(busy=False, blocked="")
    QTest.keyClick(composer.text, Qt.Key.Key_Return)
    assert sent == ["question"]


def test_a_question_that_would_be_cut_is_not_sent(composer: Composer, sent: Sent) -> None:
    composer.text.setPlainText("あ" * (MAX_QUESTION_CHARACTERS + 1))
    composer.submit()
    assert sent == []
    assert "100,000" in composer.hint.text()


def test_stop_takes_the_place_of_send(composer: Composer, sent: Sent, qtbot: QtBot) -> None:
    composer.set_state(busy=True, blocked="")
    QTest.keyClicks(composer.text, "next question")
    QTest.keyClick(composer.text, Qt.Key.Key_Return)
    assert sent == []
    assert not composer.send_button.isVisible()
    with qtbot.waitSignal(composer.stop_requested):
        QTest.mouseClick(composer.stop_button, Qt.MouseButton.LeftButton)


def test_the_field_grows_with_its_lines_and_then_scrolls(composer: Composer) -> None:
    one = composer.text.height()
    composer.text.setPlainText("\n".join("abc"))
    three = composer.text.height()
    composer.text.setPlainText("\n" * 100)
    assert one < three < composer.text.height() < 10 * one


def test_pasted_formatting_is_left_behind(composer: Composer) -> None:
    from PySide6.QtCore import QMimeData

    data = QMimeData()
    data.setHtml("<b>bold</b><img src='file:///x.png'>")
    data.setText("bold")
    composer.text.insertFromMimeData(data)
    assert "font-weight" not in composer.text.toHtml().split("<body")[1].split("bold")[0].replace("font-weight:400", "")
    assert composer.text.toPlainText() == "bold"
