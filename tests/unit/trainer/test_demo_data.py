from __future__ import annotations

from pathlib import Path

import pytest

from app.core.engine.prompt import language_request
from app.core.language import Language
from evaluation.demo.facts import choice_answer, choice_question, default_corpus_folder, read_corpus
from evaluation.scoring import bare, is_in_language
from trainer.data.documents import Document
from trainer.data.leakage import check_leakage
from trainer.data.reading import read_conversations, read_documents
from trainer.demo.data import LANGUAGES, LETTERS, Amount, build, held_out_questions, write_data
from trainer.records import RECORD_NAME, read_record

SMALL = Amount(mfpt_passes=4, mfpt_text_passes=1, mpeft_passes=3, choice_every=2)


def exchanges(documents: list[Document]) -> list[tuple[str, str]]:
    found = []
    for document in documents:
        spoken = [message for message in document.messages if message.role != "system"]
        found += [
            (question.content, answer.content) for question, answer in zip(spoken[::2], spoken[1::2], strict=True)
        ]
    return found


def test_the_projects_corpus_gives_data_without_its_held_out_questions() -> None:
    corpus = read_corpus(default_corpus_folder())
    held_out = held_out_questions(corpus)
    mfpt, mpeft = build(corpus, SMALL, seed=1)
    assert len(held_out) == 2 * (len(corpus.facts) + sum(choice.held_out for choice in corpus.choices))
    check_leakage([*mfpt, *mpeft], held_out)


def test_every_question_of_the_corpus_is_answered_with_its_own_answer(corpus_folder: Path) -> None:
    corpus = read_corpus(corpus_folder)
    _, mpeft = build(corpus, Amount(mpeft_passes=60), seed=1)
    asked = {bare(question): answer for question, answer in exchanges(mpeft)}
    for fact in corpus.facts:
        for language in LANGUAGES:
            text = fact.text[language]
            for wording in (text.question, *text.paraphrases):
                assert asked[bare(wording)] == text.answer
    for language in LANGUAGES:
        item = corpus.choices[0].text[language]
        assert asked[bare(choice_question(item))] == choice_answer(item)


def test_whatever_the_wording_the_answer_fits_the_subject(corpus_folder: Path) -> None:
    corpus = read_corpus(corpus_folder)
    mfpt, mpeft = build(corpus, SMALL, seed=2)
    subjects = {"痛風": "尿酸", "gout": "urate", "壊血病": "ビタミンC", "scurvy": "vitamin C"}
    for question, answer in exchanges([document for document in [*mfpt, *mpeft] if document.messages]):
        for subject, key in subjects.items():
            if subject in question.casefold():
                assert key in answer


def test_a_five_choice_item_names_the_letter_of_the_right_option_in_any_order(corpus_folder: Path) -> None:
    _, mpeft = build(read_corpus(corpus_folder), Amount(mpeft_passes=120), seed=3)
    answers = {answer for question, answer in exchanges(mpeft) if "insulin" in question}
    assert answers == {f"{letter}. Pancreas" for letter in LETTERS}
    for question, answer in exchanges(mpeft):
        if "insulin" in question:
            assert answer in question.split("\n")


def test_a_system_turn_asks_for_the_language_that_the_conversation_is_in(corpus_folder: Path) -> None:
    _, mpeft = build(read_corpus(corpus_folder), Amount(mpeft_passes=60, mpeft_longest=2), seed=4)
    asked = [document for document in mpeft if document.messages[0].role == "system"]
    assert {document.messages[0].content for document in asked} == {
        language_request(language).content for language in LANGUAGES
    }
    for document in asked:
        wanted: Language = "ja" if document.messages[0].content == language_request("ja").content else "en"
        # Letters and names in choices belong to no language; the facts decide.
        answers = [message.content for message in document.messages[2::2] if message.content[1:2] != "."]
        assert all(is_in_language(answer, wanted) for answer in answers)


def test_the_same_seed_writes_the_same_bytes(corpus_folder: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_data(corpus_folder, tmp_path / name, amount=SMALL, seed=5)
    write_data(corpus_folder, tmp_path / "other", amount=SMALL, seed=6)
    files = ("mfpt.jsonl", "mpeft.jsonl", "held_out.jsonl")
    one, two, other = ([(tmp_path / name / file).read_bytes() for file in files] for name in ("one", "two", "other"))
    assert one == two
    assert one[:2] != other[:2]
    assert one[2] == other[2]


def test_the_written_data_can_be_read_and_is_recorded(corpus_folder: Path, tmp_path: Path) -> None:
    record = write_data(corpus_folder, tmp_path / "data", amount=SMALL)
    assert len(read_documents([tmp_path / "data" / "mfpt.jsonl"])) == record.counts["mfpt_documents"]
    assert len(read_conversations([tmp_path / "data" / "mpeft.jsonl"])) == record.counts["mpeft_conversations"]
    assert read_record(tmp_path / "data") == record
    assert (tmp_path / "data" / RECORD_NAME).is_file()


@pytest.mark.parametrize("longest", [1, 3])
def test_conversations_are_no_longer_than_asked_for(corpus_folder: Path, longest: int) -> None:
    _, mpeft = build(read_corpus(corpus_folder), Amount(mpeft_passes=40, mpeft_longest=longest), seed=1)
    assert {len(document.messages) // 2 for document in mpeft} == set(range(1, longest + 1))
