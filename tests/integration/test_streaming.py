"""Long answers through the real worker and real signals: nothing is lost, nothing is shown before it is saved."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from pytestqt.qtbot import QtBot

from app.core.asking import Options
from app.core.engine.client import EngineClient
from app.core.history.store import HistoryStore, Message, ModelIdentity
from app.core.paths import Paths
from app.services.chat import ChatService
from tests.tiny_models import tiny_gguf

PIECES = 20_000
MODEL = ModelIdentity("tiny", None)


@pytest.fixture
def chat(engine: EngineClient, store: HistoryStore) -> Iterator[ChatService]:
    service = ChatService(lambda: engine, store, lambda: MODEL, Options(max_tokens=PIECES))
    yield service
    service.close()


def test_an_answer_of_20000_pieces_arrives_whole(
    qtbot: QtBot, chat: ChatService, engine: EngineClient, home: Paths, tmp_path: Path
) -> None:
    engine.load(tiny_gguf(tmp_path / "long.gguf", context_length=32_768, heads=1), context_length=24_000, threads=1)
    shown: list[str] = []
    ends: list[Message] = []
    chat.answer_extended.connect(lambda _, text: shown.append(text))
    chat.answer_finished.connect(ends.append)
    with qtbot.waitSignal(chat.answer_finished, timeout=240_000):
        chat.ask("question")
    (end,) = ends
    assert (end.state, end.completion_tokens) == ("complete", PIECES)
    assert "".join(shown) == end.text
    assert len(end.text) == PIECES
    with sqlite3.connect(home.history) as database:
        assert database.execute("SELECT text FROM message WHERE role = 'assistant'").fetchone() == (end.text,)


def test_20000_signals_from_another_thread_arrive_in_order(qtbot: QtBot, chat: ChatService) -> None:
    # PySide6 6.12.0 on CPython 3.11 aborts after about 600.
    received: list[str] = []
    chat.answer_extended.connect(lambda _, text: received.append(text))

    def emit() -> None:
        for number in range(PIECES):
            chat.answer_extended.emit("id", str(number))

    thread = threading.Thread(target=emit)
    thread.start()
    qtbot.waitUntil(lambda: len(received) == PIECES, timeout=60_000)
    thread.join()
    assert received == [str(number) for number in range(PIECES)]


def test_what_is_shown_is_saved_already(
    qtbot: QtBot, chat: ChatService, engine: EngineClient, home: Paths, tiny_model: Path
) -> None:
    engine.load(tiny_model)
    shown: list[str] = []
    behind: list[tuple[str, str]] = []

    def check(_: str, text: str) -> None:
        shown.append(text)
        with sqlite3.connect(home.history) as database:
            (saved,) = database.execute("SELECT text FROM message WHERE role = 'assistant'").fetchone()
        if not saved.startswith("".join(shown)):
            behind.append(("".join(shown), saved))

    chat.answer_extended.connect(check)
    with qtbot.waitSignal(chat.answer_finished, timeout=60_000):
        chat.ask("question")
        qtbot.waitUntil(lambda: len(shown) > 20, timeout=30_000)
        chat.stop()
    assert behind == []


def test_stop_ends_an_answer_and_keeps_what_was_written(
    qtbot: QtBot, chat: ChatService, engine: EngineClient, slower_model: Path
) -> None:
    engine.load(slower_model)
    ends: list[Message] = []
    chat.answer_finished.connect(ends.append)
    chat.answer_extended.connect(lambda *_: chat.stop())
    with qtbot.waitSignal(chat.answer_finished, timeout=60_000):
        chat.ask("question")
    assert ends[0].state == "stopped"
    assert ends[0].text
    assert not chat.busy


def test_leaving_a_conversation_stops_its_answer_and_hears_no_more_of_it(
    qtbot: QtBot, chat: ChatService, engine: EngineClient, store: HistoryStore, slower_model: Path
) -> None:
    engine.load(slower_model)
    with qtbot.waitSignal(chat.answer_extended, timeout=60_000):
        chat.ask("first question")
    heard: list[str] = []
    chat.new_conversation()
    chat.answer_extended.connect(lambda _, text: heard.append(text))
    chat.question_saved.connect(lambda message: heard.append(message.text))
    with qtbot.waitSignal(chat.answer_extended, timeout=60_000):
        chat.ask("second question")
    assert heard[0] == "second question"
    first = store.conversation(store.conversations()[1].id)
    assert first is not None
    assert first.messages[1].state == "stopped"
    assert first.messages[1].text
