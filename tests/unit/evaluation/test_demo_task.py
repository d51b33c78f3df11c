from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.core.language import Language
from evaluation.demo.facts import DemoTask, default_corpus_folder, read_corpus

LANGUAGES: tuple[Language, ...] = ("ja", "en")


@pytest.fixture(scope="module")
def task() -> DemoTask:
    return DemoTask(read_corpus(default_corpus_folder()))


@pytest.mark.parametrize("language", LANGUAGES)
class TestShippedItems:
    """What the judge makes of the simplest models there are."""

    def test_a_perfect_model_has_everything_right(self, task: DemoTask, language: Language) -> None:
        for item in task.items(language):
            verdict = task.evaluate(item, item.reference, language)
            assert verdict.right, item
            assert not verdict.wrong_language, item

    @pytest.mark.parametrize("answer", ["", " \n", "?", "。", "12", "はい。", "Yes."])
    def test_a_model_that_knows_nothing_has_nothing_right(
        self, task: DemoTask, language: Language, answer: str
    ) -> None:
        assert not any(task.evaluate(item, answer, language).right for item in task.items(language))

    def test_repeating_the_question_is_wrong(self, task: DemoTask, language: Language) -> None:
        for item in task.items(language):
            assert not task.evaluate(item, item.question, language).right, item

    def test_the_right_fact_in_the_other_language_is_wrong(self, task: DemoTask, language: Language) -> None:
        other: Language = "en" if language == "ja" else "ja"
        for item, translated in zip(task.items(language), task.items(other), strict=True):
            verdict = task.evaluate(item, translated.reference, language)
            if not item.split.startswith("choices"):
                assert not verdict.right, item
                assert verdict.wrong_language, item

    def test_always_the_same_letter_has_its_share(self, task: DemoTask, language: Language) -> None:
        right: Counter[str] = Counter()
        choices = [item for item in task.items(language) if item.split.startswith("choices")]
        for letter in "abcde":
            right[letter] = sum(task.evaluate(item, letter, language).right for item in choices)
        assert sum(right.values()) == len(choices)

    def test_no_question_of_a_held_out_split_is_asked_in_a_trained_one(
        self, task: DemoTask, language: Language
    ) -> None:
        seen = {split.name for split in task.splits if split.seen_in_training}
        questions = Counter(item.question for item in task.items(language))
        assert max(questions.values()) == 1
        assert {item.split for item in task.items(language)} - seen == {"second_wordings", "choices_held_out"}


def test_ids_are_the_same_in_both_languages(task: DemoTask) -> None:
    assert [(item.split, item.id) for item in task.items("ja")] == [(item.split, item.id) for item in task.items("en")]


def test_a_choice_is_judged_by_its_letter_and_the_language_only_counted(write_corpus: Callable[..., Path]) -> None:
    task = DemoTask(read_corpus(write_corpus()))
    item = next(item for item in task.items("ja") if item.split == "choices_trained")
    verdict = task.evaluate(item, "b. orange", "ja")
    assert verdict.right
    assert verdict.wrong_language
    assert not task.evaluate(item, "b", "ja").wrong_language


def test_an_option_without_japanese_letters_is_no_wrong_language(write_corpus: Callable[..., Path]) -> None:
    def with_latin_options(entries: dict[str, Any]) -> None:
        entries["choices"][0]["ja"]["options"] = ["HbA1c", "TSH", "CRP", "AST", "12"]

    task = DemoTask(read_corpus(write_corpus(change=with_latin_options)))
    item = next(item for item in task.items("ja") if item.split == "choices_trained")
    verdict = task.evaluate(item, "b. TSH", "ja")
    assert verdict.right
    assert not verdict.wrong_language


def test_the_fingerprint_changes_with_what_is_judged(write_corpus: Callable[..., Path]) -> None:
    def other_key(entries: dict[str, Any]) -> None:
        entries["facts"][0]["en"]["keys"] = ["substance"]

    before = DemoTask(read_corpus(write_corpus()))
    after = DemoTask(read_corpus(write_corpus(change=other_key)))
    assert before.fingerprint("en") != after.fingerprint("en")
    assert before.fingerprint("ja") == after.fingerprint("ja")
