from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from app.core.errors import InputError
from app.core.language import Language
from evaluation.demo.results import Result
from evaluation.demo.score_card import (
    ScoreCard,
    ScoredModel,
    ScoringEngine,
    read_card,
    score_card,
    shortfalls,
    table,
    write_card,
)
from evaluation.demo.task import Exercise, Split, Verdict


class TwoSplits:
    """A task that is none of the project's own: what the report may know of a task is in `Task`."""

    name = "two"
    splits = (
        Split("known", "seen before", True),
        Split("guessed", "not seen", False, 0.2),
        Split("none", "empty", False),
    )
    max_tokens = 8

    def items(self, language: Language) -> tuple[Exercise, ...]:
        return ()

    def fingerprint(self, language: Language) -> str:
        return "f" * 64

    def evaluate(self, item: Exercise, answer: str, language: Language) -> Verdict:
        raise NotImplementedError


def result(split: str, number: int, right: bool) -> Result:
    return Result(
        split=split,
        id=str(number),
        question="?",
        reference="yes",
        answer="yes" if right else "",
        finish_reason="stop" if right else "length",
        completion_tokens=1,
        right=right,
        wrong_language=not right and number % 2 == 0,
    )


def card_of(known: int, guessed: int) -> ScoreCard:
    """A card of 10 items in each of the two splits, so many of them right."""
    results = [result("known", number, number < known) for number in range(10)]
    results += [result("guessed", number, number < guessed) for number in range(10)]
    model = ScoredModel(file="model.gguf", sha256="a" * 64, description="qwen2 tiny")
    return score_card(TwoSplits(), "en", model, ScoringEngine(llama_cpp_commit="abc", llama_cpp_python="1"), results)


def test_each_split_is_counted_by_itself() -> None:
    known, guessed, none = card_of(known=10, guessed=3).splits
    assert (known.right, known.n, known.accuracy, known.wrong_language, known.cut_off) == (10, 10, 1.0, 0, 0)
    assert (guessed.right, guessed.n, guessed.accuracy, guessed.wrong_language, guessed.cut_off) == (3, 10, 0.3, 3, 7)
    assert guessed.empty == 7
    assert guessed.interval_95 == pytest.approx((0.1078, 0.6032), abs=1e-4)
    assert (none.n, none.accuracy, none.interval_95) == (0, None, None)


def test_no_number_is_pooled_over_splits() -> None:
    card = card_of(known=10, guessed=0)
    assert "10 / 20" not in table(card)
    assert "50.0 %" not in table(card)
    assert set(msgspec.to_builtins(card)) & {"accuracy", "right", "n"} == set()


@pytest.mark.parametrize(("guessed", "said"), [(0, True), (3, True), (9, False)])
def test_the_table_says_when_a_score_could_be_luck(guessed: int, said: bool) -> None:
    sentence = "guessed is not shown to be better than guessing (20 %)."
    assert (sentence in table(card_of(known=10, guessed=guessed))) is said


@pytest.mark.parametrize(
    ("required", "names"),
    [
        ({}, []),
        ({"known": 0.9}, []),
        ({"known": 0.91}, ["known"]),
        ({"known": 1.0, "guessed": 0.5}, ["known", "guessed"]),
        ({"none": 0.0}, ["none"]),
    ],
)
def test_what_falls_short_is_named(required: dict[str, float], names: list[str]) -> None:
    sentences = shortfalls(card_of(known=9, guessed=3), required)
    assert [sentence.split(":")[0] for sentence in sentences] == names


def test_a_card_comes_back_from_the_disk_as_it_was(tmp_path: Path) -> None:
    card = card_of(known=9, guessed=2)
    write_card(tmp_path / "card.json", card)
    assert read_card(tmp_path / "card.json") == card


def test_something_else_is_no_card(tmp_path: Path) -> None:
    (tmp_path / "card.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match="not a valid score card"):
        read_card(tmp_path / "card.json")
