"""How much there is to learn: sequences and tokens of an epoch, and of the whole run.

The data is read, cleaned, mixed and cut by the recipe's own functions. Up to MOST_CHARACTERS everything is tokenized,
and the numbers are those of the run; of more, a sample is, drawn with the seed. Without a tokenizer (the base is not
here) tokens follow from bytes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import nlargest
from random import Random
from typing import Any, Literal

from app.core.errors import InputError
from trainer.batches import Row, blocks, cut, packed_rows, rows_of
from trainer.config import MfptConfig, MpeftConfig, TrainingConfig
from trainer.data.documents import Document, as_messages
from trainer.data.lengths import base_tokenizer
from trainer.data.loading import mixed, read
from trainer.data.tokens import DocumentTokens
from trainer.labels import IGNORED, Labeller
from trainer.planning.work import Sequences, Work, steps, steps_an_epoch, work_of
from trainer.running.holding_back import hold_back

MOST_CHARACTERS = 4_000_000
"""About ten seconds of tokenizing."""
LARGEST = 8
"""Documents, by their characters, that are tokenized besides a sample."""
BYTES_A_TOKEN = 3.5
"""Of Japanese and English text in UTF-8, for vocabularies of about 150,000 tokens; smaller ones make more tokens."""


@dataclass(frozen=True)
class Amounts:
    """Of one epoch, with what was held back taken off, unless it says otherwise."""

    documents: int
    held_back: int
    sequences: int
    tokens: int
    """In all sequences, without padding."""
    computed: int
    """With the padding of the batches of one device."""
    learned: int
    """Tokens that have a label."""
    longest: int
    """Tokens of the longest sequence."""
    densest: int
    """Labels in the sequence that has the most."""
    vocabulary: int | None
    """Tokens of the tokenizer; None without one."""
    work: Work
    """Of the whole run."""
    how: Literal["counted", "sampled", "from bytes"]
    share: float = 1.0
    """Of the text that was tokenized."""


def amounts(config: TrainingConfig) -> Amounts:
    """Raises InputError for data that the recipe would refuse, and where nothing would be learned."""
    loaded = read(config)
    if refusal := loaded.reading.refusal():
        raise refusal
    if not loaded.records:
        raise InputError(f"{', '.join(config.data)}: there is no document in it.")
    documents = [record.document for record in mixed(loaded.records, config).records]
    learned, back = hold_back(documents, config.validation_share, config.seed, content=lambda document: document)
    tokenizer = _tokenizer(config, learned)
    if tokenizer is None:
        return _from_bytes(learned, len(back), config)
    chosen = _sample(learned, config.seed)
    rows = _rows(chosen, tokenizer, config)
    if not rows:
        raise InputError(f"nothing in the data fits; raise {'max_length' if _tunes(config) else 'the amount of data'}.")
    share = sum(map(_size, chosen)) / max(1, sum(map(_size, learned)))
    found = Sequences([len(row["input_ids"]) for row in rows], [_labels(row) for row in rows], share)
    epoch = work_of(config, found, steps_an_epoch(config, found.count))
    # What decides the memory may not be in the sample.
    largest = rows if len(chosen) == len(learned) else _rows(nlargest(LARGEST, learned, key=_size), tokenizer, config)
    return Amounts(
        documents=len(learned),
        held_back=len(back),
        sequences=found.count,
        tokens=epoch.tokens,
        computed=epoch.computed,
        learned=epoch.learned,
        longest=max(*found.lengths, *(len(row["input_ids"]) for row in largest)),
        densest=max(*found.learned, *map(_labels, largest)),
        vocabulary=len(tokenizer),
        work=work_of(config, found, steps(config, found.count)),
        how="counted" if share == 1 else "sampled",
        share=share,
    )


def _tunes(config: TrainingConfig) -> bool:
    return isinstance(config, MpeftConfig)


def _tokenizer(config: TrainingConfig, documents: Sequence[Document]) -> Any:
    """That of the base; of a new model, the one that the recipe would make, where that takes a moment only."""
    base = config.base if isinstance(config, MfptConfig | MpeftConfig) else None
    if base is not None:
        return base_tokenizer(config)
    assert isinstance(config, MfptConfig)
    passages = dict.fromkeys(passage for document in documents for passage in document.passages())
    if sum(map(len, passages)) > MOST_CHARACTERS:
        return None
    from trainer.tokenizer import train_tokenizer

    return train_tokenizer(passages, config.vocabulary_size or 0, config.context_length or 0)


def _rows(documents: Sequence[Document], tokenizer: Any, config: TrainingConfig) -> list[Row]:
    """As the recipes make them."""
    if isinstance(config, MpeftConfig):
        labeller = Labeller(tokenizer, config.max_length)
        examples = [example for document in documents for example in labeller(as_messages(document)).examples]
        return packed_rows(examples, config.max_length) if config.packing else rows_of(examples)
    assert isinstance(config, MfptConfig)
    length = config.block_length
    tokenized = map(DocumentTokens(tokenizer), documents)
    return packed_rows(cut(tokenized, length), length) if config.packing else blocks(tokenized, length)


def _labels(row: Row) -> int:
    """The first token of a sequence is never predicted."""
    labels = row.get("labels", row["input_ids"])
    return sum(label != IGNORED for label in labels[1:])


def _from_bytes(documents: Sequence[Document], held_back: int, config: TrainingConfig) -> Amounts:
    tokens = math.ceil(sum(map(_bytes, documents)) / BYTES_A_TOKEN)
    if isinstance(config, MpeftConfig):
        longest = config.max_length
        sequences = max(1, math.ceil(tokens / longest)) if config.packing else len(documents)
    else:
        assert isinstance(config, MfptConfig)
        longest = config.block_length
        sequences = max(1, tokens // longest)
    known = min(config.batch_size, sequences)
    alike = [max(1, round(tokens / sequences))] * known
    return Amounts(
        documents=len(documents),
        held_back=held_back,
        sequences=sequences,
        tokens=tokens,
        computed=tokens,
        learned=tokens,
        longest=longest,
        densest=longest - 1,
        vocabulary=None,
        work=work_of(config, Sequences(alike, alike, known / sequences), steps(config, sequences)),
        how="from bytes",
        share=0.0,
    )


def _sample(documents: Sequence[Document], seed: int) -> list[Document]:
    if sum(map(_size, documents)) <= MOST_CHARACTERS:
        return list(documents)
    chosen: list[int] = []
    size = 0
    for number in Random(f"plan {seed}").sample(range(len(documents)), len(documents)):
        chosen.append(number)
        size += _size(documents[number])
        if size > MOST_CHARACTERS:
            break
    return [documents[number] for number in sorted(chosen)]


def _size(document: Document) -> int:
    return sum(map(len, document.passages()))


def _bytes(document: Document) -> int:
    return sum(len(passage.encode("utf-8", "surrogatepass")) for passage in document.passages())
