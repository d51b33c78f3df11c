"""Reading training files: documents of plain text or conversations, one a line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from app.core.errors import InputError


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    role: Literal["system", "user", "assistant"]
    content: str


class Document(msgspec.Struct, frozen=True, omit_defaults=True):
    """Either `text` or `messages`; other fields of a line (ids, sources) are ignored."""

    text: str | None = None
    messages: tuple[Message, ...] = ()

    def passages(self) -> Iterator[str]:
        """What is written in it, message by message."""
        if self.text is not None:
            yield self.text
        for message in self.messages:
            yield message.content


def read_documents(paths: Sequence[Path]) -> list[Document]:
    """All documents of `paths`, in order. Raises InputError that names the file and line at fault."""
    documents = [document for path in paths for document in _read(path)]
    if not documents:
        raise InputError(f"{', '.join(map(str, paths))}: there is no document in it.")
    return documents


def read_conversations(paths: Sequence[Path]) -> list[Document]:
    """Like `read_documents`, and every document has messages, the last one by the assistant."""
    documents = read_documents(paths)
    for number, document in enumerate(documents, 1):
        if not document.messages or document.messages[-1].role != "assistant":
            raise InputError(f"record {number} of the data is no conversation that ends with an answer (`messages`).")
    return documents


def as_messages(document: Document) -> list[dict[str, Any]]:
    """In the form that chat templates take."""
    return [{"role": message.role, "content": message.content} for message in document.messages]


def _read(path: Path) -> Iterator[Document]:
    if path.suffix not in (".jsonl", ".txt"):
        raise InputError(f"{path} is neither .jsonl nor .txt.")
    for number, line in enumerate(_lines(path), 1):
        if line.strip():
            yield Document(text=line) if path.suffix == ".txt" else _parse(line, f"{path}, line {number}")


def _lines(path: Path) -> list[str]:
    """Not `splitlines`: it also cuts at characters such as U+2028, which JSON allows inside a string."""
    try:
        return [line.removesuffix("\r") for line in path.read_text("utf-8").split("\n")]
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text.") from error


def _parse(line: str, where: str) -> Document:
    try:
        document = msgspec.json.decode(line, type=Document)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise InputError(f"{where}: {error}.") from error
    if (document.text is None) == (not document.messages):
        raise InputError(f"{where}: a document has either text or messages.")
    return document
