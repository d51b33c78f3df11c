"""The backend of runs with the real worker: texts of any size, and a worker that dies before anything is computed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from pathlib import Path

import pytest

from app.core.engine.tool_client import ToolClient
from evaluation.runs.backend import Decoding, Prompt, Question, Refused, Scored, Written
from evaluation.runs.engine_backend import EngineBackend
from evaluation.runs.records import RunEngine, RunModel

pytestmark = pytest.mark.usefixtures("home")

# The real worker, in which a word is deadly to what is called before and after it.
DYING = """
import os, runpy, signal, sys
from app.core.engine import sequences, tools
def deadly(kind, name, harmful):
    method = getattr(kind, name)
    def call(self, *arguments):
        if harmful(*arguments):
            os.kill(os.getpid(), signal.SIGKILL)
        return method(self, *arguments)
    setattr(kind, name, call)
def poison(texts):
    return any("POISON" in (text or "") for text in texts)
{}
from app.core.engine import worker
worker.main()
"""
IN_TOKENIZING = 'deadly(tools.Tools, "encode", lambda request: poison(one.prompt for one in request.conversations))'
TOGETHER = 'deadly(sequences.SequenceContext, "score", lambda prefix, asked, together, abort: together)'


def prompt(number: int, text: str = "water") -> Prompt:
    return Prompt(text=f"{text} {number}, a or b? ")


def question(number: int, text: str = "water") -> Question:
    return Question(prompt(number, text), ("a", "b"))


@contextmanager
def backend(model: Path, death: str | None = None) -> Iterator[EngineBackend]:
    command = None if death is None else [sys.executable, "-P", "-c", _with_the_project(DYING.format(death))]
    with ToolClient(command) as engine:
        info = engine.load(model, threads=1)
        yield EngineBackend(engine, info, RunModel(file="tiny", sha256=""), RunEngine())


def _with_the_project(script: str) -> str:
    return f"import sys; sys.path.insert(0, {str(Path.cwd())!r})\n{script}"


def test_questions_of_megabytes_are_too_long_and_the_others_are_answered(tiny_model: Path) -> None:
    # Two that are too much for one request, and one that is too much even alone.
    asked = [question(1), question(2, "x" * 700_000), question(3, "y" * 800_000), question(4, "z" * 2_000_000)]
    with backend(tiny_model) as tiny:
        assert [place for group in tiny.groups([[one] for one in asked], None) for place in group] == list(range(4))
        first, *others = tiny.score(asked)
        assert isinstance(first, Scored)
        for other in others:
            assert isinstance(other, Refused)
            assert other.status == "too_long"
        assert isinstance(tiny.write([prompt(1)], Decoding(max_tokens=4))[0], Written)


def test_a_question_that_kills_the_tokenizer_is_refused_and_the_others_are_answered(tiny_model: Path) -> None:
    asked = [question(number, "POISON" if number == 2 else "water") for number in range(4)]
    with backend(tiny_model, IN_TOKENIZING) as dying:
        dying.share([one.prompt for one in asked])
        assert dying.largest_difference(asked) < 0.05
        outcomes = dying.score(asked)
    assert [type(outcome) for outcome in outcomes] == [Scored, Scored, Refused, Scored]


def test_a_model_that_fails_at_questions_together_is_told_to_be_asked_one_by_one(tiny_model: Path) -> None:
    with backend(tiny_model, TOGETHER) as dying:
        assert dying.largest_difference([question(1), question(2)]) == inf
        dying.together = False
        assert all(isinstance(outcome, Scored) for outcome in dying.score([question(1), question(2)]))


def test_prompts_do_not_change_from_one_day_to_the_next(tmp_path: Path) -> None:
    from app.core.engine.protocol import Conversation, Turn
    from tests.tiny_models import tiny_gguf

    model = tiny_gguf(tmp_path / "dated.gguf", template="{{ strftime_now('%d %b %Y') }}|{{ messages[0]['content'] }}")
    with ToolClient() as engine:
        engine.load(model, threads=1)
        (encoded,) = engine.encode([Conversation(messages=(Turn("user", "x"),))])
    assert bytes(encoded.prompt) == b"26 Jul 2024|x"
