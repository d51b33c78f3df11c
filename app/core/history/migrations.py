"""The schema of the history, as an append-only list of steps: never edit one that has shipped, add another."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable


def _conversations_and_messages(database: sqlite3.Connection) -> None:
    database.execute(
        """
        CREATE TABLE conversation (
            id TEXT PRIMARY KEY,
            title TEXT NOT NULL,
            created_at TEXT NOT NULL,
            updated_at TEXT NOT NULL
        ) STRICT
        """
    )
    database.execute(
        """
        CREATE TABLE message (
            id TEXT PRIMARY KEY,
            conversation_id TEXT NOT NULL REFERENCES conversation (id) ON DELETE CASCADE,
            position INTEGER NOT NULL,
            role TEXT NOT NULL CHECK (role IN ('user', 'assistant')),
            text TEXT NOT NULL,
            state TEXT NOT NULL CHECK (state IN ('streaming', 'complete', 'stopped', 'failed')),
            created_at TEXT NOT NULL,
            model TEXT,
            model_sha256 TEXT,
            completion_tokens INTEGER,
            tokens_per_second REAL,
            finish_reason TEXT,
            failure TEXT,
            UNIQUE (conversation_id, position)
        ) STRICT
        """
    )
    database.execute("CREATE INDEX conversation_by_time ON conversation (updated_at DESC)")


MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (_conversations_and_messages,)


def migrate(database: sqlite3.Connection, steps: tuple[Callable[[sqlite3.Connection], None], ...] = MIGRATIONS) -> None:
    """Bring a database up to date, one transaction a step, under a lock that other processes respect."""
    while True:
        database.execute("BEGIN IMMEDIATE")
        try:
            (version,) = database.execute("PRAGMA user_version").fetchone()
            if version < len(steps):
                steps[version](database)
                database.execute(f"PRAGMA user_version = {version + 1}")
        except BaseException:
            # SQLite may have rolled back by itself, on a full disk for instance.
            if database.in_transaction:
                database.execute("ROLLBACK")
            raise
        database.execute("COMMIT")
        if version >= len(steps):
            return
