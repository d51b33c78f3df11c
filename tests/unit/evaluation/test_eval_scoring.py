from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.language import Language
from evaluation.demo.facts import default_corpus_folder, read_corpus
from evaluation.scoring import after_letter, choice_letter, has_all_keys, has_words, is_in_language, normalised


@pytest.mark.parametrize(
    ("answer", "letter"),
    [
        ("c. T波", "c"),
        ("c.T wave", "c"),
        ("C", "c"),
        ("(d) green", "d"),
        ("ｃ．黄", "c"),
        ("Ｅ", "e"),
        ("  b) orange", "b"),
        ("**a** red", "a"),
        ("【e】青", "e"),
        ("a、赤", "a"),
        ("dです。", "d"),
        ("b\norange", "b"),
        ("b: orange", "b"),
        ("b. E. coli", "b"),
        # Words that begin with one of the letters, and letters that stand elsewhere:
        ("", None),
        ("A patient with fever", None),
        ("C型肝炎", None),
        ("B細胞", None),
        ("D-dimer", None),
        ("e.g. the liver", None),
        ("because", None),
        ("The answer is c.", None),
        ("f. six", None),
        ("赤", None),
    ],
)
def test_the_letter_that_an_answer_begins_with(answer: str, letter: str | None) -> None:
    assert choice_letter(answer) == letter


def test_an_option_that_looks_like_a_letter_is_none() -> None:
    options = ["Staphylococcus", "E. coli", "Candida", "HIV", "Measles"]
    assert choice_letter("E. coli", options) is None
    assert choice_letter("e. Measles", options) == "e"


def test_options_of_one_letter_do_not_hide_the_answer() -> None:
    assert choice_letter("c", ["A", "B", "C", "D", "E"]) == "c"


@given(st.sampled_from("abcde"), st.text())
def test_a_lettered_answer_always_has_its_letter(letter: str, rest: str) -> None:
    answer = f"{letter}. {rest}"
    assert choice_letter(answer) == letter
    assert after_letter(answer) == unicodedata.normalize("NFKC", answer)[2:].strip()


@given(st.text())
def test_any_answer_can_be_judged(text: str) -> None:
    assert choice_letter(text) in (None, *"abcde")
    assert not (is_in_language(text, "ja") and is_in_language(text, "en"))
    assert has_words(text) or not (is_in_language(text, "ja") or is_in_language(text, "en"))


@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E)))
def test_full_width_and_case_make_no_difference(text: str) -> None:
    full_width = "".join(chr(ord(character) + 0xFEE0) for character in text)
    assert normalised(full_width) == normalised(text) == normalised(text.upper())


@pytest.mark.parametrize(
    ("text", "keys", "expected"),
    [
        ("The pulse is IRREGULARLY irregular.", ["irregular"], True),
        ("脈は不規則です。", ["絶対性不整脈|不規則"], True),
        ("ＨｂＡ１ｃです。", ["HbA1c"], True),
        ("ﾋﾞﾀﾐﾝK", ["ビタミン"], True),
        ("vitamin  K\nantagonist", ["vitamin k antagonist"], True),
        ("vitamin K", ["vitamin", "antagonist"], False),
        ("", ["x"], False),
    ],
)
def test_all_keys_must_occur(text: str, keys: list[str], expected: bool) -> None:
    assert has_all_keys(text, keys) is expected


@pytest.mark.parametrize(
    ("text", "languages"),
    [
        ("心房細動の脈は不規則です。", {"ja"}),
        ("絶対性不整脈", {"ja"}),
        ("Helicobacter pyloriです。", {"ja"}),
        ("ﾋﾞﾀﾐﾝ", {"ja"}),
        ("The pulse is irregular.", {"en"}),
        ("Ménière disease", {"en"}),
        ("In atrial fibrillation the pulse is irregularly irregular, without any rhythm at all 脈.", {"en"}),
        ("The pulse in 心房細動 is irregular.", set()),
        ("The pulse is irregular ね", set()),
        ("12", set()),
        ("", set()),
        ("…！？", set()),
    ],
)
def test_the_language_is_told_by_script(text: str, languages: set[Language]) -> None:
    found = {language for language in ("ja", "en") if is_in_language(text, language)}
    assert found == languages


def test_every_sentence_of_the_corpus_is_in_its_own_language_only() -> None:
    for fact in read_corpus(default_corpus_folder()).facts:
        for sentence in (fact.text["ja"].answer, *fact.text["ja"].wordings):
            assert is_in_language(sentence, "ja"), sentence
        for sentence in (fact.text["en"].answer, *fact.text["en"].wordings):
            assert is_in_language(sentence, "en"), sentence
