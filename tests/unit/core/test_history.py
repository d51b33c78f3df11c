"""The history: what it keeps, in which order, and what it does when it cannot."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from app.core.asking import turns
from app.core.engine.protocol import Turn
from app.core.history.migrations import MIGRATIONS, migrate
from app.core.history.store import HistoryError, HistoryStore, ModelIdentity
from app.core.paths import Paths


def test_a_conversation_comes_back_as_it_was(store: HistoryStore, home: Paths) -> None:
    question = store.add_question(None, "熱の原因は？")
    answer = store.begin_answer(question.conversation_id, ModelIdentity("demo", "ab" * 32))
    store.extend_answer(answer.id, "感染")
    store.extend_answer(answer.id, "症です。")
    ended = store.end_answer(answer.id, "complete", completion_tokens=4, tokens_per_second=8.5)
    assert (ended.text, ended.state, ended.model, ended.tokens_per_second) == ("感染症です。", "complete", "demo", 8.5)
    with_second = HistoryStore(home.history)
    conversation = with_second.conversation(question.conversation_id)
    with_second.close()
    assert conversation is not None
    assert conversation.messages == (question, ended)
    assert conversation.title == "熱の原因は？"


def test_the_latest_conversation_comes_first(store: HistoryStore) -> None:
    first = store.add_question(None, "one")
    second = store.add_question(None, "two")
    assert [summary.title for summary in store.conversations()] == ["two", "one"]
    store.add_question(first.conversation_id, "again")
    assert [summary.id for summary in store.conversations()] == [first.conversation_id, second.conversation_id]


def test_a_long_question_has_a_short_title_on_one_line(store: HistoryStore) -> None:
    store.add_question(None, "first line\nsecond " + "x" * 200)
    (summary,) = store.conversations()
    assert summary.title.startswith("first line second xxx")
    assert len(summary.title) == 60


def test_every_commit_reaches_the_disk_before_it_returns(store: HistoryStore, home: Paths) -> None:
    assert sqlite3.connect(home.history).execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert store._database.execute("PRAGMA synchronous").fetchone() == (2,)


def test_other_users_cannot_read_it(store: HistoryStore, home: Paths) -> None:
    assert home.history.stat().st_mode & 0o077 == 0


def test_the_model_is_told_only_questions_that_were_answered(store: HistoryStore) -> None:
    question = store.add_question(None, "one")
    conversation_id = question.conversation_id
    failed = store.begin_answer(conversation_id, ModelIdentity("demo", None))
    store.end_answer(failed.id, "failed", failure="worker_died")
    store.add_question(conversation_id, "two")
    answered = store.begin_answer(conversation_id, ModelIdentity("demo", None))
    store.extend_answer(answered.id, "yes")
    store.end_answer(answered.id, "stopped")
    conversation = store.conversation(conversation_id)
    assert conversation is not None
    assert turns(conversation) == [Turn("user", "two"), Turn("assistant", "yes")]


def test_every_schema_since_the_first_is_brought_up_to_date(tmp_path: Path) -> None:
    for version in range(len(MIGRATIONS) + 1):
        path = tmp_path / f"{version}.sqlite3"
        database = sqlite3.connect(path, isolation_level=None)
        migrate(database, MIGRATIONS[:version])
        database.close()
        store = HistoryStore(path)
        store.add_question(None, "still works")
        store.close()


def test_a_history_from_the_future_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "future.sqlite3"
    with sqlite3.connect(path) as database:
        database.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    with pytest.raises(HistoryError, match="newer version"):
        HistoryStore(path)


@pytest.mark.parametrize("damage", ["junk", "folder"])
def test_a_history_that_cannot_be_opened_says_so(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "history.sqlite3"
    path.mkdir() if damage == "folder" else path.write_bytes(b"no database " * 1000)
    with pytest.raises(HistoryError, match="cannot be opened"):
        HistoryStore(path)


def test_the_speed_of_a_model_is_the_median_of_its_latest_answers(home: Paths) -> None:
    store = HistoryStore(home.history)
    question = store.add_question(None, "What is shock?")
    for speed in (100.0, 3.0, 4.0, 5.0):
        answer = store.begin_answer(question.conversation_id, ModelIdentity("one", "1" * 64))
        store.end_answer(answer.id, "complete", completion_tokens=10, tokens_per_second=speed)
    stopped = store.begin_answer(question.conversation_id, ModelIdentity("two", "2" * 64))
    store.end_answer(stopped.id, "stopped")
    assert store.speeds(answers=3) == {"1" * 64: 4.0}
    store.close()
