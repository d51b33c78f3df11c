from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.core.errors import InputError
from evaluation.demo.facts import DemoTask, read_corpus
from evaluation.demo.results import ResultFile, RunIdentity
from evaluation.demo.runner import Ask, Reply, results_path, run

WriteCorpus = Callable[..., Path]


def identity(**other: Any) -> RunIdentity:
    usual: dict[str, Any] = {
        "model_sha256": "0" * 64,
        "task": "demo",
        "language": "en",
        "max_tokens": 128,
        "llama_cpp_commit": "abc",
    }
    return RunIdentity(**(usual | other))


@pytest.fixture
def task(write_corpus: WriteCorpus) -> DemoTask:
    return DemoTask(read_corpus(write_corpus()))


@pytest.fixture
def file(tmp_path: Path) -> ResultFile:
    return ResultFile(results_path(tmp_path), identity())


class Pupil:
    """Answers from the task's own references, notes what it was asked, and stops the run after `patience` questions."""

    def __init__(self, task: DemoTask, patience: int = 1_000) -> None:
        self._answers = {item.question: item.reference for item in task.items("en")}
        self._patience = patience
        self.asked: list[str] = []

    def __call__(self, question: str) -> Reply:
        if len(self.asked) == self._patience:
            raise KeyboardInterrupt
        self.asked.append(question)
        return Reply(self._answers.get(question, ""), "stop", 7)


def test_every_item_is_asked_once_and_in_order(task: DemoTask, file: ResultFile) -> None:
    pupil = Pupil(task)
    results = run(task, "en", file, pupil)
    assert pupil.asked == [item.question for item in task.items("en")]
    assert [(result.split, result.id) for result in results] == [(item.split, item.id) for item in task.items("en")]
    assert all(result.right for result in results)
    assert file.read() == results


@pytest.mark.parametrize("answered", [0, 1, 5])
def test_a_stopped_run_goes_on_where_it_was(task: DemoTask, file: ResultFile, answered: int) -> None:
    first, second = Pupil(task, patience=answered), Pupil(task)
    with pytest.raises(KeyboardInterrupt):
        run(task, "en", file, first)
    assert len(file.read()) == answered
    steps: list[None] = []
    results = run(task, "en", file, second, lambda _: steps.append(None))
    assert first.asked + second.asked == [item.question for item in task.items("en")]
    assert file.read() == results
    assert len(steps) == len(results)  # The bar of a resumed run ends at the end.


@pytest.mark.parametrize("tail", [b'{"split": "trained", "id": "test-0', b"\x00\x00\x00\x00", b"\xff\n", b"{}\n"])
def test_a_line_cut_short_by_a_power_cut_is_asked_again(
    task: DemoTask, file: ResultFile, tmp_path: Path, tail: bytes
) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(task, "en", file, Pupil(task, patience=2))
    with results_path(tmp_path).open("ab") as stream:
        stream.write(tail)
    pupil = Pupil(task)
    results = run(task, "en", file, pupil)
    assert len(pupil.asked) == len(results) - 2
    assert file.read() == results


@pytest.mark.parametrize(
    ("other", "word"),
    [
        ({"model_sha256": "1" * 64}, "model"),
        ({"language": "ja"}, "language"),
        ({"task": "another"}, "task"),
        ({"llama_cpp_commit": "def"}, "engine"),
        ({"max_tokens": 64}, "answer length"),
    ],
)
def test_answers_of_another_run_are_neither_used_nor_overwritten(
    task: DemoTask, file: ResultFile, tmp_path: Path, other: dict[str, Any], word: str
) -> None:
    run(task, "en", file, Pupil(task))
    before = results_path(tmp_path).read_bytes()
    pupil = Pupil(task)
    with pytest.raises(InputError, match=word):
        run(task, "en", ResultFile(results_path(tmp_path), identity(**other)), pupil)
    assert pupil.asked == []
    assert results_path(tmp_path).read_bytes() == before


def test_a_file_of_something_else_is_not_overwritten(task: DemoTask, file: ResultFile, tmp_path: Path) -> None:
    results_path(tmp_path).write_text("my notes\n", encoding="utf-8")
    with pytest.raises(InputError, match="not written by inro-eval"):
        run(task, "en", file, Pupil(task))
    assert results_path(tmp_path).read_text(encoding="utf-8") == "my notes\n"


def test_only_changed_questions_are_asked_again_and_all_answers_are_judged_anew(
    write_corpus: WriteCorpus, file: ResultFile
) -> None:
    def edit(entries: dict[str, Any]) -> None:
        entries["facts"][0]["en"]["question"] = "What is it that causes sign 1?"
        entries["facts"][1]["en"]["keys"] = ["caused by substance"]
        entries["facts"][1]["en"]["answer"] = "It is caused by substance K2."
        entries["facts"][2]["en"]["keys"] = ["sulfur"]
        entries["facts"][2]["en"]["answer"] = "Sign 3 is caused by sulfur."

    old = DemoTask(read_corpus(write_corpus()))
    run(old, "en", file, Pupil(old))
    new = DemoTask(read_corpus(write_corpus(change=edit)))
    pupil = Pupil(new)
    results = run(new, "en", file, pupil)
    assert pupil.asked == ["What is it that causes sign 1?"]
    assert [result.right for result in results if result.split == "trained"] == [True, True, False]


def test_an_answer_that_could_not_be_given_is_wrong_and_kept(task: DemoTask, file: ResultFile) -> None:
    too_long: Ask = lambda question: Reply("", "too_long", 0)  # noqa: E731
    results = run(task, "en", file, too_long)
    assert not any(result.right for result in results)
    assert {result.finish_reason for result in file.read()} == {"too_long"}
