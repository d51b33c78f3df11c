"""`inro-eval leakage`, as a person uses it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from app.core.errors import ExitCode
from evaluation.cli import main
from tests.unit.evaluation.benchmark_files import igakuqa_question, write_lines

QUESTION = (
    "58歳の女性。昨日からの発熱と咳とを主訴に来院した。"
    "呼吸数24/分で、胸部X線写真で右下肺野に浸潤影を認めた。まず行うべき検査はどれか。"
)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    questions = [igakuqa_question("112A1", ["b"], problem_text=QUESTION), igakuqa_question("112A2", ["a"])]
    return write_lines(tmp_path / "IgakuQA/data/2018/112-A.jsonl", questions).parents[2]


def arguments(train: Path, data: Path, *more: str) -> list[str]:
    return ["leakage", "--train", str(train), "--task", "igakuqa", "--data", str(data), "--lang", "ja", *more]


def test_a_leak_is_refused_and_named(tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train = write_lines(tmp_path / "train.jsonl", [{"text": "x"}, {"q": f"{QUESTION}\n\x1b[31m", "a": "橙112A1"}, "{"])
    out = tmp_path / "found.json"
    assert main(arguments(train, data, "--json", "-o", str(out))) == ExitCode.REFUSED
    shown, refusal = capsys.readouterr()
    found = json.loads(shown)
    assert found == json.loads(out.read_bytes())
    assert (found["items"], found["leaked"], found["leaked_with_answer"], found["overlapping"]) == (2, 1, 1, 0)
    assert found["training"]["unread"] == 1
    (finding,) = found["findings"]
    assert (finding["id"], finding["line"], finding["share"]) == ("112A1", 2, 1.0)
    assert "112A1" in refusal
    assert f"{train}, line 2" in refusal
    main(arguments(train, data))
    text = capsys.readouterr().out
    assert "leaked       1" in text
    assert "NOT READ     1" in text
    assert "\x1b" not in text


def test_a_training_file_whose_name_is_no_utf8_is_named(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train = write_lines(tmp_path / os.fsdecode("学習.jsonl".encode("cp932")), [{"q": "x"}, "{"])
    out = tmp_path / "found.json"
    assert main(arguments(train, data, "--json", "-o", str(out))) == ExitCode.DONE
    for written in (capsys.readouterr().out, out.read_text("utf-8")):
        assert json.loads(written)["training"]["unread_lines"][0].startswith(f"{train}, line 2: ")


def test_questions_that_cannot_be_looked_for_are_told(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    questions = [igakuqa_question("113B1", ["z"], problem_text=f"{QUESTION}理由も述べよ。"), "{"]
    write_lines(data / "data/2019/113-B.jsonl", questions)
    train = write_lines(tmp_path / "train.jsonl", [{"text": "x"}])
    assert main(arguments(train, data, "--json")) == ExitCode.DONE
    found = json.loads(capsys.readouterr().out)
    assert (found["items"], found["lost"], found["only_with_options"]) == (3, 1, 1)
    (task,) = found["tasks"]
    assert (task["language"], task["questions"], task["by_text"], task["lost"]) == ("ja", 3, 1, 1)
    main(arguments(train, data))
    text = capsys.readouterr().out
    assert "igakuqa (ja): 3, of them by the text alone 1 broken record" in text
    assert "NOT LOOKED FOR: 1 broken record of igakuqa (ja)" in text
    assert "113-B.jsonl, line 2" in text


def test_a_clean_training_set_passes_with_its_numbers(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train = write_lines(tmp_path / "train.jsonl", [{"text": f"{QUESTION[:58]}など"}, {"text": "x"}])
    assert main(arguments(train, data, "--json")) == ExitCode.DONE
    found = json.loads(capsys.readouterr().out)
    assert (found["leaked"], found["overlapping"], found["training"]["texts"]) == (0, 1, 2)
    assert 0 < found["findings"][0]["share"] < 0.5


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("--task", "igakuqu"), "no task 'igakuqu'"),
        (("--data", "nowhere"), "nowhere"),
        (("--lang", "en"), "no question of igakuqa"),
        (("--train", "missing.jsonl"), "missing.jsonl: no such file"),
    ],
)
def test_what_cannot_be_checked_is_told_in_a_sentence(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str], change: tuple[str, str], sentence: str
) -> None:
    train = write_lines(tmp_path / "train.jsonl", [{"text": "x"}])
    assert main([*arguments(train, data), *change]) == ExitCode.USAGE
    assert sentence in capsys.readouterr().err


def test_questions_hidden_in_real_text_are_found(
    tmp_path: Path, real_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from evaluation.tasks.registry import benchmark

    items = [item for item in benchmark("igakuqa").load(real_data, "ja").items if len(item.question) > 25][::200][:5]
    assert len(items) == 5
    prose = (real_data / "instruction/medquad_2000.jsonl").read_text("utf-8")
    full_width = str.maketrans({chr(code): chr(code + 0xFEE0) for code in range(0x21, 0x7F)})
    hidden = [f"{prose[:50_000]}\n{_wrapped(item.question.translate(full_width))}\n" for item in items]
    train = tmp_path / "book.txt"
    train.write_text("".join(hidden), "utf-8")
    assert main(arguments(train, real_data, "--json")) == ExitCode.REFUSED
    found = json.loads(capsys.readouterr().out)
    assert {one["id"] for one in found["findings"] if one["leaked"]} == {item.id for item in items}


def _wrapped(text: str) -> str:
    return "\n  ".join(text[place : place + 19] for place in range(0, len(text), 19))
