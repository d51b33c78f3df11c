"""A few records as the model will see them: rendered, tokenized, and the part that is learned told apart."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from random import Random
from typing import Any

import msgspec

from app.core.errors import InputError
from trainer.config import MpeftConfig, TrainingConfig
from trainer.data.documents import Record, Unit, as_messages
from trainer.data.lengths import base_tokenizer
from trainer.data.loading import mixed, read
from trainer.data.tokens import DocumentTokens

LEARNED = ("⟦", "⟧")
"""Stand around what is learned."""

_SHOWN = 3000  # characters of one stretch, in a terminal


class Stretch(msgspec.Struct, frozen=True):
    """Neighbouring tokens that are all learned, or all not."""

    text: str
    tokens: int
    learned: bool


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One record."""

    file: str
    line: int
    """Or the number of the record, where `unit` says so."""
    unit: Unit
    format: str
    tokens: int
    """0 where there is no tokenizer yet."""
    learned_tokens: int
    answers_left_out: int
    """Answers that do not fit into max_length."""
    sequences: tuple[tuple[Stretch, ...], ...]
    """What the model reads: one, or one for each answer of a template that renders earlier turns differently."""


def samples(config: TrainingConfig, count: int) -> list[Sample]:
    """`count` records of an epoch, drawn with the configuration's seed.

    Raises InputError where records cannot be used, as the recipe would, or the base has no tokenizer.
    """
    loaded = read(config)
    if refusal := loaded.reading.refusal():
        raise refusal
    records = mixed(loaded.records, config).records
    if not records:
        raise InputError(f"{', '.join(config.data)}: there is no document in it.")
    chosen = Random(f"sample {config.seed}").sample(records, min(count, len(records)))
    tokenizer = base_tokenizer(config)
    if isinstance(config, MpeftConfig):
        if tokenizer is None:
            raise InputError(f"{config.base} holds no tokenizer, whose chat template is needed to show a sample.")
        return [_conversation(record, tokenizer, config.max_length) for record in chosen]
    return [_document(record, tokenizer) for record in chosen]


def _conversation(record: Record, tokenizer: Any, max_length: int) -> Sample:
    from trainer.labels import IGNORED, Labeller

    labelled = Labeller(tokenizer, max_length)(as_messages(record.document))
    sequences = [
        _stretches(tokenizer, example.input_ids, [label != IGNORED for label in example.labels])
        for example in labelled.examples
    ]
    return _sample(record, sequences, labelled.left_out)


def _document(record: Record, tokenizer: Any) -> Sample:
    if tokenizer is None:
        return _sample(record, [(Stretch(record.document.whole(), 0, learned=True),)])
    tokens = DocumentTokens(tokenizer)(record.document)
    return _sample(record, [_stretches(tokenizer, tokens, [True] * len(tokens))])


def _stretches(tokenizer: Any, tokens: Sequence[int], learned: Sequence[bool]) -> tuple[Stretch, ...]:
    runs = groupby(zip(tokens, learned, strict=True), key=lambda pair: pair[1])
    found = []
    for is_learned, run in runs:
        own = [token for token, _ in run]
        found.append(Stretch(str(tokenizer.decode(own)), len(own), is_learned))
    return tuple(found)


def _sample(record: Record, sequences: Sequence[tuple[Stretch, ...]], left_out: int = 0) -> Sample:
    stretches = [stretch for sequence in sequences for stretch in sequence]
    return Sample(
        file=record.file,
        line=record.line,
        unit=record.unit,
        format=record.format,
        tokens=sum(stretch.tokens for stretch in stretches),
        learned_tokens=sum(stretch.tokens for stretch in stretches if stretch.learned),
        answers_left_out=left_out,
        sequences=tuple(sequences),
    )


def text(found: Sequence[Sample]) -> str:
    """For a terminal; what comes from the files in it is not yet made printable."""
    before, behind = LEARNED
    lines = [f"What stands in {before}{behind} is learned; all else is only read."]
    for sample in found:
        lines += ["", _head(sample)]
        for sequence in sample.sequences:
            shown = [_shortened(stretch.text) for stretch in sequence]
            lines.append(
                "".join(
                    f"{before}{part}{behind}" if stretch.learned else part
                    for part, stretch in zip(shown, sequence, strict=True)
                )
            )
    return "\n".join(lines)


def _head(sample: Sample) -> str:
    counted = (
        f"{sample.tokens:,} tokens, {sample.learned_tokens:,} of them learned"
        if sample.tokens
        else "no tokens"
        if not sample.sequences
        else "not tokenized: a new model's tokenizer is made when it is trained"
    )
    left_out = f"; {sample.answers_left_out:,} answers do not fit" if sample.answers_left_out else ""
    return f"--- {sample.file}, {sample.unit} {sample.line} ({sample.format}): {counted}{left_out}"


def _shortened(shown: str) -> str:
    shown = shown.expandtabs(4)
    if len(shown) <= _SHOWN:
        return shown
    half = _SHOWN // 2
    return f"{shown[:half]} … ({len(shown) - 2 * half:,} characters) … {shown[-half:]}"
