"""Questions for the figures of the evaluation: IgakuQA's where it lies beside the checkout, otherwise some as long.

The latter are put together from the demonstration corpus. What they ask makes no sense; what they cost does.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import msgspec

from evaluation.demo.corpus import Corpus, default_corpus_folder, read_corpus
from evaluation.items import Item
from evaluation.tasks.igakuqa import IGAKUQA
from evaluation.tasks.loading import Selection

IGAKUQA_FOLDER = Path(__file__).resolve().parents[4] / "shared" / "data" / "IgakuQA"
OPTIONS = 5

_LENGTHS = (9, 19, 24, 28, 35, 68, 154, 235, 329, 480, 871)
"""Characters of IgakuQA's Japanese questions with five options, 2018 to 2021: least, deciles, and 99th centile."""

_GENERATED = 1200


@dataclass(frozen=True)
class Questions:
    source: str
    items: tuple[Item, ...]
    """Japanese, with five options each."""
    text: str
    """For a tokenizer to learn from."""
    merges: int
    """So many give as many tokens a character as the tokenizers of models that know some Japanese."""


def questions() -> Questions:
    if IGAKUQA_FOLDER.is_dir():
        selection = Selection(options=OPTIONS)
        items = IGAKUQA.load(IGAKUQA_FOLDER, "ja", selection).items
        english = IGAKUQA.load(IGAKUQA_FOLDER, "en", selection).items
        return Questions("IgakuQA", items, "\n".join(map(_text, (*items, *english))), merges=3000)
    corpus = read_corpus(default_corpus_folder())
    sentences = [text for fact in corpus.facts for one in fact.text.values() for text in (*one.wordings, one.answer)]
    choices = [one for choice in corpus.choices for one in choice.text.values()]
    sentences += [text for one in choices for text in (one.question, *one.options)]
    return Questions("generated", tuple(_generated(corpus)), "\n".join(sentences), merges=2500)


def _text(item: Item) -> str:
    return "\n".join((item.question, *item.options))


def _generated(corpus: Corpus) -> list[Item]:
    draw = random.Random(0)
    statements = [fact.text["ja"].answer for fact in corpus.facts]
    choices = [choice.text["ja"] for choice in corpus.choices]
    items = []
    for number in range(_GENERATED):
        choice, length = draw.choice(choices), _length(draw.random())
        story = [choice.question]
        while sum(map(len, story)) < length:
            story.insert(0, draw.choice(statements))
        answer = "abcde".index(choice.answer)
        item = Item(f"generated-{number:04}", "jsonl", "ja", "".join(story), choice.options, (answer,))
        items.append(item)
    return items


def _length(share: float) -> float:
    place, between = divmod(share * (len(_LENGTHS) - 1), 1)
    below, above = _LENGTHS[int(place) : int(place) + 2]
    return below + between * (above - below)


def write_questions(path: Path, items: Sequence[Item]) -> Path:
    """As a user's own JSONL file, which `--task jsonl` reads."""
    records = (
        {
            "problem_id": item.id,
            "problem_text": item.question,
            "choices": item.options,
            "answer": ["abcde"[position] for position in item.answers],
        }
        for item in items
    )
    path.write_bytes(b"".join(msgspec.json.encode(record) + b"\n" for record in records))
    return path


def of_all_lengths(items: Sequence[Item], count: int, draw: random.Random) -> list[Item]:
    """So many different questions, one of each class of length: their mean is near that of all."""
    ordered = sorted(items, key=lambda item: len(_text(item)))
    bounds = [len(ordered) * place // count for place in range(count + 1)]
    return [draw.choice(ordered[start:end]) for start, end in pairwise(bounds)]


def of_mean_length(items: Sequence[Item], count: int) -> list[Item]:
    """Those whose length is nearest to the mean."""
    mean = sum(len(_text(item)) for item in items) / len(items)
    return sorted(items, key=lambda item: abs(len(_text(item)) - mean))[:count]
