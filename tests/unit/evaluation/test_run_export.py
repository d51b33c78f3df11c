"""`inro-eval export`: what other programs find in the files."""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from math import log
from pathlib import Path
from typing import Any

import pytest

from evaluation.cli import main
from evaluation.reporting.summary import summarise, summary_json
from evaluation.runs.records import Record, Trial
from evaluation.runs.store import read_run
from tests.unit.evaluation.run_folders import item, letter_record, settings, text_record, write_run

ORDER = (0, 1, 2, 3, 4)
SURE = (0.6, 0.1, 0.1, 0.1, 0.1)


def exported(run: Path, format: str, *words: object) -> Path:
    path = run.with_name(f"out.{format}")
    assert main(["export", str(run), "--format", format, "-o", str(path), *map(str, words)]) == 0
    return path


def sample(tmp_path: Path, record: Record, **facts: Any) -> dict[str, Any]:
    run = write_run(tmp_path / "run", [record], settings=settings(**facts))
    (line,) = exported(run, "lm-eval").read_text(encoding="utf-8").splitlines()
    found: dict[str, Any] = json.loads(line)
    return found


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class TestSamples:
    def test_letters_are_a_multiple_choice_task(self, tmp_path: Path) -> None:
        trial = Trial(
            order=ORDER,
            logprobs=(-0.25, -2.5, -3.0, -4.0, -5.0),
            greedy=(True, False, False, False, False),
            chosen=(0,),
        )
        one = replace(item(1, category="循環器"), question="徴候は？")
        found = sample(tmp_path, letter_record(one, SURE, trials=(trial,)))
        assert found["doc_id"] == 0
        assert (found["doc"]["id"], found["doc"]["question"], found["doc"]["answers"]) == ("112A1", "徴候は？", [0])
        assert found["target"] == "0"
        assert found["resps"][0] == [["-0.25", "True"]]
        assert found["filtered_resps"] == [
            ["-0.25", "True"],
            ["-2.5", "False"],
            ["-3.0", "False"],
            ["-4.0", "False"],
            ["-5.0", "False"],
        ]
        assert found["arguments"]["gen_args_1"] == {"arg_1": "b"}
        assert (found["filter"], found["metrics"], found["acc"]) == ("none", ["acc"], 1.0)
        # As lm_eval.evaluator.evaluate computes them, of what is in the sample itself.
        assert found["doc_hash"] == sha256(json.dumps(found["doc"], indent=2, ensure_ascii=False))
        assert found["target_hash"] == sha256(found["target"])
        assert found["inro"]["prompt_sha256"] == "p" * 64

    def test_what_is_not_known_is_not_there(self, tmp_path: Path) -> None:
        found = sample(tmp_path, letter_record(item(1), SURE))
        assert "prompt_hash" not in found
        assert all(set(arguments) == {"arg_1"} for arguments in found["arguments"].values())
        assert found["resps"][0] == [[str(log(0.6)), "None"]]  # No engine said whether it was the most likely one.

    def test_several_right_options(self, tmp_path: Path) -> None:
        found = sample(tmp_path, letter_record(item(1, (0, 2)), (0.4, 0.3, 0.1, 0.1, 0.1)))
        assert (found["target"], found["acc"]) == ("[0, 2]", 0.0)

    def test_permutations_are_repeats(self, tmp_path: Path) -> None:
        moved = (1, 2, 3, 4, 0)
        first = Trial(order=moved, logprobs=tuple(map(log, SURE)), chosen=(0,))
        second = Trial(order=ORDER, logprobs=tuple(map(log, (0.2, 0.2, 0.2, 0.2, 0.2))), chosen=(0,))
        found = sample(tmp_path, letter_record(item(1), SURE, trials=(first, second)), permutations=2)
        assert [len(one) for one in found["resps"]] == [2] * 5
        assert found["filter"] == "mean"
        assert float(found["filtered_resps"][0][0]) == pytest.approx(log(0.4))
        # In the first asking the question's first option was shown last.
        assert found["arguments"]["gen_args_0"]["arg_1"] == "e"
        assert found["inro"]["orders"] == [list(moved), list(ORDER)]

    def test_options_have_the_harness_s_two_readings(self, tmp_path: Path) -> None:
        """By the sum the short wrong option wins, by characters the long right one, as acc and acc_norm there."""
        one = replace(item(1, (1,)), options=("ab", "a long option", "c", "d", "e"))
        trial = Trial(order=ORDER, logprobs=(-2.0, -6.5, -9.0, -9.0, -9.0), tokens=(1, 3, 1, 1, 1), chosen=(1,))
        found = sample(tmp_path, letter_record(one, SURE, trials=(trial,), chosen=(1,), correct=True), how="option")
        assert (found["metrics"], found["acc"], found["acc_norm"]) == (["acc", "acc_norm"], 0.0, 1.0)
        assert found["arguments"]["gen_args_1"]["arg_1"] == "a long option"

    def test_texts_are_a_generation_task(self, tmp_path: Path) -> None:
        trials = tuple(Trial(order=ORDER, text=text, finish="stop", chosen=(0,)) for text in ("正解はa", "a"))
        record = text_record(item(1), "", (0,), trials=trials)
        found = sample(tmp_path, record, how="generate", max_tokens=64, samples=2, temperature=0.7)
        assert (found["resps"], found["filtered_resps"], found["filter"]) == ([["正解はa", "a"]], ["a"], "extract")
        assert found["arguments"] == {
            "gen_args_0": {"arg_1": {"max_gen_toks": 64, "temperature": 0.7, "do_sample": True}}
        }
        assert (found["target"], found["acc"]) == ("a", 1.0)

    def test_an_unreadable_text_and_the_published_rule(self, tmp_path: Path) -> None:
        found = sample(tmp_path, text_record(item(1), "?", None), how="generate")
        assert (found["filtered_resps"], found["acc"]) == (["[invalid]"], 0.0)
        trial = Trial(order=ORDER, text="one,three", chosen=(0, 2), exact=True)
        record = text_record(item(1, (0, 2)), "", (0, 2), trials=(trial,))
        found = sample(tmp_path / "2", record, how="paper", max_tokens=256)
        assert (found["target"], found["acc"], found["exact_match"]) == ("one,three", 1.0, 1.0)
        assert (found["metrics"], found["filter"]) == (["acc", "exact_match"], "gestalt")

    @pytest.mark.parametrize("how", ["letter", "option", "generate", "paper"])
    def test_a_question_that_was_not_asked(self, tmp_path: Path, how: str) -> None:
        record = letter_record(item(1), SURE, status="too_long", trials=(), chosen=None, correct=False, reason="long")
        found = sample(tmp_path, record, how=how)
        assert (found["acc"], found["inro"]["status"], found["inro"]["reason"]) == (0.0, "too_long", "long")
        assert not any(found["resps"])

    def test_in_a_folder_the_file_has_the_harness_s_name(self, tmp_path: Path) -> None:
        run = write_run(tmp_path / "run", [letter_record(item(1), SURE)])
        folder = tmp_path / "out"
        folder.mkdir()
        assert main(["export", str(run), "--format", "lm-eval", "-o", str(folder)]) == 0
        (path,) = folder.iterdir()
        assert re.fullmatch(r"samples_igakuqa_ja_\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d+\.jsonl", path.name)
        # lm_eval.utils.get_file_task_name
        assert path.name[path.name.find("_") + 1 : path.name.rfind("_")] == "igakuqa_ja"


