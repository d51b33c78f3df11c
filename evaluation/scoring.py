"""Judging one answer: pure functions of text, the same for every task, model and machine."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

from app.core.language import Language

_ENGLISH_AT_MOST = 0.1  # a name in brackets is no change of language in a long answer
_JAPANESE_AT_LEAST = 0.3  # "Helicobacter pyloriです" is Japanese; an English sentence with one kana is not
_WITHOUT_KANA_AT_LEAST = 0.6  # "The pulse in 心房細動 is irregular" is not Japanese; "絶対性不整脈" is

_KANA = re.compile("[ぁ-ゖゝゞァ-ヺヽヾ]")
_JAPANESE_CHARACTER = re.compile("[ぁ-ゖゝゞァ-ヺヽヾ々〆㐀-䶿一-鿿豈-﫿𠀀-𲎯]")
_LATIN_WORD = re.compile("[A-Za-zÀ-ÖØ-öø-ɏ]+")

# What may stand between the letter and the rest. A hyphen, a blank or a Japanese character may not: "D-dimer",
# "A patient" and "C型肝炎" begin with a word, not with a choice.
_LETTER = re.compile(r"[\s\"'「『(\[【<*_]*([a-e])(?:[.):,、。\]】>*_」』\"']|です|\s*$|\s*\n)(?!g\.)")


def normalised(text: str) -> str:
    """NFKC, case-folded, every run of white space one blank: the form in which texts are compared."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def bare(text: str) -> str:
    """`normalised` with letters and digits only: two texts that differ in punctuation alone are equal in this form."""
    return "".join(character for character in normalised(text) if character.isalnum())


def has_key(text: str, key: str) -> bool:
    """Whether one of the alternatives of `key` (`a|b`) occurs in `text`."""
    form = normalised(text)
    return any(normalised(alternative) in form for alternative in key.split("|"))


def has_all_keys(text: str, keys: Iterable[str]) -> bool:
    """Whether every key occurs in `text`: what makes the answer to a fact right, its language aside."""
    return all(has_key(text, key) for key in keys)


def has_words(text: str) -> bool:
    """Whether there is anything whose language can be told: a Japanese character or a Latin word."""
    form = unicodedata.normalize("NFKC", text)
    return bool(_JAPANESE_CHARACTER.search(form) or _LATIN_WORD.search(form))


def is_in_language(text: str, language: Language) -> bool:
    """Whether `text` is written in `language`, told by script alone.

    Counts each kana or ideograph as one and each Latin word as one, since "Helicobacter" weighs no more than "菌".
    English has (almost) no Japanese characters. Japanese may have many Latin names where it has kana, and few where it
    has ideographs only, which are not told from Chinese. A mixture, or text without any word, can be in no language.
    """
    form = unicodedata.normalize("NFKC", text)
    japanese = len(_JAPANESE_CHARACTER.findall(form))
    latin = len(_LATIN_WORD.findall(form))
    if not japanese + latin:
        return False
    share = japanese / (japanese + latin)
    if language == "en":
        return share <= _ENGLISH_AT_MOST
    return share >= (_JAPANESE_AT_LEAST if _KANA.search(form) else _WITHOUT_KANA_AT_LEAST)


def choice_letter(answer: str, options: Sequence[str] = ()) -> str | None:
    """The letter a-e that `answer` begins with ("c. …", "(C)", "ｃ", "cです"), or None if it begins with none.

    An answer that is one of `options` word for word names no letter, even where it looks like one: "E. coli".
    """
    form = unicodedata.normalize("NFKC", answer).casefold()
    if bare(answer) in {bare(option) for option in options if len(bare(option)) > 1}:
        return None
    match = _LETTER.match(form)
    return match[1] if match else None


def after_letter(answer: str) -> str:
    """What follows the letter that `answer` begins with; all of it if there is no letter."""
    form = unicodedata.normalize("NFKC", answer)
    match = _LETTER.match(form.casefold())
    # Case folding can change a text's length, but never that of the few characters before and at the letter.
    return form[match.end() :].strip() if match else form.strip()
