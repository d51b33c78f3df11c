"""Questions and answers on disk, in SQLite: what a method returns from is saved, even if the power fails next.

Several processes (the window, `inro ask`) may use one file at a time, and one store may be used from several threads.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from app.core.errors import MachineError
from app.core.history.migrations import MIGRATIONS, migrate

Role = Literal["user", "assistant"]
State = Literal["streaming", "complete", "stopped", "failed"]

_TITLE_LENGTH = 60
_BUSY_SECONDS = 10.0
_LATEST_MESSAGES = 2000


@dataclass(frozen=True)
class ModelIdentity:
    """What an answer is recorded under."""

    name: str
    sha256: str | None


@dataclass(frozen=True)
class Message:
    """`failure` is the code of what ended a failed answer; the figures are known once an answer is complete."""

    id: str
    conversation_id: str
    role: Role
    text: str
    state: State
    created_at: datetime
    model: str | None = None
    model_sha256: str | None = None
    completion_tokens: int | None = None
    tokens_per_second: float | None = None
    finish_reason: str | None = None
    """Why the engine ended it: stop, length (cut at its limit) or cancelled."""
    failure: str | None = None


@dataclass(frozen=True)
class ConversationSummary:
    id: str
    title: str
    updated_at: datetime


@dataclass(frozen=True)
class Conversation:
    id: str
    title: str
    messages: tuple[Message, ...]


class HistoryError(MachineError):
    """The history cannot be read or written: nothing is shown as sent that could not be saved."""


class HistoryStore:
    """Opens, and makes where needed, the history at `path`. Raises HistoryError, as every method does."""

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, threading.RLock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            # Other users of the machine must not read what clinicians ask.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            self._database = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
            for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "secure_delete = ON"):
                self._database.execute(f"PRAGMA {pragma}")
            if self._version() > len(MIGRATIONS):
                raise HistoryError(f"The history at {path} was written by a newer version of Inro.")
            migrate(self._database)
        except (OSError, sqlite3.Error) as error:
            raise HistoryError(f"The history at {path} cannot be opened: {error}.") from error

    def close(self) -> None:
        with self._lock:
            self._database.close()

    def add_question(self, conversation_id: str | None, text: str) -> Message:
        """Save a question, in a new conversation if `conversation_id` is None."""
        now = datetime.now(UTC)
        with self._transaction() as database:
            if conversation_id is None:
                conversation_id = _new_id()
                values = (conversation_id, _title(text), now.isoformat(), now.isoformat())
                database.execute("INSERT INTO conversation VALUES (?, ?, ?, ?)", values)
            message = Message(_new_id(), conversation_id, "user", text, "complete", now)
            self._insert(database, message)
        return message

    def begin_answer(self, conversation_id: str, model: ModelIdentity) -> Message:
        """Save an empty answer that will be extended."""
        message = Message(
            id=_new_id(),
            conversation_id=conversation_id,
            role="assistant",
            text="",
            state="streaming",
            created_at=datetime.now(UTC),
            model=model.name,
            model_sha256=model.sha256,
        )
        with self._transaction() as database:
            self._insert(database, message)
        return message

    def extend_answer(self, message_id: str, text: str) -> None:
        with self._transaction() as database:
            database.execute("UPDATE message SET text = text || ? WHERE id = ?", (text, message_id))

    def end_answer(
        self,
        message_id: str,
        state: State,
        *,
        completion_tokens: int | None = None,
        tokens_per_second: float | None = None,
        finish_reason: str | None = None,
        failure: str | None = None,
    ) -> Message:
        """Close an answer and return it as it is saved."""
        values = (state, completion_tokens, tokens_per_second, finish_reason, failure, message_id)
        with self._transaction() as database:
            database.execute(
                "UPDATE message SET state = ?, completion_tokens = ?, tokens_per_second = ?, finish_reason = ?, "
                "failure = ? WHERE id = ?",
                values,
            )
            row = database.execute(f"SELECT {_COLUMNS} FROM message WHERE id = ?", (message_id,)).fetchone()
        return _message(row)

    def conversation(self, conversation_id: str) -> Conversation | None:
        with self._transaction() as database:
            head = database.execute("SELECT id, title FROM conversation WHERE id = ?", (conversation_id,)).fetchone()
            rows = database.execute(
                f"SELECT {_COLUMNS} FROM message WHERE conversation_id = ? ORDER BY position", (conversation_id,)
            ).fetchall()
        return Conversation(head[0], head[1], tuple(map(_message, rows))) if head else None

    def conversations(self, limit: int = 500) -> list[ConversationSummary]:
        """The latest first."""
        with self._transaction() as database:
            rows = database.execute(
                "SELECT id, title, updated_at FROM conversation ORDER BY updated_at DESC, rowid DESC LIMIT ?", (limit,)
            ).fetchall()
        return [ConversationSummary(row[0], row[1], datetime.fromisoformat(row[2])) for row in rows]

    def speeds(self, answers: int = 20) -> dict[str, float]:
        """Tokens a second by the model's SHA-256: the median of its latest complete `answers`."""
        import statistics  # 8 ms, which the start of the window need not wait for

        try:
            with self._lock:  # Only read, and no further back than is soon done.
                rows = self._database.execute(
                    "SELECT model_sha256, tokens_per_second FROM message ORDER BY rowid DESC LIMIT ?",
                    (_LATEST_MESSAGES,),
                ).fetchall()
        except sqlite3.Error as error:
            raise HistoryError(f"The history at {self._path} cannot be used: {error}.") from error
        found: dict[str, list[float]] = {}
        for sha256, speed in rows:
            if sha256 is not None and speed is not None and len(found.setdefault(sha256, [])) < answers:
                found[sha256].append(speed)
        return {sha256: statistics.median(values) for sha256, values in found.items() if values}

    def _insert(self, database: sqlite3.Connection, message: Message) -> None:
        database.execute(
            f"INSERT INTO message ({_COLUMNS}, position) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
            "(SELECT COALESCE(MAX(position), 0) + 1 FROM message WHERE conversation_id = ?))",
            (
                message.id,
                message.conversation_id,
                message.role,
                message.text,
                message.state,
                message.created_at.isoformat(),
                message.model,
                message.model_sha256,
                message.completion_tokens,
                message.tokens_per_second,
                message.finish_reason,
                message.failure,
                message.conversation_id,
            ),
        )
        database.execute(
            "UPDATE conversation SET updated_at = ? WHERE id = ?",
            (message.created_at.isoformat(), message.conversation_id),
        )

    def _version(self) -> int:
        return int(self._database.execute("PRAGMA user_version").fetchone()[0])

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                self._database.execute("BEGIN IMMEDIATE")
                try:
                    yield self._database
                except BaseException:
                    self._database.execute("ROLLBACK")
                    raise
                self._database.execute("COMMIT")
            except sqlite3.Error as error:
                raise HistoryError(f"The history at {self._path} cannot be used: {error}.") from error


_COLUMNS = (
    "id, conversation_id, role, text, state, created_at, model, model_sha256, completion_tokens, tokens_per_second, "
    "finish_reason, failure"
)


def _message(row: tuple[Any, ...]) -> Message:
    values = dict(zip(_COLUMNS.split(", "), row, strict=True))
    return Message(**{**values, "created_at": datetime.fromisoformat(values["created_at"])})


def _new_id() -> str:
    return os.urandom(16).hex()


def _title(question: str) -> str:
    line = " ".join(question.split())
    return line if len(line) <= _TITLE_LENGTH else line[: _TITLE_LENGTH - 1] + "…"
