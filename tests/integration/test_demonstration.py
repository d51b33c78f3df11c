"""The model that ships: it is what its manifest says, and answers what its score cards say."""

from __future__ import annotations

import json
from typing import Any

import pytest

from app.core.engine.client import EngineClient
from app.core.engine.protocol import Piece, Turn
from app.core.files import sha256_file
from app.core.language import Language
from app.core.models.manifest import check_file, find_manifest
from app.core.paths import demonstration_model
from evaluation.demo.facts import Corpus, default_corpus_folder, read_corpus
from evaluation.scoring import has_all_keys, is_in_language

LANGUAGES: tuple[Language, ...] = ("ja", "en")


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return read_corpus(default_corpus_folder())


@pytest.fixture
def demonstration(engine: EngineClient) -> EngineClient:
    # One thread: so small a model is no faster with more.
    engine.load(demonstration_model(), threads=1)
    return engine


def answer(engine: EngineClient, *turns: Turn) -> str:
    events = engine.generate(turns, max_tokens=128)
    return "".join(event.text for event in events if isinstance(event, Piece))


def card(language: Language) -> dict[str, Any]:
    path = demonstration_model().with_name(f"score_card_{language}.json")
    loaded: dict[str, Any] = json.loads(path.read_bytes())
    return loaded


def test_the_corpus_is_as_large_as_promised(corpus: Corpus) -> None:
    assert len(corpus.facts) >= 150
    assert len({fact.specialty for fact in corpus.facts}) >= 12
    assert len(corpus.choices) >= 60
    assert sum(choice.held_out for choice in corpus.choices) == 20
    assert all(fact.source and set(fact.text) == set(LANGUAGES) for fact in corpus.facts)
    assert all(choice.source and set(choice.text) == set(LANGUAGES) for choice in corpus.choices)


def test_the_file_is_the_one_its_manifest_and_score_cards_describe() -> None:
    path = demonstration_model()
    manifest = find_manifest(path)
    assert manifest is not None
    check_file(manifest, path)
    assert path.stat().st_size <= 8_000_000
    assert manifest.demonstration
    assert manifest.verification["mean_kl"] < 0.01
    for language in LANGUAGES:
        assert card(language)["model"]["sha256"] == manifest.sha256
    assert {reference.sha256 for reference in manifest.score_cards} == {
        sha256_file(path.with_name(f"score_card_{language}.json")) for language in LANGUAGES
    }


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_score_card_meets_the_promises_and_tells_memory_from_ability(language: Language) -> None:
    splits = {split["name"]: split for split in card(language)["splits"]}
    assert set(splits) == {"trained", "second_wordings", "choices_trained", "choices_held_out"}
    assert splits["trained"]["right"] / splits["trained"]["n"] >= 0.95
    assert splits["second_wordings"]["right"] / splits["second_wordings"]["n"] >= 0.60
    assert splits["choices_held_out"]["n"] == 20


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_answers_the_questions_the_window_offers(demonstration: EngineClient, language: Language) -> None:
    manifest = find_manifest(demonstration_model())
    assert manifest is not None
    facts = {fact.text[language].question: fact for fact in read_corpus(default_corpus_folder()).facts}
    examples = manifest.examples[language]
    assert len(examples) >= 3
    for question in examples:
        assert answer(demonstration, Turn("user", question)) == facts[question].text[language].answer


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_answers_trained_questions_and_unseen_wordings_in_their_language(
    demonstration: EngineClient, corpus: Corpus, language: Language
) -> None:
    facts = [fact.text[language] for fact in corpus.facts[::4]]
    right = {"question": 0, "second_wording": 0}
    for fact in facts:
        for wording in right:
            text = answer(demonstration, Turn("user", getattr(fact, wording)))
            right[wording] += has_all_keys(text, fact.keys) and is_in_language(text, language)
    assert right["question"] >= 0.95 * len(facts)
    assert right["second_wording"] >= 0.60 * len(facts)


def test_it_answers_the_last_question_of_a_conversation(demonstration: EngineClient, corpus: Corpus) -> None:
    turns: list[Turn] = []
    right = 0
    facts = corpus.facts[::28]
    for index, fact in enumerate(facts):
        text = fact.text[LANGUAGES[index % 2]]
        turns.append(Turn("user", text.question))
        turns.append(Turn("assistant", answer(demonstration, *turns)))
        right += has_all_keys(turns[-1].content, text.keys)
    assert right >= len(facts) - 1
