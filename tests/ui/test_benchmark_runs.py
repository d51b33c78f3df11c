"""Runs in the opened application, with a real worker: their numbers, and everything that can come between."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.core.engine.patient import WindowEngine
from app.core.history.store import Message
from app.core.paths import Paths
from app.services.benchmark.orders import OrderBook
from app.services.benchmark.views import How, RunView
from evaluation.cli import main
from tests.tiny_models import tiny_gguf
from tests.ui.benches import CATEGORIES, Bench, opened, order, write_questions

COUNT = 30


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    return write_questions(tmp_path / "questions.jsonl", COUNT)


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """More than a run is through with before a test has done something to it."""
    return write_questions(tmp_path / "many.jsonl", 600)


def folder_of(home: Paths, run: RunView) -> Path:
    return OrderBook(home.benchmarks).find(run.id).folder


def commanded(model: Path, data: Path, out: Path, *more: str) -> Path:
    """The folder of the same run by the command."""
    named = ["--model", str(model), "--task", "jsonl", "--data", str(data), "--lang", "en"]
    assert main(["run", *named, "-o", str(out), *more]) == 0
    return out


def files(folder: Path) -> dict[str, bytes]:
    """A run's own files: not its lock."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in (".json", ".jsonl")}


@pytest.mark.parametrize("how", ["letter", "option", "generate"])
def test_a_run_is_byte_for_byte_the_command_s(
    how: How, qapp: QApplication, qtbot: QtBot, home: Paths, tiny_model: Path, questions: Path, tmp_path: Path
) -> None:
    with opened(qapp, qtbot, tiny_model) as bench:
        bench.service.start([order(tiny_model, questions, how=how, limit=20, seed=3)])
        bench.until_idle()
        (run,) = bench.runs()
    assert (run.done, run.total, run.complete) == (20, 20, True)
    assert run.share is not None
    assert sum(group.share.n for group in run.groups) == 20
    expected = commanded(tiny_model, questions, tmp_path / "out", "--how", how, "--limit", "20", "--seed", "3")
    assert files(folder_of(home, run)) == files(expected)


def test_paused_closed_and_resumed_it_has_the_same_numbers(
    qapp: QApplication, qtbot: QtBot, home: Paths, slower_model: Path, questions: Path, tmp_path: Path
) -> None:
    with opened(qapp, qtbot, slower_model) as bench:
        bench.service.start([order(slower_model, questions)])
        bench.until_answered(1)
        bench.service.pause()
        bench.until_idle()
        (paused,) = bench.runs()
        assert bench.service.state.failure == ""
        assert 0 < paused.done < COUNT
        bench.service.resume(paused.id)
        bench.until_answered(paused.done + 1)
    with opened(qapp, qtbot, slower_model) as bench:
        (closed,) = bench.runs()
        assert paused.done < closed.done < COUNT
        bench.service.resume(closed.id)
        bench.until_idle()
        (run,) = bench.runs()
    assert run.complete
    expected = commanded(slower_model, questions, tmp_path / "out")
    assert files(folder_of(home, run)) == files(expected)


def test_a_question_is_answered_while_a_run_goes_on(
    qapp: QApplication, qtbot: QtBot, home: Paths, slower_model: Path, many: Path, tmp_path: Path
) -> None:
    with opened(qapp, qtbot, slower_model) as bench:
        bench.service.start([order(slower_model, many, limit=24)])
        bench.until_answered(1)
        message = answered(bench)
        before = bench.service.state.progress.done
        assert message.state == "complete"
        assert bench.service.state.phase == "running"
        bench.until_idle()
        (run,) = bench.runs()
    assert before < run.done == 24
    expected = commanded(slower_model, many, tmp_path / "out", "--limit", "24")
    assert files(folder_of(home, run)) == files(expected)


def answered(bench: Bench) -> Message:
    answers: list[Message] = []
    bench.application.chat.answer_finished.connect(answers.append)
    bench.application.chat.ask("What is the heart for?")
    bench.until(lambda: bool(answers))
    return answers[0]


def test_a_model_that_is_not_in_use_has_a_process_of_its_own_which_waits_for_questions_too(
    qapp: QApplication, qtbot: QtBot, home: Paths, tiny_model: Path, slower_model: Path, many: Path, tmp_path: Path
) -> None:
    with opened(qapp, qtbot, tiny_model) as bench:
        bench.service.start([order(slower_model, many, limit=24)])
        bench.until_answered(1)
        assert answered(bench).state == "complete"
        assert bench.application.inference.state.model is not None
        assert bench.application.inference.state.model.name == "tiny"
        bench.until_idle()
        (run,) = bench.runs()
    assert run.complete
    assert files(folder_of(home, run)) == files(commanded(slower_model, many, tmp_path / "out", "--limit", "24"))


def test_runs_are_made_one_after_another(qapp: QApplication, qtbot: QtBot, tiny_model: Path, questions: Path) -> None:
    with opened(qapp, qtbot, tiny_model) as bench:
        bench.service.start([order(tiny_model, questions, limit=5), order(tiny_model, questions, limit=6)])
        bench.until_idle()
        assert sorted(run.done for run in bench.runs()) == [5, 6]