def table(tmp_path: Path, records: Sequence[Record], **facts: Any) -> list[dict[str, str]]:
    path = exported(write_run(tmp_path / "run", records, settings=settings(**facts)), "csv")
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


class TestTable:
    def test_a_line_a_question(self, tmp_path: Path) -> None:
        right = letter_record(item(1, category="循環器", year="2018", points=3.0, human_accuracy=0.8), SURE)
        wrong = letter_record(replace(item(2, (0, 2), prohibited=(1,)), options=("1", "2", "3")), (0.5, 0.3, 0.2))
        first, second = table(tmp_path, [right, wrong])
        assert list(first)[:8] == ["id", "category", "year", "language", "answers", "chosen", "correct", "status"]
        assert (first["id"], first["category"], first["year"], first["language"]) == ("112A1", "循環器", "2018", "ja")
        assert (first["answers"], first["chosen"], first["correct"], first["status"]) == ("a", "a", "1", "answered")
        assert (first["points"], first["points_possible"], first["human_accuracy"]) == ("3.0", "3.0", "0.8")
        assert [float(first[f"p_{letter}"]) for letter in "abcde"] == pytest.approx(SURE)
        assert (second["answers"], second["chosen"], second["correct"], second["points"]) == ("a,c", "a,b", "0", "0")
        assert (first["prohibited_chosen"], second["prohibited_chosen"]) == ("", "1")
        assert float(second["p_c"]) == pytest.approx(0.2)
        assert second["p_d"] == ""

    def test_excel_is_told_that_it_is_utf_8(self, tmp_path: Path) -> None:
        run = write_run(tmp_path / "run", [text_record(item(1), "正解は「a」、\n以上", (0,))])
        data = exported(run, "csv").read_bytes()
        assert data.startswith(b"\xef\xbb\xbfid,")
        assert '"正解は「a」、\n以上"'.encode() in data

    @pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
    def test_no_text_is_a_formula(self, tmp_path: Path, begin: str) -> None:
        text = f"{begin}HYPERLINK(1)"
        strange = replace(item(1, category=text, year=text), id=text)
        failed = text_record(strange, text, None, reason=text)
        (row,) = table(tmp_path, [failed], how="generate")
        assert {row[name] for name in ("id", "category", "year", "text", "reason")} == {f"'{text}"}

    def test_texts_of_several_askings(self, tmp_path: Path) -> None:
        trials = tuple(Trial(order=ORDER, text=text, chosen=(0,)) for text in ("a", "b"))
        (row,) = table(tmp_path, [text_record(item(1), "", (0,), trials=trials)], how="generate")
        assert row["text"] == "a\n----\nb"
        assert row["p_a"] == ""


