from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QListView, QTextEdit, QWidget
from pytestqt.qtbot import QtBot

from app.core.engine.protocol import Failed, Reading
from app.ui.message import AnswerView, QuestionView
from tests.ui.stage import EXAMPLES, MODEL, Stage, done


@pytest.fixture
def ready(stage: Stage, qtbot: QtBot) -> Stage:
    """The window with a model loaded."""
    stage.window.resize(1280, 800)
    stage.window.show()
    stage.inference.start()
    stage.engine.tell_load(MODEL)
    qtbot.waitUntil(lambda: stage.inference.state.phase == "ready")
    return stage


def ask(stage: Stage, qtbot: QtBot, question: str) -> AnswerView:
    """Type the question, press Enter, and return the answer that begins."""
    before = len(answers(stage))
    stage.composer.text.setPlainText(question)
    QTest.keyClick(stage.composer.text, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: len(answers(stage)) == before + 1)
    return answers(stage)[-1]


def answers(stage: Stage) -> list[AnswerView]:
    return [view for view in stage.page.transcript.findChildren(AnswerView) if not view.isHidden()]


def questions(stage: Stage) -> list[QuestionView]:
    return [view for view in stage.page.transcript.findChildren(QuestionView) if not view.isHidden()]


def finish(stage: Stage, qtbot: QtBot) -> None:
    stage.engine.tell(done())
    qtbot.waitUntil(lambda: not stage.chat.busy)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every piece is saved and shown when it comes, so that a test can stop between two of them."""
    monkeypatch.setattr("app.core.asking.SAVE_SECONDS", 0.0)


@pytest.mark.usefixtures("at_once")
def test_a_question_is_answered_in_the_window(ready: Stage, qtbot: QtBot) -> None:
    answer = ask(ready, qtbot, "What is shock?")
    assert ready.composer.text.toPlainText() == ""
    assert [view.text.toPlainText() for view in questions(ready)] == ["What is shock?"]
    ready.engine.tell("Shock is ", "**inadequate** perfusion.")
    qtbot.waitUntil(lambda: "inadequate perfusion" in answer.text.toPlainText())
    assert answer.writing
    finish(ready, qtbot)
    assert answer.text.toPlainText() == "Shock is inadequate perfusion."
    assert answer.facts.text() == "312 tokens · 8.4 tok/s · complete"
    assert ready.window.status_line.speed.text() == "8.4 tok/s"


def test_the_history_holds_what_the_window_shows(ready: Stage, qtbot: QtBot) -> None:
    ask(ready, qtbot, "What is shock?")
    ready.engine.tell("An answer.")
    finish(ready, qtbot)
    (summary,) = ready.store.conversations()
    saved = ready.store.conversation(summary.id)
    assert saved
    assert [(m.role, m.text, m.state) for m in saved.messages] == [
        ("user", "What is shock?", "complete"),
        ("assistant", "An answer.", "complete"),
    ]
    assert ready.page.title.text() == "What is shock?"


@pytest.mark.usefixtures("at_once")
def test_stop_keeps_what_was_written(ready: Stage, qtbot: QtBot) -> None:
    answer = ask(ready, qtbot, "What is shock?")
    ready.engine.tell("Shock is")
    qtbot.waitUntil(lambda: "Shock is" in answer.text.toPlainText())
    QTest.mouseClick(ready.composer.stop_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not ready.chat.busy)
    assert answer.text.toPlainText() == "Shock is"
    assert "stopped" in answer.facts.text()
    assert ready.composer.send_button.isVisible()


def test_escape_stops(ready: Stage, qtbot: QtBot) -> None:
    answer = ask(ready, qtbot, "What is shock?")
    QTest.keyClick(ready.composer.text, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: not ready.chat.busy)
    assert "stopped" in answer.facts.text()


def test_an_example_is_asked_by_one_click(ready: Stage, qtbot: QtBot) -> None:
    ready.composer.text.setPlainText("something half written")
    example = ready.page.empty.examples[1]
    assert example.question == EXAMPLES["en"][1]
    QTest.mouseClick(example, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: bool(answers(ready)))
    assert questions(ready)[0].text.toPlainText() == EXAMPLES["en"][1]
    assert not ready.page.empty.isVisible()
    assert ready.composer.text.toPlainText() == "something half written"


def test_the_demonstration_banner_stays(ready: Stage, qtbot: QtBot) -> None:
    banner = ready.page.demonstration
    assert banner.isVisible()
    assert "not for clinical use" in banner.text()
    ask(ready, qtbot, "What is shock?")
    finish(ready, qtbot)
    ready.window.new_question()
    assert banner.isVisible()
    assert ready.page.advice.isVisible()


def test_another_model_has_no_demonstration_banner(stage: Stage, qtbot: QtBot) -> None:
    stage.demonstration = False
    stage.window.show()
    stage.inference.start()
    stage.engine.tell_load(MODEL)
    qtbot.waitUntil(lambda: stage.inference.state.phase == "ready")
    assert not stage.page.demonstration.isVisible()
    assert stage.page.advice.isVisible()


def test_while_the_model_loads_one_can_write_and_sees_how_far_it_is(stage: Stage, qtbot: QtBot) -> None:
    stage.window.show()
    stage.inference.start()
    stage.engine.tell_load(0.42)
    qtbot.waitUntil(lambda: "42 %" in stage.page.engine.label.text())
    stage.composer.text.setPlainText("What is shock?")
    QTest.keyClick(stage.composer.text, Qt.Key.Key_Return)
    assert not stage.chat.busy
    assert "42 %" in stage.composer.hint.text()
    assert "42 %" in stage.window.status_line.model.text()
    assert not stage.page.empty.examples[0].isEnabled()
    stage.engine.tell_load(MODEL)
    qtbot.waitUntil(lambda: not stage.page.engine.isVisible())
    assert stage.composer.text.toPlainText() == "What is shock?"
    assert stage.composer.send_button.isEnabled()


def test_a_model_that_does_not_load_says_why_and_restarts(stage: Stage, qtbot: QtBot) -> None:
    stage.window.show()
    stage.inference.start()
    failure = Failed(
        code="not_enough_memory", message="No memory.", needed_bytes=5_400_000_000, free_bytes=3_100_000_000
    )
    stage.engine.tell_load(failure)
    qtbot.waitUntil(lambda: stage.page.engine.failure.isVisible())
    assert "5.4 GB" in stage.page.engine.failure.text()
    assert "3.1 GB" in stage.page.engine.failure.text()
    QTest.mouseClick(stage.page.engine.failure.action, Qt.MouseButton.LeftButton)
    stage.engine.tell_load(MODEL)
    qtbot.waitUntil(lambda: stage.inference.state.phase == "ready")
    assert not stage.page.engine.isVisible()


def test_a_failed_answer_says_why_and_can_be_asked_again(ready: Stage, qtbot: QtBot) -> None:
    answer = ask(ready, qtbot, "What is shock?")
    ready.engine.tell("Shock is ", Failed(code="worker_died", message="The worker ended."))
    qtbot.waitUntil(lambda: answer.failure.isVisible())
    assert "ended unexpectedly" in answer.failure.text()
    assert answer.text.toPlainText() == "Shock is"
    QTest.mouseClick(answer.failure.action, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: len(answers(ready)) == 2)
    assert [view.text.toPlainText() for view in questions(ready)] == ["What is shock?"] * 2
    ready.engine.tell("Inadequate perfusion.")
    finish(ready, qtbot)
    assert answers(ready)[1].text.toPlainText() == "Inadequate perfusion."


def test_a_question_too_long_is_not_offered_again(ready: Stage, qtbot: QtBot) -> None:
    answer = ask(ready, qtbot, "What is shock?")
    ready.engine.tell(Failed(code="prompt_too_long", message="Too long."))
    qtbot.waitUntil(lambda: answer.failure.isVisible())
    assert not answer.failure.action.isVisible()


def test_reading_a_long_question_shows_how_far_it_is(ready: Stage, qtbot: QtBot) -> None:
    answer = ask(ready, qtbot, "What is shock?")
    ready.engine.tell(Reading(id=1, done_tokens=512, total_tokens=1204))
    qtbot.waitUntil(lambda: answer.reading_label.isVisible())
    assert answer.reading_label.text() == "Reading the question: 512 of 1,204 tokens"
    ready.engine.tell("Shock")
    finish(ready, qtbot)
    assert not answer.reading_label.isVisible()


def test_a_question_that_cannot_be_saved_stays_in_the_question_box(ready: Stage, qtbot: QtBot) -> None:
    ready.store.close()
    ready.composer.text.setPlainText("What is shock?")
    QTest.keyClick(ready.composer.text, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: ready.page.save_failure.isVisible())
    assert questions(ready) == []
    assert ready.composer.text.toPlainText() == "What is shock?"
    assert "could not be saved" in ready.page.save_failure.text()
    qtbot.waitUntil(ready.composer.send_button.isVisible)


def test_copy_takes_the_markdown(ready: Stage, qtbot: QtBot) -> None:
    answer = ask(ready, qtbot, "What is shock?")
    ready.engine.tell("**Inadequate** perfusion.")
    finish(ready, qtbot)
    QTest.mouseClick(answer.copy_button, Qt.MouseButton.LeftButton)
    assert QGuiApplication.clipboard().text() == "**Inadequate** perfusion."
    assert answer.copy_button.text() == "Copied"


@pytest.mark.usefixtures("at_once")
def test_the_page_follows_the_answer_only_at_its_end(ready: Stage, qtbot: QtBot) -> None:
    bar = ready.page.transcript.verticalScrollBar()
    answer = ask(ready, qtbot, "Tell me everything.")
    ready.engine.tell("\n\n".join(f"paragraph {i}" for i in range(100)))
    qtbot.waitUntil(lambda: "paragraph 99" in answer.written)
    ready.engine.tell("\n\nend of part one")
    qtbot.waitUntil(lambda: bar.maximum() > 1000 and bar.value() == bar.maximum())

    bar.setValue(100)
    before = bar.maximum()
    ready.engine.tell("\n\n" + "\n\n".join(f"further {i}" for i in range(100)))
    finish(ready, qtbot)
    qtbot.waitUntil(lambda: bar.maximum() > before)
    assert bar.value() == 100
    assert answer.text.height() >= answer.text.document().size().height()


def test_a_conversation_goes_on_and_a_new_one_begins(ready: Stage, qtbot: QtBot) -> None:
    for question in ("one", "two"):
        ask(ready, qtbot, question)
        ready.engine.tell("yes")
        finish(ready, qtbot)
    assert len(ready.store.conversations()) == 1
    QTest.keyClick(ready.window, Qt.Key.Key_N, Qt.KeyboardModifier.ControlModifier)
    assert answers(ready) == []
    assert ready.page.title.text() == "New question"
    ask(ready, qtbot, "three")
    ready.engine.tell("yes")
    finish(ready, qtbot)
    assert [summary.title for summary in ready.store.conversations()] == ["three", "one"]


def test_an_earlier_conversation_opens_from_the_history(ready: Stage, qtbot: QtBot) -> None:
    ask(ready, qtbot, "first question")
    ready.engine.tell("**first** answer")
    finish(ready, qtbot)
    ready.window.new_question()
    history = ready.window.history
    model = history.model()
    assert [model.index(row, 0).data() for row in range(model.rowCount())] == ["Today", "first question"]
    index = model.index(1, 0)
    QTest.mouseClick(history.viewport(), Qt.MouseButton.LeftButton, pos=history.visualRect(index).center())
    qtbot.waitUntil(lambda: [view.text.toPlainText() for view in questions(ready)] == ["first question"])
    assert [view.text.toPlainText() for view in answers(ready)] == ["first answer"]
    assert ready.page.title.text() == "first question"
    assert history.currentIndex().row() == 1


def test_every_control_has_a_name_for_a_screen_reader(ready: Stage, qtbot: QtBot) -> None:
    ask(ready, qtbot, "What is shock?")
    ready.engine.tell("An answer.")
    finish(ready, qtbot)
    kinds: tuple[type[QWidget], ...] = (QAbstractButton, QTextEdit, QListView)
    for kind in kinds:
        for control in (control for control in ready.window.findChildren(kind) if control.isVisible()):
            name = control.accessibleName() or (control.text() if isinstance(control, QAbstractButton) else "")
            assert name, control


def test_the_question_box_has_the_keyboard_at_the_start(ready: Stage) -> None:
    assert ready.window.focusWidget() is ready.composer.text


def test_thousands_of_pieces_arrive_whole(ready: Stage, qtbot: QtBot) -> None:
    answer = ask(ready, qtbot, "Count.")
    pieces = [f"{i} " for i in range(20_000)]
    ready.engine.tell(*pieces)
    ready.engine.tell(done())
    qtbot.waitUntil(lambda: not ready.chat.busy, timeout=60_000)
    assert answer.written == "".join(pieces)