def test_a_worker_that_is_killed_costs_nothing(
    qapp: QApplication, qtbot: QtBot, home: Paths, slower_model: Path, many: Path, tmp_path: Path
) -> None:
    with opened(qapp, qtbot, slower_model) as bench:
        bench.service.start([order(slower_model, many, limit=24)])
        bench.until_answered(1)
        kill_worker(bench)
        bench.until_idle()
        assert bench.service.state.failure == ""
        (run,) = bench.runs()
    assert files(folder_of(home, run)) == files(commanded(slower_model, many, tmp_path / "out", "--limit", "24"))


def kill_worker(bench: Bench) -> None:
    engine = bench.application.engine()
    assert isinstance(engine, WindowEngine)
    assert engine.pid is not None
    os.kill(engine.pid, signal.SIGKILL)


def test_a_model_that_is_removed_during_a_run_is_a_sentence_and_loses_nothing(
    qapp: QApplication, qtbot: QtBot, home: Paths, many: Path, tmp_path: Path
) -> None:
    model = tiny_gguf(tmp_path / "gone.gguf", layers=4, hidden=640, context_length=4096)
    with opened(qapp, qtbot, model) as bench:
        bench.service.start([order(model, many)])
        bench.until_answered(1)
        model.unlink()
        kill_worker(bench)
        bench.until_idle()
        assert "model file was changed" in bench.service.state.failure
        (run,) = bench.runs()
        assert 0 < run.done < 600
    with opened(qapp, qtbot, None) as bench:
        bench.service.resume(run.id)
        bench.until_idle()
        assert "gone is not on this machine any more. Its results are kept." in bench.service.state.failure
        assert bench.runs() == [run]


@pytest.mark.parametrize(
    ("content", "told"),
    [(None, "does not exist"), ('{"question": 1}\n', "no question of jsonl that can be asked"), ("", "is empty")],
)
def test_a_wrong_folder_or_schema_is_a_sentence(
    content: str | None, told: str, qapp: QApplication, qtbot: QtBot, tiny_model: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    if content is not None:
        data.mkdir()
        (data / "questions.jsonl").write_text(content, encoding="utf-8")
    with opened(qapp, qtbot, tiny_model) as bench:
        bench.service.start([order(tiny_model, data)])
        bench.until_idle()
        assert told in bench.service.state.failure
        (run,) = bench.runs()
        assert run.total is None


def test_a_run_whose_file_was_changed_says_so_and_hides_no_other(
    qapp: QApplication, qtbot: QtBot, home: Paths, tiny_model: Path, questions: Path
) -> None:
    with opened(qapp, qtbot, tiny_model) as bench:
        bench.service.start([order(tiny_model, questions, limit=5), order(tiny_model, questions, limit=6)])
        bench.until_idle()
        items = folder_of(home, bench.runs()[0]) / "items.jsonl"
        items.write_bytes(b"{}\n")
        found = bench.runs()
    assert len(found) == 2
    assert "no run of this version" in found[0].damaged
    assert found[1].complete


def test_two_models_are_compared(
    qapp: QApplication, qtbot: QtBot, tiny_model: Path, questions: Path, tmp_path: Path
) -> None:
    other = tiny_gguf(tmp_path / "other.gguf", context_length=4096, seed=1, name="other")
    with opened(qapp, qtbot, tiny_model) as bench:
        bench.service.start([order(tiny_model, questions), order(other, questions)])
        bench.until_idle()
        b, a = bench.runs()
        found = bench.compare(a, b)
    assert found.main.n == COUNT
    assert a.share is not None
    assert b.share is not None
    assert found.main.difference == pytest.approx(a.share.value - b.share.value)
    assert {group.name for group in found.groups} == set(CATEGORIES)
    assert len(found.differing) == found.main.only_a + found.main.only_b > 0
    assert found.unlike == ("the model",)


def test_speed_is_measured_with_several_threads_and_the_best_can_be_kept(
    qapp: QApplication, qtbot: QtBot, home: Paths, tiny_model: Path
) -> None:
    with opened(qapp, qtbot, tiny_model) as bench:
        bench.service.measure_speed()
        bench.until_idle()
        assert bench.service.state.failure == ""
        (speed,) = bench.look_up()[3]
        assert [point.prompt_tokens for point in speed.contexts] == [128, 384, 896, 1920, 3968]
        assert all(point.written.low <= point.written.median <= point.written.high for point in speed.contexts)
        assert speed.expected is not None
        assert 0 < speed.expected[0] < speed.expected[1]
        assert speed.best in {point.threads for point in speed.threads}
        bench.service.keep_threads(1)
        bench.until(lambda: _threads(bench) == 1)
    with opened(qapp, qtbot, tiny_model) as bench:
        assert _threads(bench) == 1


def _threads(bench: Bench) -> int | None:
    state = bench.application.inference.state
    return state.model.threads if state.phase == "ready" and state.model else None
