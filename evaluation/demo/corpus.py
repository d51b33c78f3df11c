"""The demonstration corpus: clinical facts and five-choice items in Japanese and English, for training and for scoring.

The schema is owned here, where both the trainer and the evaluation can read it. The rules that are checked on reading
are those that a score rests on: a held-out wording that training sees as well, or a key that stands in the question
itself, would make the score card flatter the model.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar, get_args

import msgspec

from app.core.errors import InputError
from app.core.language import Language
from evaluation.scoring import bare, has_all_keys, has_key, is_in_language

LANGUAGES: tuple[Language, ...] = get_args(Language)
LETTERS = "abcde"
MAX_FILE_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True)
class FactText:
    """A fact in one language. `question` and `paraphrases` are trained; `second_wording` never is."""

    question: str
    paraphrases: tuple[str, ...]
    second_wording: str
    answer: str
    keys: tuple[str, ...]
    """All of them occur in a right answer; `|` separates the alternatives inside one."""

    @property
    def wordings(self) -> tuple[str, ...]:
        return (self.question, *self.paraphrases, self.second_wording)


@dataclass(frozen=True)
class Fact:
    id: str
    specialty: str
    source: str
    text: dict[Language, FactText]


@dataclass(frozen=True)
class ChoiceText:
    question: str
    options: tuple[str, ...]
    answer: str
    """The letter of the right option, a-e."""


@dataclass(frozen=True)
class Choice:
    id: str
    specialty: str
    source: str
    held_out: bool
    """Whether training never sees this item."""
    text: dict[Language, ChoiceText]


@dataclass(frozen=True)
class Corpus:
    facts: tuple[Fact, ...]
    choices: tuple[Choice, ...]


def choice_question(text: ChoiceText) -> str:
    """The one rendering of a five-choice item as a user message: its question, then one lettered option a line."""
    return "\n".join((text.question, *map(_lettered, LETTERS, text.options)))


def choice_answer(text: ChoiceText) -> str:
    """The answer that is trained: the right option with its letter."""
    return _lettered(text.answer, text.options[LETTERS.index(text.answer)])


def _lettered(letter: str, option: str) -> str:
    return f"{letter}. {option}"


def default_corpus_folder() -> Path:
    """`trainer/demo/corpus` beside this package; found by path because evaluation must not import trainer."""
    return Path(__file__).resolve().parents[2] / "trainer" / "demo" / "corpus"


def read_corpus(folder: Path) -> Corpus:
    """Read every `*.yaml` of `folder`, in the order of their names.

    Raises InputError, which names the file and the entry, for a missing folder or a broken rule.
    """
    paths = sorted(folder.glob("*.yaml"))
    if not paths:
        raise InputError(f"{folder} holds no corpus: there is no .yaml file in it.")
    files = [_read_file(path) for path in paths]
    corpus = Corpus(
        facts=tuple(chain.from_iterable(facts for facts, _ in files)),
        choices=tuple(chain.from_iterable(choices for _, choices in files)),
    )
    _check_unique(corpus)
    return corpus


# --- one file ---------------------------------------------------------------------------------------------------------

T = TypeVar("T")


class _File(msgspec.Struct, forbid_unknown_fields=True):
    specialty: str
    facts: list[dict[str, Any]] = []
    choices: list[dict[str, Any]] = []


def _read_file(path: Path) -> tuple[list[Fact], list[Choice]]:
    if path.stat().st_size > MAX_FILE_BYTES:
        raise InputError(f"{path} is larger than {MAX_FILE_BYTES} bytes, the limit for a file of the corpus.")
    try:
        file = msgspec.yaml.decode(path.read_bytes(), type=_File)
    except ImportError as error:
        raise InputError("reading the corpus needs PyYAML; install inro with its extra “eval”.") from error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{path} is not a file of the corpus: {_one_line(error)}.") from error
    facts = [_fact(raw, file.specialty, f"{path}, fact {_label(raw, n)}") for n, raw in enumerate(file.facts, 1)]
    choices = [_choice(raw, file.specialty, f"{path}, item {_label(raw, n)}") for n, raw in enumerate(file.choices, 1)]
    return facts, choices


def _label(raw: dict[str, Any], number: int) -> str:
    return str(raw.get("id", f"number {number}"))


def _fact(raw: dict[str, Any], specialty: str, where: str) -> Fact:
    fact = _convert(Fact, FactText, raw, specialty, where)
    for language, text in fact.text.items():
        _require(not _fault_of_fact(text, language), f"{where} ({language}): {_fault_of_fact(text, language)}.")
    return fact


def _choice(raw: dict[str, Any], specialty: str, where: str) -> Choice:
    choice = _convert(Choice, ChoiceText, raw, specialty, where)
    for language, text in choice.text.items():
        _require(not _fault_of_choice(text), f"{where} ({language}): {_fault_of_choice(text)}.")
    letters = {text.answer for text in choice.text.values()}
    _require(len(letters) == 1, f"{where}: the right letter differs between the languages.")
    return choice


def _convert(entry: type[T], text: type[Any], raw: dict[str, Any], specialty: str, where: str) -> T:
    """An entry of a file, in which the languages stand beside the other fields, as the dataclass `entry`."""
    texts = {language: raw.get(language) for language in LANGUAGES}
    rest = {name: value for name, value in raw.items() if name not in texts}
    _require(not {"specialty", "text"} & set(rest), f"{where}: specialty and text are no fields of an entry.")
    for language, value in texts.items():
        _check_fields(text, value, f"{where} ({language})")
    whole = rest | {"specialty": specialty, "text": texts}
    _check_fields(entry, whole, where)
    try:
        converted = msgspec.convert(whole, entry)
    except msgspec.ValidationError as error:
        raise InputError(f"{where}: {_one_line(error)}.") from error
    blank = [name for name, value in rest.items() if isinstance(value, str) and not value.strip()]
    _require(not blank, f"{where}: {', '.join(blank)} is empty.")
    return converted


def _check_fields(kind: type[Any], raw: Any, where: str) -> None:
    _require(isinstance(raw, dict), f"{where}: this part is missing.")
    names = {field.name for field in dataclasses.fields(kind)}
    _require(set(raw) == names, f"{where}: missing or unknown fields: {', '.join(sorted(map(str, set(raw) ^ names)))}.")


# --- rules ------------------------------------------------------------------------------------------------------------


def _fault_of_fact(text: FactText, language: Language) -> str | None:
    """What is wrong with a fact in one language, as the end of a sentence."""
    if not all(map(bare, (*text.wordings, text.answer))):
        return "a wording or the answer is empty"
    alternatives = [alternative for key in text.keys for alternative in key.split("|")]
    if not 1 <= len(text.keys) <= 2 or not all(map(bare, alternatives)):
        return "it needs one or two keys, none of them empty"
    if len(text.paraphrases) != 2:
        return "it needs exactly two paraphrases"
    if _has_equal(text.wordings):
        return "two of its wordings differ in nothing but punctuation"
    if missing := [key for key in text.keys if not has_key(text.answer, key)]:
        return f"its own answer lacks the key {missing[0]}"
    if any(has_all_keys(wording, text.keys) for wording in text.wordings):
        return "its keys stand in the question, so that repeating the question would count as right"
    if not all(is_in_language(sentence, language) for sentence in (*text.wordings, text.answer)):
        return "a wording or the answer is in the wrong language"
    return None


def _fault_of_choice(text: ChoiceText) -> str | None:
    if not bare(text.question):
        return "the question is empty"
    if len(text.options) != len(LETTERS) or not all(option.strip() for option in text.options):
        return "it needs exactly five options"
    if len(set(text.options)) != len(text.options):
        return "two of its options are equal"
    if len(text.answer) != 1 or text.answer not in LETTERS:
        return "the answer must be one letter, a-e"
    return None


def _check_unique(corpus: Corpus) -> None:
    """No id twice, and no question that two entries share: one of the two would be trained with a wrong answer, and a
    held-out wording that is another entry's question would not be held out."""
    ids: set[str] = set()
    for entry_id in (*(fact.id for fact in corpus.facts), *(choice.id for choice in corpus.choices)):
        _require(entry_id not in ids, f"the id {entry_id} occurs twice in the corpus.")
        ids.add(entry_id)
    for language in LANGUAGES:
        owner: dict[str, str] = {}
        for entry_id, wording in _all_wordings(corpus, language):
            other = owner.setdefault(bare(wording), entry_id)
            _require(other == entry_id, f"{entry_id} and {other} ask the same question ({language}): {wording}")


def _all_wordings(corpus: Corpus, language: Language) -> Iterator[tuple[str, str]]:
    for fact in corpus.facts:
        for wording in fact.text[language].wordings:
            yield fact.id, wording
    for choice in corpus.choices:
        yield choice.id, choice_question(choice.text[language])


def _has_equal(texts: Sequence[str]) -> bool:
    return len({bare(text) for text in texts}) < len(texts)


def _require(condition: bool, sentence: str) -> None:
    if not condition:
        raise InputError(sentence)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")
