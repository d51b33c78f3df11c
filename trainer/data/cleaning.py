"""What is done to a corpus before it is trained on: each step can be switched, and says how much it did.

Conversations are left as they are, except that one of two equal ones is left out too where that is asked for.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from functools import cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Literal

from trainer.data.documents import Document, Record
from trainer.data.joining import join_lines

if TYPE_CHECKING:
    from trainer.config import TrainingConfig

_MEANT = ("<super>", "<sub>", "<fraction>", "<circle>")
_SIGNS = 0x3400  # below: every character that has one of these decompositions


@dataclass(frozen=True)
class Cleaning:
    """The keys of the same names; by default nothing is changed."""

    join_lines: bool = False
    normalise: bool = False
    min_characters: int = 0
    max_characters: int | None = None
    deduplicate: Literal["off", "exact", "near"] = "off"

    @classmethod
    def of(cls, config: TrainingConfig) -> Cleaning:
        """Those of a configuration; of a recipe without such keys, none."""
        known = {field.name: getattr(config, field.name) for field in fields(cls) if hasattr(config, field.name)}
        return cls(**known)


@dataclass
class Cleaned:
    """How much each step did."""

    changed_by_normalising: int = 0
    """Documents."""
    joined_lines: int = 0
    page_numbers: int = 0
    """Lines left out."""
    too_short: int = 0
    """Documents left out, as the following ones."""
    too_long: int = 0
    exact_duplicates: int = 0
    near_duplicates: int = 0


def clean(records: Iterable[Record], cleaning: Cleaning, counts: Cleaned) -> list[Record]:
    """What is left, in its order; of duplicates the first. Memory: what is left, and 16 bytes a document."""
    left = _within_limits(_rewritten(records, cleaning, counts), cleaning, counts)
    if cleaning.deduplicate == "off":
        return list(left)
    kept = list(_without_equals(left, counts))
    return _without_near(kept, counts) if cleaning.deduplicate == "near" else kept


def _rewritten(records: Iterable[Record], cleaning: Cleaning, counts: Cleaned) -> Iterator[Record]:
    for record in records:
        text = before = record.document.text
        lines = record.lines
        if text is None:
            yield record
            continue
        if cleaning.join_lines:
            # Before normalising, which makes a paragraph's indentation an ordinary blank.
            joined = join_lines(text)
            text = joined.text
            lines = joined.lines if record.running else ()
            counts.joined_lines += joined.joined
            counts.page_numbers += joined.page_numbers
        if cleaning.normalise:
            written = normalise(text)
            counts.changed_by_normalising += written != text
            text = written
        running = record.running and not cleaning.join_lines
        changed = text is not before
        yield replace(record, document=Document(text=text), running=running, lines=lines) if changed else record


def _within_limits(records: Iterable[Record], cleaning: Cleaning, counts: Cleaned) -> Iterator[Record]:
    longest = cleaning.max_characters
    for record in records:
        length = len(record.document.text) if record.document.text is not None else None
        if length is not None and length < cleaning.min_characters:
            counts.too_short += 1
        elif length is not None and longest is not None and length > longest:
            counts.too_long += 1
        else:
            yield record


def _without_equals(records: Iterable[Record], counts: Cleaned) -> Iterator[Record]:
    seen: set[bytes] = set()
    for record in records:
        digest = text_digest(record.document.whole())
        if digest in seen:
            counts.exact_duplicates += 1
        else:
            seen.add(digest)
            yield record


def _without_near(records: list[Record], counts: Cleaned) -> list[Record]:
    from trainer.data.near_duplicates import near_duplicates

    found = near_duplicates([record.document.whole() for record in records])
    counts.near_duplicates += len(found)
    return [record for number, record in enumerate(records) if number not in found]


def text_digest(*texts: str) -> bytes:
    """16 bytes that are equal for texts that differ in case, width and white space only.

    Punctuation counts, and so does what `normalise` leaves: 1.5 mg is not 15 mg, and 10⁵ is not 105.
    """
    digest = blake2b(digest_size=16)
    for text in texts:
        # A lone surrogate, which JSON can bring, is a character like others here.
        form = " ".join(normalise(text).casefold().split())
        digest.update(form.encode("utf-8", "surrogatepass"))
        digest.update(b"\0")
    return digest.digest()


def normalise(text: str) -> str:
    """Unicode NFKC, but superscripts, subscripts, fractions and circled numbers stay: 10⁵ is not 105.

    Full-width letters and half-width kana become the usual ones; ㎎ becomes mg.
    """
    if text.isascii():
        return text
    parts = _meant().split(text)
    return "".join(part if number % 2 else unicodedata.normalize("NFKC", part) for number, part in enumerate(parts))


@cache
def _meant() -> re.Pattern[str]:
    """Runs of characters whose form carries what they mean, as a group."""
    signs = [chr(code) for code in range(0x80, _SIGNS) if unicodedata.decomposition(chr(code)).startswith(_MEANT)]
    return re.compile(f"([{re.escape(''.join(signs))}]+)")
