"""How long records are for the model that is to be trained, and what of them does not fit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random
from typing import Any, Literal

import msgspec

from app.core.errors import InputError
from trainer.config import MfptConfig, MpeftConfig, TrainingConfig
from trainer.data.documents import Document, Record, as_messages
from trainer.data.tokens import DocumentTokens

MOST_CHARACTERS = 16_000_000
"""Of records that are tokenized; of more, so many drawn with the seed, which takes less than a minute."""

_BATCH = 256
_SHARES = {"median": 0.5, "most": 0.9, "nearly_all": 0.99}


class Bar(msgspec.Struct, frozen=True):
    """Of a histogram: lengths from `first` to `last`."""

    first: int
    last: int
    records: int


class Lengths(msgspec.Struct, frozen=True, kw_only=True):
    """Of all records, or of a sample of them."""

    unit: Literal["tokens", "characters"]
    """Characters where there is no tokenizer yet: a new model's, or a base that is not here."""
    measured: int
    records: int
    limit: int
    """max_length, or block_length."""
    total: int
    median: int
    most: int
    """Nine of ten records are no longer …"""
    nearly_all: int
    """… and 99 of 100."""
    longest: int
    histogram: tuple[Bar, ...]
    longer: int
    """Records that have more than `limit`: their end is not learned (mpeft), or they are cut into several (mfpt)."""
    without_answer: int = 0
    """Records of which no answer fits, so that nothing of them is learned."""
    refused: int = 0
    """Records that the base's chat template cannot render."""
    refused_first: str | None = None
    """File and line of the first of these, and why."""


@dataclass(frozen=True)
class _Measured:
    tokens: int
    fits: bool = True
    answered: bool = True


def measure(records: Sequence[Record], config: TrainingConfig) -> Lengths:
    """Raises InputError where the base's tokenizer cannot be used at all."""
    chosen = _sample(records, config.seed)
    limit = config.max_length if isinstance(config, MpeftConfig) else _block_length(config)
    tokenizer = base_tokenizer(config)
    refused: list[str] = []
    if tokenizer is None:
        found = [_Measured(sum(map(len, record.document.passages()))) for record in chosen]
    elif isinstance(config, MpeftConfig):
        found = list(_labelled(chosen, tokenizer, limit, refused))
    else:
        found = list(_tokenized(chosen, tokenizer, limit, refused))
    lengths = sorted(one.tokens for one in found)
    return Lengths(
        unit="characters" if tokenizer is None else "tokens",
        measured=len(chosen),
        records=len(records),
        limit=limit,
        total=sum(lengths),
        longest=lengths[-1] if lengths else 0,
        **{name: lengths[int(share * (len(lengths) - 1))] if lengths else 0 for name, share in _SHARES.items()},
        histogram=histogram(lengths, limit if tokenizer is not None else None),
        longer=sum(not one.fits for one in found),
        without_answer=sum(not one.answered for one in found),
        refused=len(refused),
        refused_first=refused[0] if refused else None,
    )


def histogram(lengths: Sequence[int], limit: int | None) -> tuple[Bar, ...]:
    """Bars that double in width, with one edge behind `limit`; the first and last are not empty."""
    if not lengths:
        return ()
    edges = {0, *(2**power for power in range(5, max(lengths).bit_length() + 1))}
    if limit is not None and limit < max(lengths):
        edges.add(limit + 1)
        # No sliver beside it: 1025 takes the place of 1024.
        edges -= {edge for edge in edges if limit * 0.9 < edge < limit * 1.1 and edge != limit + 1}
    ends = [*sorted(edge for edge in edges if edge <= max(lengths)), max(lengths) + 1]
    bars = [Bar(first, end - 1, sum(first <= one < end for one in lengths)) for first, end in pairwise(ends)]
    full = [number for number, bar in enumerate(bars) if bar.records]
    return tuple(bars[full[0] : full[-1] + 1])


def _sample(records: Sequence[Record], seed: int) -> list[Record]:
    sizes = [sum(map(len, record.document.passages())) for record in records]
    if sum(sizes) <= MOST_CHARACTERS:
        return list(records)
    chosen: list[int] = []
    size = 0
    for number in Random(f"lengths {seed}").sample(range(len(records)), len(records)):
        if size + sizes[number] > MOST_CHARACTERS and chosen:
            break
        chosen.append(number)
        size += sizes[number]
    return [records[number] for number in sorted(chosen)]


def _block_length(config: TrainingConfig) -> int:
    assert isinstance(config, MfptConfig)
    return config.block_length


def base_tokenizer(config: TrainingConfig) -> Any:
    """That of the base, with the tokens that the recipe adds; None if there is none yet.

    Raises InputError for one that cannot be read.
    """
    from trainer.added_tokens import add_tokens
    from trainer.base import has_tokenizer, load_tokenizer
    from trainer.loop import quiet_libraries

    base = config.base if isinstance(config, MfptConfig | MpeftConfig) else None
    if base is None or not has_tokenizer(base):
        return None
    quiet_libraries()
    tokenizer = load_tokenizer(base)
    if isinstance(config, MpeftConfig):
        add_tokens(tokenizer, config.added_tokens)
    return tokenizer


def _labelled(records: Sequence[Record], tokenizer: Any, limit: int, refused: list[str]) -> Iterator[_Measured]:
    """By the trainer's own labels, of which the whole conversation is the longest."""
    from trainer.labels import Labeller

    if not tokenizer.chat_template:
        raise InputError("the base has no chat template, so conversations cannot be rendered for it.")
    unlimited, limited = Labeller(tokenizer, 1 << 40), Labeller(tokenizer, limit)
    for record in records:
        messages = as_messages(record.document)
        try:
            whole = unlimited(messages)
            length = max(len(example.input_ids) for example in whole.examples)
            # The rest is only for what is cut: rendering and tokenizing again takes as long as before.
            short = limited(messages) if length > limit else whole
        except InputError as error:
            refused.append(f"{record.place}: {error}")
            continue
        yield _Measured(length, not short.left_out, bool(short.examples))


def _tokenized(records: Sequence[Record], tokenizer: Any, limit: int, refused: list[str]) -> Iterator[_Measured]:
    tokens_of = DocumentTokens(tokenizer)
    marks = len(tokens_of(Document(text="")))
    for start in range(0, len(records), _BATCH):
        texts = list(_texts(records[start : start + _BATCH], tokens_of, refused))
        if texts:
            for tokens in tokenizer(texts, add_special_tokens=False)["input_ids"]:
                length = len(tokens) + marks
                yield _Measured(length, length <= limit)


def _texts(records: Sequence[Record], tokens_of: DocumentTokens, refused: list[str]) -> Iterator[str]:
    for record in records:
        if record.document.text is not None:
            yield record.document.text
            continue
        try:
            yield tokens_of.rendered(record.document)
        except InputError as error:
            refused.append(f"{record.place}: {error}")
