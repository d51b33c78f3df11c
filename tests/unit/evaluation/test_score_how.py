"""`inro-eval score --how`: the same recorded answers, read in other ways."""

from __future__ import annotations

import json
from collections.abc import Iterator
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import pytest

from evaluation.cli import main
from tests.unit.evaluation.benchmark_files import igakuqa_question, record, write_lines

Score = dict[str, Any]


def score(capsys: pytest.CaptureFixture[str], *words: object) -> Score:
    assert main(["score", *map(str, words), "--json"]) == 0
    found: Score = json.loads(capsys.readouterr().out)
    return found


def files(tmp_path: Path, questions: list[dict[str, Any]], answers: list[dict[str, Any]]) -> tuple[object, ...]:
    data = write_lines(tmp_path / "mine.jsonl", questions)
    given = write_lines(tmp_path / "answers.jsonl", answers)
    return ("--task", "jsonl", "--data", data, "--lang", "ja", "--predictions", given)


def test_letters_and_free_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answers = [
        {"problem_id": 0, "response": "正解は b です。"},
        {"problem_id": 1, "response": "b"},
        {"problem_id": 2, "prediction": "The answer is b"},
        {"problem_id": 3, "prediction": "b"},
        {"problem_id": 4, "response": ""},
    ]
    words = files(tmp_path, [record(number, "b") for number in range(5)], answers)
    usual = score(capsys, *words)
    assert (usual["how"], usual["correct"], usual["unreadable"]) == (None, 3, ["2"])
    strict = score(capsys, *words, "--how", "letters")
    assert (strict["how"], strict["correct"], strict["unreadable"]) == ("letters", 2, ["0", "2"])
    free = score(capsys, *words, "--how", "generate")
    assert (free["how"], free["correct"], free["unreadable"]) == ("generate", 4, [])
    assert usual["empty"] == strict["empty"] == free["empty"] == ["4"]


def test_the_published_rule_by_hand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Options 赤0, 橙0 …; the right ones a, then a and c."""
    questions = [record(0), record(1, "a,c"), record(2), record(3), record(4), record(5), record(6)]
    answers = [
        {"problem_id": 0, "response": "赤0。\n橙0"},  # the Japanese full stop stays: like it, but not it
        {"problem_id": 1, "response": "赤1,黄1"},
        {"problem_id": 2, "response": "赤2."},
        {"problem_id": 3, "response": ""},  # the first option, which is right
        {"problem_id": 4, "prediction": "橙4"},
        {"problem_id": 5, "response": "ｘ\n赤5"},  # only the first line is read
    ]
    words = files(tmp_path, questions, answers)
    found = score(capsys, *words, "--how", "paper")
    published = found["published"]
    assert (published["rule"], published["left_out"]) == ("paper", {})
    # The answer "ｘ" is like no option, so the first one is taken; question 6 has no answer.
    assert (published["gestalt"]["correct"], published["gestalt"]["n"]) == (5, 7)
    assert (published["exact"]["correct"], published["exact"]["n"]) == (2, 7)
    # Wilson, 5 of 7 and 2 of 7, z = 1.959964: statsmodels.stats.proportion.proportion_confint(5, 7, method="wilson").
    assert published["gestalt"]["interval_95"] == pytest.approx([0.3589, 0.9178], abs=1e-4)
    assert published["exact"]["interval_95"] == pytest.approx([0.0822, 0.6411], abs=1e-4)
    assert (found["correct"], found["accuracy"], found["missing"]) == (5, 5 / 7, ["6"])
    assert (found["empty"], found["unreadable"], published["empty"]) == ([], [], 1)

    fixed = score(capsys, *words, "--how", "paper-fixed")
    assert (fixed["published"]["rule"], fixed["published"]["gestalt"]["correct"]) == ("paper-fixed", 3)
    assert fixed["published"]["exact"]["correct"] == 2
    assert (fixed["empty"], fixed["missing"]) == (["3"], ["6"])

    assert main(["score", *map(str, words), "--how", "paper"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "Gestalt matching 5 / 7 71.4 % 35.9 - 91.8 % exact match 2 / 7 28.6 % 8.2 - 64.1 %" in text
    assert "Empty answers: 1. The published rule takes them for the first options." in text


def test_equal_options_are_one_answer_to_the_published_rule(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It compares texts: the first of two equal options is as right as the second."""
    question = {**record(0, "b"), "choices": ["同じ", "同じ", "別", "他", "外"]}
    words = files(tmp_path, [question], [{"problem_id": 0, "response": "同じ"}])
    assert score(capsys, *words, "--how", "paper")["correct"] == 1
    assert score(capsys, *words, "--how", "paper-fixed")["correct"] == 0


