"""`inro-eval compare`: two folders of runs, from the command line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from evaluation.cli import main
from evaluation.reporting.differing import differences
from evaluation.runs.records import Record, RunEngine, RunIdentity, RunModel, Settings
from evaluation.runs.store import read_run
from tests.unit.evaluation.run_folders import MODEL, item, letter_record, settings, text_record, write_run

OTHER = RunModel(file="other.gguf", sha256="b" * 64, description="qwen2 7B Q8_0")
SURE, UNSURE = (0.6, 0.1, 0.1, 0.1, 0.1), (0.1, 0.6, 0.1, 0.1, 0.1)


def records(right: Sequence[bool], **facts: Any) -> list[Record]:
    """One question each, whose right answer is a; b is chosen where it is not right."""
    return [letter_record(item(n, **facts), SURE if hit else UNSURE) for n, hit in enumerate(right, start=1)]


def compare(capsys: pytest.CaptureFixture[str], *words: object) -> dict[str, Any]:
    assert main(["compare", *map(str, words), "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def told(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    assert main(["compare", *map(str, words)]) == 0
    return capsys.readouterr().out


def test_two_models_on_the_same_questions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a = write_run(tmp_path / "a", records([True] * 60 + [True] * 20 + [False] * 4 + [False] * 16))
    b = write_run(tmp_path / "b", records([True] * 60 + [False] * 20 + [True] * 4 + [False] * 16), model=OTHER)
    found = compare(capsys, a, b)
    accuracy = found["comparison"]["accuracy"]
    assert (accuracy["n"], accuracy["a"], accuracy["b"]) == (100, 80, 64)
    assert (accuracy["only_a"], accuracy["only_b"], accuracy["difference"]) == (20, 4, 0.16)
    # R: binom.test(4, 24)$p.value
    assert accuracy["p"] == pytest.approx(0.001544, abs=1e-6)
    assert found["verdict"].startswith("A better, p = 0.002, 16.0 points [7.")
    assert [(one["what"], one["a"], one["b"]) for one in found["differences"]] == [
        ("model file", "model.gguf", "other.gguf"),
        ("model sha256", "a" * 12, "b" * 12),
        ("model", MODEL.description, OTHER.description),
    ]
    assert found["cautions"] == ["Only this differs: the model."]
    assert len(found["discordant"]) == 24
    assert (found["a"]["compared"]["correct"], found["b"]["compared"]["correct"]) == (80, 64)

    text = told(capsys, a, b)
    assert text.index("other.gguf") < text.index("Only this differs") < text.index("Verdict: A better, p = 0.002")
    words = " ".join(text.split())
    assert "100 questions in both A (ja) B (ja) correct 80 64 accuracy 80.0 % 64.0 %" in words
    assert "right in one run alone" not in text


def test_what_the_questions_can_show_is_told_after_the_fact_and_for_planning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Connor's formula: d with d √n = 1.96 √ψ + 0.8416 √(ψ - d²), here n = 400 and ψ = 0.2 or 0.1."""
    a = write_run(tmp_path / "a", records([True] * 40 + [False] * 40 + [True] * 320))
    b = write_run(tmp_path / "b", records([False] * 40 + [True] * 40 + [True] * 320), model=OTHER)
    found = compare(capsys, a, b)["comparison"]
    assert found["detectable"] == pytest.approx(0.0624, abs=0.0002)
    assert found["detectable_planned"] == pytest.approx(0.0441, abs=0.0002)
    text = told(capsys, a, b)
    assert "Verdict: no difference shown, p = 1.00" in text
    assert "6.2 points at the discordance of these runs (20.0 %; computed after the fact, it adds nothing to p)" in text
    assert "4.4 points at 10 %, for planning" in text


