"""Processes killed in the act: what was acknowledged is on the disk, and the next question works."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from app.core.asking import AnswerEnded, AnswerExtended, Options, QuestionSaved, Step, ask
from app.core.engine.client import EngineClient, EngineError
from app.core.engine.protocol import Reading
from app.core.history.store import HistoryStore, ModelIdentity
from app.core.paths import Paths
from tests.ended import wait_for_end

KILLS = 20
MODEL = ModelIdentity("slower", None)


def kill(engine: EngineClient) -> None:
    assert engine.pid is not None
    os.kill(engine.pid, signal.SIGKILL)


def ask_and_kill(
    engine: EngineClient, store: HistoryStore, question: str, moment: Callable[[Step], bool]
) -> tuple[str, AnswerEnded]:
    """The text that was shown, and how the answer ended; the worker is killed at the first step that is `moment`."""
    shown, killed = "", False
    for step in ask(engine, store, MODEL, question, options=Options(max_tokens=2000)):
        if isinstance(step, AnswerExtended):
            shown += step.text
        if not killed and moment(step):
            kill(engine)
            killed = True
        if isinstance(step, AnswerEnded):
            return shown, step
    raise AssertionError("unreachable")


def saved(home: Paths) -> list[tuple[str, str, str]]:
    """Role, text and state of every message, read past the store."""
    with sqlite3.connect(home.history) as database:
        return database.execute("SELECT role, text, state FROM message ORDER BY rowid").fetchall()


def test_killed_while_loading(engine: EngineClient, slower_model: Path, tiny_model: Path) -> None:
    for _ in range(KILLS):
        with pytest.raises(EngineError) as error:
            engine.load(slower_model, on_progress=lambda _: kill(engine) if engine.pid else None)
        assert error.value.failure.code == "worker_died"
        assert "SIGKILL" in error.value.failure.message
    assert engine.load(slower_model).name == "slower"


@pytest.mark.parametrize("phase", ["reading", "answering"])
def test_killed_while_reading_or_answering(
    engine: EngineClient, store: HistoryStore, home: Paths, slower_model: Path, phase: str
) -> None:
    engine.load(slower_model)
    for number in range(KILLS):
        if phase == "reading":
            question = f"{number}" + " fever" * 300
            shown, ended = ask_and_kill(engine, store, question, lambda step: isinstance(step, Reading))
        else:
            question = f"question {number}"
            shown, ended = ask_and_kill(engine, store, question, lambda step: isinstance(step, AnswerExtended))
            assert shown
        assert ended.failed is not None
        assert ended.failed.code == "worker_died"
        assert saved(home)[-2:] == [("user", question, "complete"), ("assistant", shown, "failed")]
    # The next question starts a worker with the same model by itself.
    *_, last = ask(engine, store, MODEL, "and now?", options=Options(max_tokens=3))
    assert isinstance(last, AnswerEnded)
    assert last.message.state == "complete"
    assert len(saved(home)) == 2 * (KILLS + 1)


def test_the_application_killed_while_answering_loses_nothing_it_printed(home: Paths, tiny_model: Path) -> None:
    command = [sys.executable, "-m", "app.cli", "ask", "--model", str(tiny_model), "--max-tokens", "3000"]
    for number in range(KILLS):
        with subprocess.Popen([*command, f"question {number}"], stdout=subprocess.PIPE) as application:
            assert application.stdout
            printed = application.stdout.read(1 + number * 3)
            (worker,) = psutil.Process(application.pid).children()
            application.kill()
            printed += application.stdout.read()
        assert saved(home)[-2][:2] == ("user", f"question {number}")
        role, text, _ = saved(home)[-1]
        assert role == "assistant"
        assert text.startswith(printed.decode())
        wait_for_end(worker)


def test_a_question_is_saved_before_it_is_told(engine: EngineClient, store: HistoryStore, home: Paths) -> None:
    # No model is loaded: the engine fails after the question was taken.
    first, *_, last = ask(engine, store, MODEL, "question")
    assert isinstance(first, QuestionSaved)
    assert isinstance(last, AnswerEnded)
    assert last.failed is not None
    assert last.failed.code == "no_model"
    assert saved(home) == [("user", "question", "complete"), ("assistant", "", "failed")]