def test_json_is_the_summary(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [letter_record(item(n), SURE) for n in range(3)])
    summary = json.dumps(summary_json(summarise(read_run(run))))
    assert json.loads(exported(run, "json").read_bytes()) == json.loads(summary)


def test_nothing_is_overwritten_unless_told_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "run", [letter_record(item(1), SURE)])
    path = tmp_path / "mine.csv"
    path.write_text("mine", encoding="utf-8")
    words = ["export", str(run), "--format", "csv", "-o", str(path)]
    assert main(words) == 2
    assert "--force" in capsys.readouterr().err
    assert path.read_text(encoding="utf-8") == "mine"
    assert main([*words, "--force"]) == 0
    assert "112A1" in path.read_text(encoding="utf-8-sig")


@pytest.mark.parametrize("name", ["items.jsonl", "result.json"])
def test_a_run_s_own_files_are_never_written_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    run = write_run(tmp_path / "run", [letter_record(item(1), SURE)])
    before = (run / "items.jsonl").read_bytes()
    for path in (run / name, run / ".." / "run" / name):
        assert main(["export", str(run), "--format", "json", "-o", str(path), "--force"]) == 2
        assert "is a file of the run itself" in capsys.readouterr().err
    assert (run / "items.jsonl").read_bytes() == before


def test_an_unfinished_run_is_written_and_said_to_be_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "run", [letter_record(item(1), SURE)], items=10)
    exported(run, "csv")
    printed, error = capsys.readouterr()
    assert error == "The run is not complete.\n"
    assert printed == f"{tmp_path / 'out.csv'}: 1 of 10 questions\n"


def test_a_folder_without_a_run_and_a_changed_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    many = replace(item(1), options=tuple(map(str, range(30))))
    changed = write_run(tmp_path / "run", [text_record(many, "", None)])
    for run, what in [(tmp_path, "holds no run"), (changed, "cannot be lettered")]:
        assert main(["export", str(run), "--format", "csv", "-o", str(tmp_path / "out.csv")]) == 2
        assert what in capsys.readouterr().err
    assert not (tmp_path / "out.csv").exists()