def test_one_model_in_japanese_and_in_english(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    template = {"template": "plain_ja", "template_sha256": "u" * 64}
    japanese = records([True, True, False, False], category="循環器")
    ja = write_run(tmp_path / "ja", japanese, settings=settings(**template))
    english = records([True, False, False, True], language="en", category="循環器")
    english[3] = letter_record(item(4, (1,), language="en", category="循環器"), UNSURE)
    en = write_run(tmp_path / "en", english, data_sha256="e" * 64)
    found = compare(capsys, ja, en)
    assert [(one["language"], one["compared"]["correct"]) for one in found["languages"]] == [("ja", 2), ("en", 1)]
    assert found["cautions"] == [
        "Only this differs: the language.",
        "Ids that stand for another question, or another right answer, in each run, and are not compared: 1 (112A4).",
    ]
    assert found["comparison"]["accuracy"]["n"] == 3
    assert [one["name"] for one in found["comparison"]["categories"]] == ["循環器"]
    other = write_run(tmp_path / "other", english, data_sha256="e" * 64, settings=settings(template="steps"))
    assert "Several things differ (the language, the template)" in compare(capsys, ja, other)["cautions"][0]
    assert "3 questions in both A (ja) B (en) correct 2 1" in " ".join(told(capsys, ja, en).split())


CHANGES: dict[str, Any] = {
    "how": "option",
    "template": "mine",
    "template_sha256": "0" * 64,
    "chat": False,
    "shots": ("112A9",),
    "shuffle": True,
    "permutations": 5,
    "seed": 7,
    "max_tokens": 64,
    "grammar": True,
    "samples": 3,
    "temperature": 0.7,
    "batched": False,
    "context_length": 2048,
}


@pytest.mark.parametrize("change", [{name: value} for name, value in CHANGES.items()])
def test_every_setting_that_differs_is_named(change: dict[str, Any]) -> None:
    plain = RunIdentity(
        model=MODEL, engine=RunEngine(), task="t", language="ja", items=1, data_sha256="", settings=settings()
    )
    other = msgspec.structs.replace(plain, settings=settings(**change))
    assert len(list(differences(plain, other))) == 1
    assert list(differences(plain, plain)) == []


def test_there_is_a_case_for_every_setting() -> None:
    assert set(CHANGES) == set(Settings.__struct_fields__)


def test_two_ways_of_scoring_are_no_comparison_of_models(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a = write_run(tmp_path / "a", records([True, False]))
    texts = [text_record(item(1), "a", (0,)), text_record(item(2), "?", None)]
    b = write_run(tmp_path / "b", texts, model=OTHER, settings=settings(how="generate", max_tokens=64))
    cautions = compare(capsys, a, b)["cautions"]
    assert cautions[0].startswith(
        "Several things differ (the model, the way of scoring, tokens at most): which of them"
    )
    assert "letter and generate are different ways of scoring" in cautions[1]


def test_runs_of_different_tasks_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a = write_run(tmp_path / "a", records([True]))
    b = write_run(tmp_path / "b", records([True], task="medqa"))
    for words, what in [
        ((a, b), "runs of different tasks cannot be compared"),
        ((a, a), "is given twice"),
        ((a, tmp_path / "a" / ".." / "a"), "is given twice"),
        ((a, tmp_path), "holds no run"),
    ]:
        assert main(["compare", *map(str, words)]) == 2
        printed, error = capsys.readouterr()
        assert printed == ""
        assert what in error
        assert error.count("\n") == 1


def test_unfinished_runs_are_compared_on_what_they_have(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a = write_run(tmp_path / "a", records([True, True, False]), items=10)
    b = write_run(tmp_path / "b", records([True, False]), model=OTHER, items=10)
    found = compare(capsys, a, b)
    assert found["comparison"]["accuracy"]["n"] == 2
    assert found["comparison"]["only_in_a"] == ["112A3"]
    assert (found["a"]["complete"], found["a"]["own"]["n"], found["a"]["compared"]["n"]) == (False, 3, 2)
    text = told(capsys, a, b)
    assert "A is not complete: 3 of 10 questions are recorded, and only these are compared." in text
    assert "B is not complete: 2 of 10" in text
    assert "1 items only in A, not compared: 112A3" in text
    assert "all of its own" in text


def test_another_question_under_the_same_id_is_named_and_not_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs = records([True, True, True])
    theirs[1] = letter_record(item(2, (1,)), UNSURE)
    theirs[2] = letter_record(item(3, category="only this is new"), SURE)
    a = write_run(tmp_path / "a", records([True, True, True]))
    b = write_run(tmp_path / "b", theirs, data_sha256="e" * 64)
    found = compare(capsys, a, b)
    assert found["other_questions"] == ["112A2"]
    assert found["comparison"]["accuracy"]["n"] == 2
    assert found["cautions"][-1].startswith("Ids that stand for another question, or another right answer, in each run")
    assert found["cautions"][-1].endswith("not compared: 1 (112A2).")


def test_discordant_questions_are_listed_with_what_each_chose(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    two = item(2, (0, 2))
    chosen = [text_record(item(1), "b", (1,)), text_record(two, "a,c", (0, 2)), text_record(item(3), "a", (0,))]
    others = [text_record(item(1), "a", (0,)), text_record(two, "a", (0,)), text_record(item(3), "?", None)]
    failed = text_record(item(4), "", None, status="too_long", trials=(), reason="too long")
    a = write_run(tmp_path / "a", [*chosen, text_record(item(4), "a", (0,))], settings=settings(how="generate"))
    b = write_run(tmp_path / "b", [*others, failed], model=OTHER, settings=settings(how="generate"))
    text = told(capsys, a, b, "--items")
    lines = [line.split() for line in text[text.index("right in one run alone") :].splitlines()[1:]]
    assert lines == [
        ["112A1", "a", "b", "a", "B"],
        ["112A2", "a,c", "a,c", "a", "A"],
        ["112A3", "a", "a", "unreadable", "A"],
        ["112A4", "a", "a", "too", "long", "A"],
    ]
    states = {one["id"]: one for one in compare(capsys, a, b)["discordant"]}
    assert (states["112A4"]["b"], states["112A4"]["right"]) == ("too long", "A")
    words = " ".join(text.split())
    assert "several right options 1 / 1, 100.0 % 0 / 1, 0.0 %" in words
    assert "too long, so wrong 0 1" in words
    assert "Items with several right options, n = 1: no difference shown, 100.0 points, p = 1.00 after Holm's" in words
    assert "No question is right in one run alone." in told(capsys, a, write_run(tmp_path / "c", chosen), "--items")


def test_prohibited_options_are_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a = write_run(tmp_path / "a", records([False] * 8, prohibited=(1,)))
    b = write_run(tmp_path / "b", records([True] * 8, prohibited=(1,)), model=OTHER)
    found = compare(capsys, a, b)
    assert (found["a"]["kinki"]["chosen"], found["b"]["kinki"]["chosen"]) == (8, 0)
    assert found["comparison"]["prohibited"]["difference"] == 1.0
    text = told(capsys, a, b)
    assert "Prohibited options chosen in 8 (A) and 0 (B) of 8 items: A more often, p = 0.008." in text


def test_the_same_runs_and_seed_give_the_same_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a = write_run(tmp_path / "a", records([True, False, True, True, False] * 8))
    b = write_run(tmp_path / "b", records([True, True, False, False, False] * 8), model=OTHER)
    assert compare(capsys, a, b, "--seed", 3) == compare(capsys, a, b, "--seed", 3)
    found = compare(capsys, a, b, "--seed", 4)
    assert found["seed"] == 4
    assert found["comparison"]["accuracy"]["interval"] is not None


def test_runs_without_a_common_question(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a = write_run(tmp_path / "a", [letter_record(item(1), SURE)])
    b = write_run(tmp_path / "b", [letter_record(item(2), SURE)], model=OTHER)
    assert "Verdict: nothing to compare: no item is in both runs." in told(capsys, a, b)
    assert compare(capsys, a, b)["a"]["compared"] is None


def test_texts_of_a_run_do_not_steer_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    escape = "\x1b[2J"
    named = RunModel(file=f"x{escape}.gguf", sha256="c" * 64)
    strange = replace(item(1, category=escape), id=escape)
    a = write_run(tmp_path / "a", [letter_record(strange, SURE)])
    b = write_run(tmp_path / "b", [letter_record(strange, UNSURE)], model=named)
    assert "\x1b" not in told(capsys, a, b, "--items")


def test_a_seed_that_is_none_is_wrong_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed in ("-1", "x", str(2**64)):
        with pytest.raises(SystemExit) as caught:
            main(["compare", str(tmp_path), str(tmp_path), "--seed", seed])
        assert caught.value.code == 2
        capsys.readouterr()


def test_a_comparison_leaves_the_runs_as_they_were(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a = write_run(tmp_path / "a", records([True]))
    b = write_run(tmp_path / "b", records([False]), model=OTHER)
    before = [read_run(folder) for folder in (a, b)]
    told(capsys, a, b)
    assert [read_run(folder) for folder in (a, b)] == before
    assert [path.name for folder in (a, b) for path in folder.iterdir()] == ["items.jsonl", "items.jsonl"]
