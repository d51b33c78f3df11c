"""From what a person asks for to the questions, examples and settings of a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.core.errors import InputError
from app.core.language import Language
from evaluation.runs.request import Prepared, Request, prepare
from evaluation.tasks.loading import Selection
from tests.unit.evaluation.benchmark_files import record, write_igakuqa, write_lines

COUNT = 40


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Forty questions in both languages, of which one in ten has four options, and one in five two answers."""
    lines: list[dict[str, Any]] = []
    for language in ("ja", "en"):
        for number in range(COUNT):
            more = {"choices": list("pqrs")} if number % 10 == 0 else {}
            answer = ["a", "b"] if number % 5 == 1 else "a"
            lines.append(record(f"q{number}", answer, language=language, **more))
    return write_lines(tmp_path / "questions.jsonl", lines)


def request(data: Path, **facts: Any) -> Request:
    known: dict[str, Any] = {"task": "jsonl", "language": "ja", "how": "letter"}
    return Request(data=data, **(known | facts))


def ids(prepared: Prepared) -> list[str]:
    return [item.id for item in prepared.items]


def test_by_default_every_question_is_asked_in_the_models_chat(data: Path) -> None:
    prepared = prepare(request(data))
    assert len(prepared.items) == COUNT
    assert [len(item.options) for item in prepared.items] == [4] * 4 + [5] * 36
    told = prepared.settings
    assert (told.template, told.chat, told.permutations, told.max_tokens) == ("plain", True, 1, 0)
    assert prepared.left_out == {}


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"how": "option"}, ("sections", True, 0, 0.0)),
        ({"how": "generate"}, ("plain", True, 128, 0.0)),
        ({"how": "generate", "steps": True}, ("steps", True, 512, 0.0)),
        ({"how": "generate", "template": "steps"}, ("steps", True, 512, 0.0)),
        ({"how": "generate", "template": "sections_steps"}, ("sections_steps", True, 512, 0.0)),
        ({"how": "generate", "samples": 3}, ("plain", True, 128, 0.7)),
        ({"how": "generate", "temperature": 1.5, "max_tokens": 9}, ("plain", True, 9, 1.5)),
        ({"how": "generate", "plain": True}, ("plain", False, 128, 0.0)),
        ({"how": "paper"}, ("sections", False, 256, 0.0)),
        ({"how": "paper-fixed", "steps": True}, ("sections_steps", False, 256, 0.0)),
    ],
)
def test_each_way_has_its_own_defaults(data: Path, facts: dict[str, Any], expected: tuple[object, ...]) -> None:
    told = prepare(request(data, **facts)).settings
    assert (told.template, told.chat, told.max_tokens, told.temperature) == expected


def test_asking_for_steps_by_the_templates_name_is_the_same_as_by_the_option(data: Path) -> None:
    by_name = prepare(request(data, how="generate", template="steps"))
    by_option = prepare(request(data, how="generate", steps=True))
    assert by_name.settings == by_option.settings
    assert by_name.wording.steps is by_option.wording.steps is True


WRONG: tuple[tuple[dict[str, Any], str], ...] = (
    ({"samples": 2}, "--how generate"),
    ({"temperature": 0.5}, "--how generate"),
    ({"grammar": True}, "--how generate"),
    ({"max_tokens": 9}, "--how generate"),
    ({"steps": True}, "--steps"),
    ({"template": "steps"}, "--steps"),
    ({"how": "option", "template": "sections_steps"}, "--steps"),
    ({"how": "generate", "steps": True, "grammar": True}, "exclude each other"),
    ({"how": "generate", "samples": 2, "temperature": 0.0}, "all be the same"),
    ({"how": "paper", "permutations": 2}, "--permutations"),
    ({"how": "paper-fixed", "shots": 2}, "--shots"),
    ({"template": "sections"}, "shows each option with its letter, and sections does not"),
    ({"shots": 33}, "--shots is 33; it can be 0 to 32"),
    ({"shots": -1}, "--shots is -1"),
    ({"permutations": 27}, "--permutations is 27"),
    ({"how": "generate", "samples": 65}, "--samples is 65"),
    ({"how": "generate", "max_tokens": 9000}, "--max-tokens is 9000"),
    ({"seed": -1}, "--seed is -1"),
    ({"seed": 2**32 - 1}, "--seed is 4294967295"),
    ({"task": "nonsense"}, "nonsense"),
    ({"selection": Selection(options=3)}, "no question"),
)


