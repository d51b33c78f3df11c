"""What is trained on: documents of plain text, or conversations, and where each was read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

Format = Literal["alpaca", "messages", "sharegpt", "completion", "items", "text"]
"""How a record is written in a file."""

Unit = Literal["line", "record"]
"""What a place in a file is counted in."""


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    role: Literal["system", "user", "assistant"]
    content: str


class Document(msgspec.Struct, frozen=True, omit_defaults=True):
    """Either `text` or `messages`."""

    text: str | None = None
    messages: tuple[Message, ...] = ()

    def passages(self) -> Iterator[str]:
        """What is written in it, message by message."""
        if self.text is not None:
            yield self.text
        for message in self.messages:
            yield message.content

    def whole(self) -> str:
        """All passages, with a line break between two."""
        return self.text if self.text is not None else "\n".join(self.passages())


@dataclass(frozen=True, slots=True)
class Record:
    """A document and where it was read."""

    document: Document
    file: str
    line: int
    """Of its first character, from 1; or the number of the record, where `unit` says so."""
    format: Format
    source: int = 0
    """The number of its file among those of the configuration."""
    running: bool = False
    """Whether its line breaks are those of the file, so that a line within it can be named."""
    unit: Unit = "line"
    """A file that is one JSON array has records, which may all stand in one line or in several each."""
    lines: Sequence[int] = field(default=(), compare=False)
    """Where lines of the file were joined: for each line of the text the one of the file that it began with."""

    @property
    def place(self) -> str:
        return self.place_after(0)

    def place_after(self, line_breaks: int) -> str:
        """File and line of what stands behind so many line breaks of the text."""
        if self.lines:
            return f"{self.file}, line {self.lines[line_breaks]}"
        return f"{self.file}, {self.unit} {self.line + line_breaks if self.running else self.line}"


def as_messages(document: Document) -> list[dict[str, Any]]:
    """In the form that chat templates take."""
    return [{"role": message.role, "content": message.content} for message in document.messages]
