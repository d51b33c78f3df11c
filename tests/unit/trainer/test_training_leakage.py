from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.core.errors import CheckRefused, InputError
from evaluation.scoring import bare
from trainer.data.documents import Document, Message, Record
from trainer.data.held_out import Finder, HeldOut, read_held_out
from trainer.data.leakage import check_leakage, search

HELD_OUT = [
    HeldOut("gout/en", "In gout, which crystals are deposited?"),
    HeldOut("gout/ja", "痛風の結晶はどれですか？"),
]


@pytest.mark.parametrize(
    "passage",
    [
        "In gout, which crystals are deposited?",
        "Question: in GOUT which crystals   are deposited - please answer",
        "医学の質問です。痛風の結晶は、どれですか。\n尿酸です。",
    ],
)
def test_a_held_out_question_is_found_however_it_is_written(passage: str) -> None:
    safe = Document(text="Which crystals cause gout?")
    with pytest.raises(CheckRefused, match="record 2"):
        check_leakage([safe, Document(text=passage)], HELD_OUT)
    with pytest.raises(CheckRefused, match="record 2"):
        check_leakage([safe, Document(messages=(Message("user", passage), Message("assistant", "-")))], HELD_OUT)


def test_other_wordings_pass() -> None:
    check_leakage([Document(text="Which crystals cause gout?"), Document(text="痛風の結晶は何ですか？")], HELD_OUT)


@pytest.mark.parametrize("length", [1, 5, 7, 8, 9, 14, 15, 16, 23, 60])
def test_a_question_of_any_length_is_found_at_any_place(length: int) -> None:
    question = "".join(chr(0x4E00 + number) for number in range(length))
    finder = Finder([HeldOut("it", question), HeldOut("other", "何か別の長い質問がここにあります")])
    for place in range(20):
        text = "あ" * place + question + "い" * 9
        assert question in bare(text)
        assert [item.id for item in finder.found(text)] == ["it"]
        assert not list(finder.found("あ" * place + question[:-1]))


@pytest.mark.parametrize("line", ["{}", '{"id": "a", "question": "？"}', "question"])
def test_a_held_out_file_that_would_check_nothing_is_refused(tmp_path: Path, line: str) -> None:
    path = tmp_path / "held.jsonl"
    path.write_text('{"id": "a", "question": "fine"}\n' + line + "\n", "utf-8")
    with pytest.raises(InputError, match="line 2"):
        read_held_out([path])


QUESTION = (
    "A 45-year-old man comes to the physician because of pain and swelling of his right big toe since last night; "
    "aspiration of the joint shows needle-shaped crystals. Which of the following is the best initial treatment?"
)


@pytest.fixture
def tasks(tmp_path: Path) -> Path:
    """A folder with a benchmark of one question."""
    folder = tmp_path / "tasks"
    (folder / "MedQA").mkdir(parents=True)
    choices = ["Colchicine", "Allopurinol", "Penicillin", "Insulin"]
    record = {"problem_id": "7", "problem_text": QUESTION, "choices": choices, "answer": ["a"]}
    (folder / "MedQA" / "medqa_en_4op.jsonl").write_text(json.dumps(record), "utf-8")
    return folder


def test_a_benchmarks_question_is_found_although_words_of_it_were_changed(tasks: Path) -> None:
    changed = QUESTION.replace("45-year-old", "46-year-old").upper() + "\nThe answer is colchicine."
    records = [
        Record(Document(text="Nothing of it."), "a.txt", 1, "text"),
        Record(Document(text=f"Notes.\n{changed}"), "b.md", 1, "text", running=True),
    ]
    found = search(records, [], tasks)
    assert (found.searched, len(found.benchmarks), found.held_out) == (1, 1, ())
    refusal = found.refusal()
    assert refusal is not None
    assert "medqa 7 (en) in b.md, line 2" in str(refusal)
    assert "with its answer" in str(refusal)


def test_a_turn_of_phrase_is_no_leak(tasks: Path) -> None:
    phrase = "He comes to the physician because of pain and swelling of his right big toe since yesterday."
    found = search([Record(Document(text=phrase), "a.txt", 1, "text")], [], tasks)
    assert found.refusal() is None
    assert not found.benchmarks


def test_a_folder_without_a_benchmark_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no benchmark"):
        search([], [], tmp_path / "empty")
