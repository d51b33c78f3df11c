"""Reading training files, record by record: nothing is held but the record, and nothing is skipped silently.

A file has one format, told by the keys of its first record or named. Only `text` and `messages` may stand together in
one, since both are documents as they are.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec

from app.core.errors import InputError
from trainer.data.documents import Document, Format, Record, Unit
from trainer.data.faults import Fault, refusal
from trainer.data.formats import EMPTY, FaultKind, LeftOut, Unusable, converted, detected
from trainer.data.items import ItemWords
from trainer.data.lines import OnBytes, Undecodable, Unreadable, decoded, numbered_lines, whole_text

MAX_JSON = 512 * 1024 * 1024
"""Bytes of a file that is one JSON array and has to be held at once."""
MOST_NAMED = 1000
"""Records at fault that are kept with file and line; all of them are counted."""

LINES, PLAIN, MARKDOWN, ARRAY = (".jsonl", ".ndjson"), (".txt", ".text"), (".md", ".markdown"), (".json",)
SUFFIXES = (*LINES, *ARRAY, *PLAIN, *MARKDOWN)

_TOGETHER: frozenset[Format] = frozenset({"text", "messages"})
_BYTE = re.compile(r" \(byte (\d+)\)$")


@dataclass(frozen=True)
class Source:
    """One file of the configuration."""

    path: Path
    format: Format | Literal["auto"] = "auto"
    number: int = 0
    """Its place in the configuration's `data`; files of one folder have the same."""


@dataclass
class Reading:
    """How records are read, and what was met so far."""

    answered: bool = False
    """Whether every record must be a conversation that ends with an answer."""
    whole_files: bool = False
    """Whether a .txt file is one document, and not one a line. A Markdown file always is one."""
    words: ItemWords = field(default_factory=lambda: ItemWords(None))
    on_bytes: OnBytes = lambda _: None

    records: int = 0
    """Usable or not."""
    formats: dict[str, Counter[str]] = field(default_factory=dict)
    """Of each file, how many records it has in each format."""
    left_out: Counter[str] = field(default_factory=Counter)
    """Sound records that are not trained on, by the reason."""
    faulty: Counter[FaultKind] = field(default_factory=Counter)
    faults: list[Fault] = field(default_factory=list)
    """All files, and the first of the records."""

    def fault(self, kind: FaultKind, path: Path, line: int, what: str, unit: Unit = "line") -> None:
        self.faulty[kind] += 1
        if kind == "unreadable" or self._records_at_fault() <= MOST_NAMED:
            self.faults.append(Fault(kind, str(path), line, what, unit))

    def refusal(self) -> InputError | None:
        """What to say if there was any fault: the first few, and how many there are."""
        return refusal(self.faults, self._records_at_fault(), self.records)

    def _records_at_fault(self) -> int:
        return self.faulty.total() - self.faulty["unreadable"]


def sources(data: Sequence[str], formats: Sequence[str] = ()) -> list[Source]:
    """The files of a configuration; a folder stands for all files in it that can be read, by name (see `passed_over`).

    Raises InputError for a kind of file that cannot be read, and for a folder without any.
    """
    found = []
    for number, name in enumerate(data):
        path = Path(name)
        kind: Any = formats[number] if formats else "auto"
        if not path.is_dir():
            found.append(Source(path, kind, number))
            continue
        inside = [one for one in _seen(path) if _can_be_read(one)]
        if not inside:
            raise InputError(f"the folder {path} holds no file that can be read ({', '.join(SUFFIXES)}).")
        found += [Source(one, kind, number) for one in inside]
    for source in found:
        _check_kind(source)
    return found


def passed_over(data: Sequence[str]) -> list[Path]:
    """The files in folders of a configuration that are of no kind that can be read; hidden ones aside."""
    return [one for name in data if Path(name).is_dir() for one in _seen(Path(name)) if not _can_be_read(one)]


def _seen(folder: Path) -> list[Path]:
    inside = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path for path in inside if not any(one.startswith(".") for one in path.relative_to(folder).parts))