def test_what_the_published_harness_does_not_ask_is_left_out_and_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    questions = [
        igakuqa_question("112A1", ["a"]),
        igakuqa_question("112A2", ["a"], problem_text="長" * 1025),
        igakuqa_question("112A3", ["a"], choices=list("赤橙黄緑青藍")),
        igakuqa_question("112A4", ["a"], text_only=False),
    ]
    data = write_lines(tmp_path / "data" / "2018" / "112-A.jsonl", questions).parents[1]
    given = write_lines(tmp_path / "a", [{"problem_id": f"112A{n}", "response": "赤"} for n in range(1, 6)])
    words = ("--task", "igakuqa", "--data", data, "--lang", "ja", "--predictions", given, "--how", "paper")
    found = score(capsys, *words, "--with-pictures")
    assert found["n"] == 1
    assert found["published"]["left_out"] == {
        "is longer than 1,024 characters": 1,
        "has 6 choices, not five": 1,
        "has a picture": 1,
    }
    assert found["unknown"] == ["112A5"]
    assert main(["score", *map(str, words)]) == 0
    assert "Left out, as in the published harness: 1: it has 6 choices, not five." in capsys.readouterr().out
    write_lines(data / "2018" / "112-A.jsonl", questions[1:2])
    assert main(["score", *map(str, words)]) == 2
    assert "asks none of the 1 questions: the first one is longer than 1,024" in capsys.readouterr().err


def test_letters_under_the_published_rule_are_said_to_be_worth_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    questions = [record(0), {**record(1), "choices": ["A", "B", "AB", "O"]}]
    answers = [{"problem_id": 0, "prediction": "a"}, {"problem_id": 1, "prediction": "A"}]
    words = files(tmp_path, questions, answers)
    assert score(capsys, *words, "--how", "paper")["published"]["letters"] == 1
    assert main(["score", *map(str, words), "--how", "paper"]) == 0
    assert "Answers that are letters only: 1." in capsys.readouterr().out


def test_another_way_is_wrong_use(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["score", *map(str, files(tmp_path, [record(0)], [{"problem_id": 0, "response": "a"}])), "--how", "best"])
    assert caught.value.code == 2


def test_recorded_answers_under_the_published_rule(real_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Counted once more from the raw files, by a calculation of its own."""
    root = real_data / "IgakuQA"
    if not root.is_dir():
        pytest.skip(f"no IgakuQA in {real_data}")
    n = gestalt = exact = 0
    for question, answer in _raw(root, "chatgpt"):
        choices, letters = question["choices"], question["answer"]
        if question["text_only"] and len(choices) == 5 and len(question["problem_text"]) <= 1024:
            n += 1
            text = answer["prediction"].strip().split("\n")[0].strip().replace(".", "").strip()
            wanted = ",".join(choices["abcde".index(letter)] for letter in letters)
            parts = wanted.split(",")
            likeness = [
                SequenceMatcher(None, text, choice).ratio() + SequenceMatcher(None, choice, text).ratio()
                for choice in choices
            ]
            best = sorted(range(5), key=lambda i: likeness[i], reverse=True)[: len(parts)]
            exact += text == wanted
            gestalt += sorted(choices[i] for i in best) == sorted(parts)
    assert n > 1000
    words = ("--task", "igakuqa", "--data", root, "--lang", "ja", "--system", "chatgpt", "--how", "paper")
    found = score(capsys, *words, "--predictions", root / "baseline_results")["published"]
    assert (found["gestalt"]["n"], found["gestalt"]["correct"], found["exact"]["correct"]) == (n, gestalt, exact)


def _raw(root: Path, system: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for path in sorted((root / "baseline_results").glob(f"*/*_{system}.jsonl")):
        questions = root / "data" / path.parent.name / f"{path.name.split('_')[0]}.jsonl"
        lines = zip(
            questions.read_text(encoding="utf-8").splitlines(),
            path.read_text(encoding="utf-8").splitlines(),
            strict=True,
        )
        for question, answer in lines:
            yield json.loads(question), json.loads(answer)
