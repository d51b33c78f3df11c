"""Long texts in pieces that overlap, so that any amount of text is looked through in bounded memory."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

SIZE = 1 << 20
"""Characters of a piece, unless a question is so long that pieces have to be longer."""

_STRETCH = 8
"""A question that lies across a seam is found if blanks and marks make it no longer than this many times."""
_ASIDE = 8000  # options before or after it
_BLANK_WITHIN = 200


@dataclass(frozen=True)
class Exchange:
    """What a person asks in one message, and what is answered to it."""

    question: str
    answer: str


@dataclass(frozen=True)
class Text:
    """A record of a training set, or a piece of a document."""

    text: str
    file: str
    line: int
    """Of its first character, from 1."""
    running: bool = False
    """Whether its line breaks are those of the file, and not within a JSON string."""
    exchanges: tuple[Exchange, ...] = ()
    """Of a conversation, where it is known what each message says."""


def pieces(one: Text, longest: int) -> Iterator[Text]:
    """The text in pieces, for questions of at most `longest` kept characters."""
    if len(one.text) <= SIZE:
        yield one
        return
    blocks = (one.text[first : first + SIZE] for first in range(0, len(one.text), SIZE))
    yield from running_pieces(blocks, one, longest)


def running_pieces(blocks: Iterable[str], like: Text, longest: int) -> Iterator[Text]:
    """What comes in blocks, with the facts of `like`."""
    overlap = _STRETCH * longest + _ASIDE
    size = max(SIZE, 4 * overlap)
    held, line = "", like.line
    for block in blocks:
        held += block
        while len(held) > size:
            yield replace(like, text=held[: _seam(held, size)], line=line)
            begin = _seam(held, size - overlap)
            line += held.count("\n", 0, begin) if like.running else 0
            held = held[begin:]
    if held:
        yield replace(like, text=held, line=line)


def _seam(text: str, place: int) -> int:
    """Where to cut near `place`: at white space, or at least before no mark that belongs to the letter before it."""
    for near in range(place, max(0, place - _BLANK_WITHIN), -1):
        if text[near].isspace():
            return near
    while unicodedata.combining(unicodedata.normalize("NFKC", text[place])[0]):
        place -= 1
    return place
