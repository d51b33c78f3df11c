from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.core.errors import CheckRefused, InputError
from evaluation.scoring import bare
from trainer.data.cleaning import Cleaned, Cleaning, clean
from trainer.data.documents import Document, Message, Record
from trainer.data.held_out import Finder, HeldOut, read_held_out
from trainer.data.leakage import Benchmarks, check_leakage, search

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


def test_a_held_out_file_is_read_as_training_files_are(tmp_path: Path) -> None:
    path = tmp_path / "held.jsonl"
    line = '{"id": "a", "question": "痛風の結晶は？"}\r\n'
    path.write_bytes(f"\ufeff{line}\r\n{line}".encode())
    assert read_held_out([path]) == [HeldOut("a", "痛風の結晶は？")] * 2
    path.write_bytes(line.encode("cp932"))
    with pytest.raises(InputError, match=r"held\.jsonl is written in Shift_JIS"):
        read_held_out([path])
    path.write_bytes(b'{"id": "a", "question": "fine"}\n\xff\n')
    with pytest.raises(InputError, match=r"held\.jsonl, line 2: it is not UTF-8 text"):
        read_held_out([path])


@pytest.mark.parametrize("content", ["", "\n \n"])
def test_a_held_out_file_without_a_question_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "held.jsonl").write_text(content)
    with pytest.raises(InputError, match=r"held\.jsonl: there is no question in it"):
        read_held_out([tmp_path / "held.jsonl"])


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
    found = search(records, [], [Benchmarks(tasks)])
    assert (found.searched, len(found.benchmarks), found.held_out) == (1, 1, ())
    refusal = found.refusal()
    assert refusal is not None
    assert "medqa 7 (en) in b.md, line 2" in str(refusal)
    assert "with its answer" in str(refusal)


def test_a_turn_of_phrase_is_no_leak(tasks: Path) -> None:
    phrase = "He comes to the physician because of pain and swelling of his right big toe since yesterday."
    found = search([Record(Document(text=phrase), "a.txt", 1, "text")], [], [Benchmarks(tasks)])
    assert found.refusal() is None
    assert not found.benchmarks


AMMONIA = "高アンモニア血症をきたす疾患はどれか。"


def short_question(tasks: Path, *more: str) -> None:
    choices = ["肝硬変", "痛風", "喘息", "貧血"]
    folder = tasks / "JMedBench" / "medqa_jp"
    folder.mkdir(parents=True)
    record = {"sample_id": "8", "question": AMMONIA, "options": choices, "answer_idx": 0}
    lines = [json.dumps(record, ensure_ascii=False), *more]
    (folder / "test.jsonl").write_text("\n".join(lines), "utf-8")


def conversation(*turns: str) -> Document:
    return Document(
        messages=tuple(Message("assistant" if number % 2 else "user", turn) for number, turn in enumerate(turns))
    )


def test_a_short_question_is_found_as_a_message_and_in_a_text_only_with_its_options(tasks: Path) -> None:
    short_question(tasks)
    documents = [
        conversation(AMMONIA, "肝硬変です。"),
        conversation("質問があります。", "どうぞ。", AMMONIA, "高アンモニア血症は肝硬変で起こります。"),
        conversation(f"次の質問に答えてください。\n{AMMONIA}", "肝硬変"),
        conversation(f"{AMMONIA}その治療も述べよ。", "肝硬変"),
        Document(text=f"{AMMONIA}\n肝硬変"),
        Document(text=f"{AMMONIA}\na 肝硬変 b 痛風 c 喘息 d 貧血"),
    ]
    for number, document in enumerate(documents, 1):
        found = search([Record(document, "a.jsonl", number, "messages")], [], [Benchmarks(tasks)])
        assert len(found.benchmarks) == (number not in (4, 5))
        assert all(leak.place == f"a.jsonl, line {number}" and leak.answered for leak in found.benchmarks)
        assert (found.searched, found.with_options) == (2, 1)


def test_what_of_a_benchmark_cannot_be_looked_for_is_counted(tasks: Path) -> None:
    short_question(tasks, '{"sample_id": "9", "question": "尿酸の結晶が沈着して起こる関節炎は何と呼ばれるか。"}', "{")
    record = Record(Document(text="尿酸の結晶が沈着して起こる関節炎は何と呼ばれるか。"), "a.txt", 1, "text")
    found = search([record], [], [Benchmarks(tasks)])
    assert [(one.task, one.questions, one.by_text, one.lost) for one in found.tasks] == [
        ("medqa", 1, 0, 0),
        ("jmedbench-medqa", 2, 1, 1),
    ]
    (leak,) = found.benchmarks
    assert leak.question == "jmedbench-medqa test.jsonl, line 2 (ja)"
    assert not leak.answered


def test_a_benchmark_that_cannot_be_read_is_refused(tasks: Path) -> None:
    short_question(tasks)
    path = tasks / "JMedBench" / "medqa_jp" / "test.jsonl"
    path.write_bytes(path.read_text("utf-8").encode("cp932"))
    with pytest.raises(InputError, match=r"jmedbench-medqa \(ja\) are there but cannot be looked for"):
        search([], [], [Benchmarks(tasks)])


@pytest.mark.parametrize("join_lines", [False, True])
def test_the_line_of_a_question_in_a_book_is_told(tasks: Path, join_lines: bool) -> None:
    filler = [f"第{number}章の本文である。" for number in range(1, 400)]
    lines = [*filler, "", "医学の質問です。痛風の結晶は、", "どれですか。", "", *QUESTION.split("; "), *filler]
    book = Record(Document(text="\n".join(lines)), "book.md", 1, "text", running=True)
    (record,) = clean([book], Cleaning(join_lines=join_lines), Cleaned())
    other = Record(Document(text="Nothing of it."), "a.txt", 3, "text")
    found = search([other, record], HELD_OUT, [Benchmarks(tasks)])
    assert [leak.place for leak in found.leaks] == ["book.md, line 401", "book.md, line 404"]


def test_a_folder_without_a_benchmark_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no benchmark"):
        search([], [], [Benchmarks(tmp_path / "empty")])
