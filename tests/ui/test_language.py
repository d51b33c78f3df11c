from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from PySide6.QtCore import QLocale, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QLabel
from pytestqt.qtbot import QtBot

from app.core.language import Language
from app.ui.i18n import TRANSLATIONS, Translation, system_language
from tests.ui.stage import EXAMPLES, MODEL, Remembered, Stage, done

SOURCE = TRANSLATIONS / "inro_ja.ts"


def messages() -> Iterator[tuple[str, str, ElementTree.Element]]:
    """Context, source text and translation element of every text."""
    for context in ElementTree.parse(SOURCE).getroot().iter("context"):
        for message in context.iter("message"):
            translation = message.find("translation")
            assert translation is not None
            yield context.findtext("name", ""), message.findtext("source", ""), translation


def test_every_translation_is_finished() -> None:
    unfinished = [(c, s) for c, s, t in messages() if t.get("type") is not None or not (t.text or "").strip()]
    assert unfinished == []


def test_translations_keep_every_placeholder() -> None:
    for _, source, translation in messages():
        assert sorted(re.findall(r"\{\w+\}", source)) == sorted(re.findall(r"\{\w+\}", translation.text or ""))


@pytest.fixture
def shown(stage: Stage, qtbot: QtBot) -> Stage:
    stage.window.show()
    stage.inference.start()
    stage.engine.tell_load(MODEL)
    qtbot.waitUntil(lambda: stage.inference.state.phase == "ready")
    qtbot.waitUntil(lambda: "0" in stage.window.status_line.network.text())
    return stage


def test_the_language_switches_while_the_window_is_open(shown: Stage, qtbot: QtBot) -> None:
    stage = shown
    stage.chat.ask("What is shock?")
    stage.engine.tell("An answer.", done())
    qtbot.waitUntil(lambda: "tokens" in _texts(stage))
    english = _texts(stage)

    QTest.mouseClick(stage.window.side_bar.languages["ja"], Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "新しい質問" in _texts(stage))
    japanese = _texts(stage)
    japanese_words = ("質問", "今日", "送信", "コピー", "完了", "オフライン", "スレッド", "準備完了", "医師", "デモ用")
    for text in japanese_words:
        assert text in japanese
    for text in ["tokens", "Copy", "Today", "Send", "Offline", "ready", "Demonstration"]:
        assert text not in japanese
    assert stage.preferences.language == "ja"

    QTest.mouseClick(stage.window.side_bar.languages["en"], Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: _texts(stage) == english)
    assert stage.preferences.language == "en"


def test_the_examples_are_in_the_language_of_the_interface(shown: Stage, qtbot: QtBot) -> None:
    languages: tuple[Language, ...] = ("ja", "en")
    for language in languages:
        shown.translation.use(language)
        qtbot.waitUntil(partial(_shows_examples, shown, language))


Start = Callable[[Remembered], Translation]


@pytest.fixture
def start(qapp: QApplication, translations: Path) -> Iterator[Start]:
    """The translation as a start of the application makes it."""
    started: list[Translation] = []

    def begin(remembered: Remembered) -> Translation:
        started.append(Translation(qapp, remembered, translations))
        return started[-1]

    yield begin
    for translation in started:
        translation.use("en")


def test_the_choice_is_used_at_the_next_start(start: Start) -> None:
    remembered = Remembered("ja")
    first = start(remembered)
    assert first.language == "ja"
    assert QLocale().language() == QLocale.Language.Japanese
    first.use("en")
    assert start(remembered).language == "en"


def test_without_a_choice_the_language_is_the_desktops(start: Start) -> None:
    for unchosen in (None, "tlh"):
        assert start(Remembered(unchosen)).language == system_language()


def _shows_examples(stage: Stage, language: Language) -> bool:
    return tuple(button.question for button in stage.page.empty.examples) == EXAMPLES[language]


def _texts(stage: Stage) -> str:
    """Everything written in the window, without what the person and the model wrote."""
    history = stage.window.history.model()
    texts = [history.index(0, 0).data() or "", stage.composer.text.placeholderText(), stage.window.windowTitle()]
    texts += [label.text() for label in stage.window.findChildren(QLabel) if label.isVisible()]
    texts += [button.text() for button in stage.window.findChildren(QAbstractButton) if button.isVisible()]
    return "\n".join(texts)
