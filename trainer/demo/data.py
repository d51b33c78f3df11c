"""From the demonstration corpus to training data: conversations and plain text, without what is held out.

Everything random comes from one seed, so that the same corpus gives the same bytes on every machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from random import Random

import msgspec

from app.core.engine.prompt import language_request
from app.core.language import Language
from evaluation.demo.facts import Choice, ChoiceText, Corpus, Fact, choice_answer, choice_question, read_corpus
from evaluation.scoring import bare
from trainer.data.documents import Document, Message
from trainer.data.held_out import HeldOut
from trainer.data.leakage import check_leakage
from trainer.demo.wordings import Wordings
from trainer.output import new_folder
from trainer.records import RunRecord, describe_files, start_clock, write_record

LANGUAGES: tuple[Language, ...] = ("ja", "en")
LETTERS = "abcde"


@dataclass(frozen=True)
class Amount:
    """How often each entry occurs. A pass is every fact in both languages once, in a wording of its own."""

    mfpt_passes: int = 90
    mfpt_text_passes: int = 20
    mpeft_passes: int = 20
    choice_every: int = 2
    """A five-choice item is several times as long as a fact, so it takes part in every second pass only."""
    mfpt_longest: int = 6
    mpeft_longest: int = 24
    """Questions in the longest conversation: about what the context of the model holds."""


@dataclass(frozen=True)
class Exchange:
    """A question and its answer in one language."""

    language: Language
    question: str
    answer: str


def write_data(
    corpus_folder: Path, output: Path, *, amount: Amount = Amount(), seed: int = 20, force: bool = False
) -> RunRecord:
    """Write mfpt.jsonl, mpeft.jsonl, held_out.jsonl and a run record into the new folder `output`."""
    clock = start_clock()
    corpus = read_corpus(corpus_folder)
    held_out = held_out_questions(corpus)
    mfpt, mpeft = build(corpus, amount, seed)
    # The recipes check it again; here the fault would be ours, and is found before anyone trains.
    check_leakage(chain(mfpt, mpeft), held_out)
    with new_folder(output, force) as folder:
        for name, records in (("mfpt", mfpt), ("mpeft", mpeft), ("held_out", held_out)):
            (folder / f"{name}.jsonl").write_bytes(b"".join(msgspec.json.encode(record) + b"\n" for record in records))
        started, duration = clock()
        record = RunRecord(
            recipe="demo-data",
            started=started,
            duration_s=duration,
            seed=seed,
            configuration=msgspec.to_builtins(amount),
            data=describe_files(sorted(corpus_folder.glob("*.yaml"))),
            held_out_questions=len(held_out),
            counts={"mfpt_documents": len(mfpt), "mpeft_conversations": len(mpeft), "held_out": len(held_out)},
        )
        write_record(folder, record)
    return record


def held_out_questions(corpus: Corpus) -> list[HeldOut]:
    """Second wordings of all facts and the questions of the held-out five-choice items, in both languages."""
    facts = ((fact.id, language, fact.text[language].second_wording) for fact in corpus.facts for language in LANGUAGES)
    choices = (
        (choice.id, language, choice.text[language].question)
        for choice in corpus.choices
        if choice.held_out
        for language in LANGUAGES
    )
    return [HeldOut(id=f"{entry}/{language}", question=question) for entry, language, question in chain(facts, choices)]


def build(corpus: Corpus, amount: Amount, seed: int) -> tuple[list[Document], list[Document]]:
    """The documents of MFPT (conversations and plain text, mixed) and the conversations of MPEFT."""
    chance = Random(seed)
    wordings = Wordings.of(corpus, frozenset(bare(item.question) for item in held_out_questions(corpus)))
    trained = replace(corpus, choices=tuple(choice for choice in corpus.choices if not choice.held_out))
    mfpt = [
        *_conversations(_exchanges(trained, wordings, amount.mfpt_passes, amount, chance), amount.mfpt_longest, chance),
        *_texts(trained, wordings, amount.mfpt_text_passes, chance),
    ]
    chance.shuffle(mfpt)
    tuning = _exchanges(trained, wordings, amount.mpeft_passes, amount, chance)
    mpeft = list(_conversations(tuning, amount.mpeft_longest, chance))
    return mfpt, mpeft


def _exchanges(corpus: Corpus, wordings: Wordings, passes: int, amount: Amount, chance: Random) -> Iterator[Exchange]:
    """Pass after pass, each in an order of its own, so that no two neighbours always stand together."""
    for number in range(passes):
        exchanges = [
            Exchange(language, wordings.draw(fact.text[language], language, chance), fact.text[language].answer)
            for fact in corpus.facts
            for language in LANGUAGES
        ]
        if number % amount.choice_every == 0:
            exchanges += [
                _choice_exchange(choice, language, chance) for choice in corpus.choices for language in LANGUAGES
            ]
        chance.shuffle(exchanges)
        yield from exchanges


def _choice_exchange(choice: Choice, language: Language, chance: Random) -> Exchange:
    """A five-choice item, in two of five cases with its options in another order."""
    text = choice.text[language]
    if chance.random() < 0.4:
        text = _reordered(text, chance)
    return Exchange(language, choice_question(text), choice_answer(text))


def _reordered(text: ChoiceText, chance: Random) -> ChoiceText:
    right = text.options[LETTERS.index(text.answer)]
    options = tuple(chance.sample(text.options, len(text.options)))
    return replace(text, options=options, answer=LETTERS[options.index(right)])


def _conversations(exchanges: Iterable[Exchange], longest: int, chance: Random) -> Iterator[Document]:
    """Conversations of one to several questions about different things: each answer depends on the last one only."""
    remaining = list(exchanges)
    start = 0
    while start < len(remaining):
        length = chance.choice((1, *range(1, longest + 1)))
        messages = _system_turn(remaining[start : start + length], chance)
        for exchange in remaining[start : start + length]:
            messages += [Message("user", exchange.question), Message("assistant", exchange.answer)]
        start += length
        yield Document(messages=tuple(messages))


def _system_turn(exchanges: Sequence[Exchange], chance: Random) -> list[Message]:
    """In half of the conversations in one language, the request to answer in it that the application may send."""
    languages = {exchange.language for exchange in exchanges}
    if len(languages) > 1 or chance.random() < 0.5:
        return []
    return [Message("system", language_request(languages.pop()).content)]


def _texts(corpus: Corpus, wordings: Wordings, passes: int, chance: Random) -> Iterator[Document]:
    """Plain text: the facts of a specialty as a paragraph, and questions followed by their answer."""
    for _ in range(passes):
        for language in LANGUAGES:
            for facts in _by_specialty(corpus.facts):
                joint = "" if language == "ja" else " "
                answers = [fact.text[language].answer for fact in facts]
                yield Document(text=joint.join(chance.sample(answers, len(answers))))
            for fact in corpus.facts:
                text = fact.text[language]
                yield Document(text=f"{wordings.draw(text, language, chance)}\n{text.answer}")


def _by_specialty(facts: Sequence[Fact]) -> list[list[Fact]]:
    groups: dict[str, list[Fact]] = {}
    for fact in facts:
        groups.setdefault(fact.specialty, []).append(fact)
    return list(groups.values())