@pytest.mark.parametrize(("facts", "told"), WRONG)
def test_what_does_not_go_together_is_one_sentence(data: Path, facts: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told) as refused:
        prepare(request(data, **facts))
    sentence = str(refused.value)
    assert sentence[0].isupper() or sentence[0] in "-/"
    assert sentence.endswith(".")
    assert "\n" not in sentence


# --- examples and limits ----------------------------------------------------------------------------------------------


def test_examples_are_shown_and_not_asked(data: Path) -> None:
    prepared = prepare(request(data, shots=5))
    shots = prepared.settings.shots
    assert len(set(shots)) == 5
    assert tuple(shot.id for shot in prepared.wording.shots) == shots
    assert {len(shot.options) for shot in prepared.wording.shots} == {5}
    assert sorted([*ids(prepared), *shots]) == sorted(f"q{number}" for number in range(COUNT))
    assert prepared.left_out == {"it is shown as an example": 5}


def test_an_example_of_option_has_one_right_option(data: Path) -> None:
    for seed in range(4):
        prepared = prepare(request(data, how="option", shots=8, seed=seed))
        assert {len(shot.answers) for shot in prepared.wording.shots} == {1}


def test_all_that_is_drawn_comes_back_with_its_seed_and_in_the_other_language(data: Path) -> None:
    told = request(data, shots=3, limit=10)
    first, again = prepare(told), prepare(told)
    assert (ids(first), first.settings) == (ids(again), again.settings)
    english = prepare(replace(told, language="en"))
    assert (ids(english), english.settings.shots) == (ids(first), first.settings.shots)
    other = prepare(replace(told, seed=1))
    assert other.settings.shots != first.settings.shots
    assert ids(other) != ids(first)


def test_a_question_that_one_language_lacks_changes_little_of_what_is_drawn(tmp_path: Path, data: Path) -> None:
    drawn: dict[Language, tuple[set[str], set[str]]] = {}
    lines = data.read_text(encoding="utf-8").splitlines()
    some = write_lines(tmp_path / "some.jsonl", [one for one in lines if '"q3"' not in one or '"ja"' in one])
    for language in ("ja", "en"):
        prepared = prepare(request(some, language=language, shots=4, limit=20))
        drawn[language] = (set(prepared.settings.shots), set(ids(prepared)))
    assert len(drawn["ja"][0] - drawn["en"][0]) <= 1
    assert len(drawn["ja"][1] - drawn["en"][1]) <= 2


def test_a_limit_draws_so_many_and_more_than_there_are_is_all(data: Path) -> None:
    assert len(ids(prepare(request(data, limit=7)))) == 7
    assert len(ids(prepare(request(data, limit=700)))) == COUNT
    assert set(ids(prepare(request(data, limit=7)))) < set(ids(prepare(request(data, limit=8))))


def test_more_examples_than_questions_are_refused(tmp_path: Path) -> None:
    few = write_lines(tmp_path / "few.jsonl", [record(number) for number in range(3)])
    with pytest.raises(InputError, match="too few questions for 3 examples"):
        prepare(request(few, shots=3))
    assert len(prepare(request(few, shots=2)).items) == 1


# --- what the published harness does not ask --------------------------------------------------------------------------


def test_paper_leaves_out_what_the_published_harness_does_and_says_so(tmp_path: Path) -> None:
    folder = write_igakuqa(tmp_path)
    paper = prepare(Request(task="igakuqa", data=folder, language="ja", how="paper"))
    fixed = prepare(Request(task="igakuqa", data=folder, language="ja", how="paper-fixed"))
    assert set(ids(fixed)) - set(ids(paper)) == {"112A6"}
    assert paper.left_out == {"it has 8 choices, not five": 1}
    assert fixed.left_out == {}


def test_where_nothing_is_left_to_ask_one_is_told(tmp_path: Path) -> None:
    long = write_lines(tmp_path / "long.jsonl", [record(1, problem_text="長" * 1025)])
    with pytest.raises(InputError, match="left to ask"):
        prepare(request(long, how="paper"))
    assert len(prepare(request(long, how="paper-fixed")).items) == 1
