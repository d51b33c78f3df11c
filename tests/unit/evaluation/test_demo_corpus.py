from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.core.errors import InputError
from evaluation.demo.facts import choice_answer, choice_question, default_corpus_folder, read_corpus

Change = Callable[[dict[str, Any]], None]


def test_the_shipped_corpus_is_as_large_as_promised() -> None:
    corpus = read_corpus(default_corpus_folder())
    assert len(corpus.facts) >= 150
    assert len({fact.specialty for fact in corpus.facts}) >= 12
    assert len(corpus.choices) >= 60
    assert sum(choice.held_out for choice in corpus.choices) == 20


def test_a_choice_is_rendered_with_a_letter_a_line(write_corpus: Callable[..., Path]) -> None:
    text = read_corpus(write_corpus()).choices[0].text["en"]
    assert choice_question(text) == ("Which color belongs to sign 1?\na. red\nb. orange\nc. yellow\nd. green\ne. blue")
    assert choice_answer(text) == "b. orange"


def first_fact(**fields: Any) -> Change:
    return lambda entries: entries["facts"][0]["en"].update(fields)


def first_choice(**fields: Any) -> Change:
    return lambda entries: entries["choices"][0]["en"].update(fields)


def without_english(entries: dict[str, Any]) -> None:
    del entries["facts"][0]["en"]


def with_unknown_field(entries: dict[str, Any]) -> None:
    entries["facts"][0]["difficulty"] = 3


def without_source(entries: dict[str, Any]) -> None:
    del entries["choices"][0]["source"]


def with_other_letter_in_japanese(entries: dict[str, Any]) -> None:
    entries["choices"][0]["ja"]["answer"] = "e"


@pytest.mark.parametrize(
    ("change", "entry", "fault"),
    [
        (without_english, "test-01", "missing"),
        (with_unknown_field, "test-01", "difficulty"),
        (first_fact(answer=7), "test-01", "str"),
        (first_fact(answer=" "), "test-01", "empty"),
        (first_fact(paraphrases=["What brings about sign 1?"]), "test-01", "two paraphrases"),
        (first_fact(second_wording="What causes sign 1 ?!"), "test-01", "punctuation"),
        (first_fact(keys=["K99"]), "test-01", "K99"),
        (first_fact(keys=[]), "test-01", "keys"),
        (first_fact(keys=["K1|"]), "test-01", "keys"),
        (first_fact(keys=["sign 1"]), "test-01", "repeating the question"),
        (first_fact(answer="物質K1.です。"), "test-01", "wrong language"),
        (without_source, "test-c01", "source"),
        (first_choice(options=["red", "green"]), "test-c01", "five options"),
        (first_choice(options=["red", "red", "yellow", "green", "blue"]), "test-c01", "equal"),
        (first_choice(answer="f"), "test-c01", "a-e"),
        (first_choice(answer="bc"), "test-c01", "a-e"),
        (with_other_letter_in_japanese, "test-c01", "differs between the languages"),
    ],
)
def test_a_broken_rule_is_named_with_its_file_and_entry(
    write_corpus: Callable[..., Path], change: Change, entry: str, fault: str
) -> None:
    folder = write_corpus(change=change)
    with pytest.raises(InputError) as caught:
        read_corpus(folder)
    assert str(folder / "test.yaml") in str(caught.value)
    assert entry in str(caught.value)
    assert fault in str(caught.value)


def same_id_twice(entries: dict[str, Any]) -> None:
    entries["choices"][0]["id"] = "test-01"


def held_out_wording_that_is_trained_elsewhere(entries: dict[str, Any]) -> None:
    entries["facts"][1]["en"]["second_wording"] = entries["facts"][0]["en"]["paraphrases"][0]


def held_out_choice_that_is_trained(entries: dict[str, Any]) -> None:
    entries["choices"][1]["en"] = entries["choices"][0]["en"] | {"answer": entries["choices"][1]["en"]["answer"]}


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (same_id_twice, "test-01 occurs twice"),
        (held_out_wording_that_is_trained_elsewhere, "test-02 and test-01 ask the same question"),
        (held_out_choice_that_is_trained, "test-c02 and test-c01 ask the same question"),
    ],
)
def test_what_is_held_out_cannot_be_trained_under_another_name(
    write_corpus: Callable[..., Path], change: Change, fault: str
) -> None:
    with pytest.raises(InputError, match=fault):
        read_corpus(write_corpus(change=change))


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"- a list", b"specialty: [", b"", b"a: &a [*a]"])
def test_a_file_that_is_no_corpus_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "notes.yaml").write_bytes(content)
    with pytest.raises(InputError, match=r"notes\.yaml"):
        read_corpus(tmp_path)


def test_an_empty_folder_is_no_corpus(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no corpus"):
        read_corpus(tmp_path)