def _can_be_read(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES


def _check_kind(source: Source) -> None:
    suffix = source.path.suffix.lower()
    if not _can_be_read(source.path):
        raise InputError(f"{source.path} is of no kind that can be read: it must be one of {', '.join(SUFFIXES)}.")
    if suffix in (*PLAIN, *MARKDOWN) and source.format not in ("auto", "text"):
        raise InputError(f"{source.path} is plain text and cannot have the format {source.format}; write it as .jsonl.")


def read_records(files: Iterable[Source], reading: Reading) -> Iterator[Record]:
    """Every usable record, in order; `reading` notes those that are not, and files, for the caller to refuse."""
    for source in files:
        try:
            yield from _read(source, reading)
        except Unreadable as error:
            reading.fault("unreadable", source.path, 0, error.what)


def _read(source: Source, reading: Reading) -> Iterator[Record]:
    suffix = source.path.suffix.lower()
    counts = reading.formats.setdefault(str(source.path), Counter())
    if suffix in (*PLAIN, *MARKDOWN):
        yield from _plain(source, suffix in MARKDOWN or reading.whole_files, reading, counts)
    elif suffix in ARRAY and _is_array(source.path):
        yield from _parsed(source, "record", _json_array(source.path, reading), reading, counts)
    else:
        yield from _parsed(source, "line", _json_lines(source.path, reading), reading, counts)


def read_documents(paths: Sequence[Path]) -> list[Document]:
    """All documents of `paths`, in order. Raises InputError that names files and lines at fault."""
    return _strict(paths, Reading())


def read_conversations(paths: Sequence[Path]) -> list[Document]:
    """Like `read_documents`, and every document has messages, the last one by the assistant."""
    return _strict(paths, Reading(answered=True))


def _strict(paths: Sequence[Path], reading: Reading) -> list[Document]:
    files = sources([str(path) for path in paths])
    documents = [record.document for record in read_records(files, reading)]
    if refused := reading.refusal():
        raise refused
    if not documents:
        raise InputError(f"{', '.join(map(str, paths))}: there is no document in it.")
    return documents


def _json_lines(path: Path, reading: Reading) -> Iterator[tuple[int, Any]]:
    decoder = msgspec.json.Decoder()
    for number, line in numbered_lines(path, reading.on_bytes):
        yield number, line if isinstance(line, Undecodable) else _decoded(decoder.decode, line)


def _decoded(decode: Callable[[str], Any], text: str) -> Any:
    try:
        return decode(text)
    except (msgspec.MsgspecError, RecursionError) as error:
        return Unusable(f"it is no JSON ({error})")


def _is_array(path: Path) -> bool:
    """Whether it is one array of records, as Alpaca's own file is, and not lines under that name."""
    with path.open("rb") as file:
        return file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"["


def _json_array(path: Path, reading: Reading) -> Iterator[tuple[int, Any]]:
    if path.stat().st_size > MAX_JSON:
        raise Unreadable(path, f"is larger than {MAX_JSON // 2**20} MiB; write it as .jsonl, one record a line")
    data = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    reading.on_bytes(len(data))
    try:
        values = msgspec.json.decode(data, type=list[Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        decoded(path, data)  # which names another encoding
        raise Unreadable(path, f"begins as an array of JSON, but is none: {_placed(str(error), data)}") from error
    yield from enumerate(values, 1)


def _placed(what: str, data: bytes) -> str:
    """The sentence of a decoder with the line instead of the byte."""
    if match := _BYTE.search(what):
        line = data.count(b"\n", 0, int(match[1])) + 1
        return f"{what[: match.start()]} (line {line})"
    return what


def _parsed(
    source: Source, unit: Unit, values: Iterable[tuple[int, Any]], reading: Reading, counts: Counter[str]
) -> Iterator[Record]:
    first: tuple[Format, str] | None = None
    for number, value in values:
        reading.records += 1
        try:
            kind = _format_of(value, source, first, answered=reading.answered)
            first = first or (kind, f"{unit} {number}")
            document = converted(value, kind, reading.words.document)
            if reading.answered and (not document.messages or document.messages[-1].role != "assistant"):
                raise Unusable("it is no conversation that ends with an answer", "unanswered")
        except Unusable as error:
            reading.fault(error.kind, source.path, number, str(error), unit)
        except LeftOut as error:
            reading.left_out[str(error)] += 1
        else:
            counts[kind] += 1
            yield Record(document, str(source.path), number, kind, source.number, unit=unit)


def _format_of(value: Any, source: Source, first: tuple[Format, str] | None, *, answered: bool) -> Format:
    if isinstance(value, Undecodable):
        raise Unusable(str(value))
    if isinstance(value, Unusable):
        raise value
    if not isinstance(value, dict):
        raise Unusable("it is no JSON object")
    if source.format != "auto":
        return source.format
    kind = detected(value, answered=answered)
    if first and kind != first[0] and not {kind, first[0]} <= _TOGETHER:
        raise Unusable(
            f"its format is {kind}, and the file began with {first[0]} in {first[1]}; one file has one format",
            "mixed",
        )
    return kind


def _plain(source: Source, whole: bool, reading: Reading, counts: Counter[str]) -> Iterator[Record]:
    lines: Iterable[tuple[int, str | Undecodable]]
    if whole:
        text = whole_text(source.path, reading.on_bytes)
        if not text.strip():
            reading.records += 1
            reading.left_out[EMPTY] += 1
        lines = [(1, text)] if text.strip() else []
    else:
        lines = numbered_lines(source.path, reading.on_bytes)
    for number, line in lines:
        reading.records += 1
        if isinstance(line, Undecodable):
            reading.fault("malformed", source.path, number, str(line))
        elif reading.answered:
            what = "plain text is no conversation that ends with an answer"
            reading.fault("unanswered", source.path, number, what)
        else:
            counts["text"] += 1
            yield Record(Document(text=line), str(source.path), number, "text", source.number, running=whole)
