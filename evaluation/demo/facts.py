"""The demonstration task: does the model know the facts of its own small corpus, and does it know them in other words?

`trained` and `choices_trained` are the very questions of the training: they show that training, conversion and engine
work together, and nothing about medical ability. `second_wordings` and `choices_held_out` were not trained.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from functools import cached_property
from itertools import chain

import msgspec

from app.core.language import Language
from evaluation.demo.corpus import (
    Choice,
    ChoiceText,
    Corpus,
    Fact,
    FactText,
    choice_answer,
    choice_question,
    default_corpus_folder,
    read_corpus,
)
from evaluation.demo.task import Exercise, Split, Verdict
from evaluation.scoring import after_letter, bare, choice_letter, has_all_keys, has_words, is_in_language

__all__ = [
    "Choice",
    "ChoiceText",
    "Corpus",
    "DemoTask",
    "Fact",
    "FactText",
    "choice_answer",
    "choice_question",
    "default_corpus_folder",
    "read_corpus",
]

TRAINED = Split("trained", "facts, asked with the words of the training: memory, not medical ability", True)
SECOND_WORDINGS = Split("second_wordings", "the same trained facts, asked in words that training did not see", False)
CHOICES_TRAINED = Split("choices_trained", "five-choice items of the training: memory, not medical ability", True, 0.2)
CHOICES_HELD_OUT = Split("choices_held_out", "five-choice items that training did not see", False, 0.2)


class DemoTask:
    """The corpus as items. Ids of facts repeat between `trained` and `second_wordings`: it is the same fact."""

    name = "demo"
    splits = (TRAINED, SECOND_WORDINGS, CHOICES_TRAINED, CHOICES_HELD_OUT)
    max_tokens = 128

    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus

    def items(self, language: Language) -> tuple[Exercise, ...]:
        facts = self._corpus.facts
        return tuple(
            chain(
                _fact_items(TRAINED, facts, language, lambda text: text.question),
                _fact_items(SECOND_WORDINGS, facts, language, lambda text: text.second_wording),
                self._choice_items(CHOICES_TRAINED, False, language),
                self._choice_items(CHOICES_HELD_OUT, True, language),
            )
        )

    def fingerprint(self, language: Language) -> str:
        facts = [(fact.id, fact.text[language]) for fact in self._corpus.facts]
        choices = [(choice.id, choice.held_out, choice.text[language]) for choice in self._corpus.choices]
        return hashlib.sha256(msgspec.json.encode((facts, choices), order="deterministic")).hexdigest()

    def evaluate(self, item: Exercise, answer: str, language: Language) -> Verdict:
        if item.split in (TRAINED.name, SECOND_WORDINGS.name):
            return judge_fact(self._facts[item.id].text[language], answer, language)
        return judge_choice(self._choices[item.id].text[language], answer, language)

    def _choice_items(self, split: Split, held_out: bool, language: Language) -> Iterator[Exercise]:
        for choice in self._corpus.choices:
            if choice.held_out == held_out:
                text = choice.text[language]
                yield Exercise(choice.id, split.name, choice_question(text), choice_answer(text))

    @cached_property
    def _facts(self) -> dict[str, Fact]:
        return {fact.id: fact for fact in self._corpus.facts}

    @cached_property
    def _choices(self) -> dict[str, Choice]:
        return {choice.id: choice for choice in self._corpus.choices}


def _fact_items(
    split: Split, facts: tuple[Fact, ...], language: Language, wording: Callable[[FactText], str]
) -> Iterator[Exercise]:
    for fact in facts:
        text = fact.text[language]
        yield Exercise(fact.id, split.name, wording(text), text.answer)


def judge_fact(text: FactText, answer: str, language: Language) -> Verdict:
    """Right if all keys occur and the answer is in `language`. An answer without any word is wrong in no language."""
    in_language = is_in_language(answer, language)
    return Verdict(
        right=in_language and has_all_keys(answer, text.keys),
        wrong_language=has_words(answer) and not in_language,
    )


def judge_choice(text: ChoiceText, answer: str, language: Language) -> Verdict:
    """Right if the answer begins with the right letter; the language of what follows is counted, but decides nothing.

    An option repeated word for word is in the item's own language even where its script is not: "HbA1c" in Japanese.
    """
    rest = after_letter(answer)
    own_words = bare(rest) in {bare(option) for option in text.options}
    return Verdict(
        right=choice_letter(answer, text.options) == text.answer,
        wrong_language=has_words(rest) and not own_words and not is_in_language(rest, language),
    )
