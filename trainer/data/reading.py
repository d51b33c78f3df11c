"""Reading training files, record by record: nothing is held but the record, and nothing is skipped silently.

A file has one format, told by the keys of its first record or named. Only `text` and `messages` may stand together in
one, since both are documents as they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec

from app.core.errors import InputError
from trainer.data.documents import Document, Format, Record
from trainer.data.formats import FaultKind, LeftOut, Unusable, converted, detected
from trainer.data.items import ItemWords
from trainer.data.lines import OnBytes, Undecodable, numbered_lines, whole_text

MAX_JSON = 512 * 1024 * 1024
"""Bytes of a file that is one JSON array and has to be held at once."""
MOST_NAMED = 1000
"""Faults that are kept with file and line; all of them are counted."""

LINES, PLAIN, MARKDOWN, ARRAY = (".jsonl", ".ndjson"), (".txt", ".text"), (".md", ".markdown"), (".json",)
SUFFIXES = (*LINES, *ARRAY, *PLAIN, *MARKDOWN)

_NAMED_IN_AN_ERROR = 3
_TOGETHER: frozenset[Format] = frozenset({"text", "messages"})


@dataclass(frozen=True)
class Source:
    """One file of the configuration."""

    path: Path
    format: Format | Literal["auto"] = "auto"
    number: int = 0
    """Its place in the configuration's `data`; files of one folder have the same."""


@dataclass(frozen=True)
class Fault:
    """Why a record cannot be trained on."""

    kind: FaultKind
    file: str
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}: {self.what}"


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
    """The first of them."""

    def fault(self, kind: FaultKind, path: Path, line: int, what: str) -> None:
        self.faulty[kind] += 1
        if len(self.faults) < MOST_NAMED:
            self.faults.append(Fault(kind, str(path), line, what))

    def refusal(self) -> InputError | None:
        """What to say if there was any fault: the first few, and how many there are."""
        count = self.faulty.total()
        if not count:
            return None
        if count == 1:
            return InputError(f"{self.faults[0]}; mend or remove this record.")
        reasons: dict[tuple[str, str], list[int]] = {}
        for fault in self.faults:
            reasons.setdefault((fault.file, fault.what), []).append(fault.line)
        first = list(reasons.items())[:_NAMED_IN_AN_ERROR]
        named = [f"{file}, {_lines_named(lines)}: {what}" for (file, what), lines in first]
        more = "" if len(first) == len(reasons) else "; and others"
        return InputError(
            f"{count:,} of {self.records:,} records cannot be used: {'; '.join(named)}{more}; mend or remove them "
            "(inro-train check-data lists them)."
        )


def _lines_named(lines: Sequence[int]) -> str:
    if len(lines) == 1:
        return f"line {lines[0]}"
    more = f" and {len(lines) - _NAMED_IN_AN_ERROR:,} more" if len(lines) > _NAMED_IN_AN_ERROR else ""
    return f"lines {', '.join(map(str, lines[:_NAMED_IN_AN_ERROR]))}{more}"


def sources(data: Sequence[str], formats: Sequence[str] = ()) -> list[Source]:
    """The files of a configuration; a folder stands for all files in it that can be read, by name.

    Raises InputError for a kind of file that cannot be read, and for a folder without any.
    """
    found = []
    for number, name in enumerate(data):
        path = Path(name)
        kind: Any = formats[number] if formats else "auto"
        if not path.is_dir():
            found.append(Source(path, kind, number))
            continue
        inside = sorted(one for one in path.rglob("*") if one.suffix.lower() in SUFFIXES and _is_seen(one, path))
        if not inside:
            raise InputError(f"the folder {path} holds no file that can be read ({', '.join(SUFFIXES)}).")
        found += [Source(one, kind, number) for one in inside]
    for source in found:
        _check_kind(source)
    return found


def _is_seen(path: Path, folder: Path) -> bool:
    return path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)


def _check_kind(source: Source) -> None:
    suffix = source.path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"{source.path} is of no kind that can be read: it must be one of {', '.join(SUFFIXES)}.")
    if suffix in (*PLAIN, *MARKDOWN) and source.format not in ("auto", "text"):
        raise InputError(f"{source.path} is plain text and cannot have the format {source.format}; write it as .jsonl.")


def read_records(files: Iterable[Source], reading: Reading) -> Iterator[Record]:
    """Every usable record, in order; `reading` notes those that are not, for the caller to refuse.

    Raises InputError for a file that cannot be read at all.
    """
    for source in files:
        suffix = source.path.suffix.lower()
        counts = reading.formats.setdefault(str(source.path), Counter())
        if suffix in LINES:
            yield from _parsed(source, _json_lines(source.path, reading), reading, counts)
        elif suffix in ARRAY:
            yield from _parsed(source, _json_array(source.path, reading), reading, counts)
        else:
            whole = suffix in MARKDOWN or reading.whole_files
            yield from _plain(source, whole, reading, counts)


def read_documents(paths: Sequence[Path]) -> list[Document]:
    """All documents of `paths`, in order. Raises InputError that names files and lines at fault."""
    return _strict(paths, Reading())


def read_conversations(paths: Sequence[Path]) -> list[Document]:
    """Like `read_documents`, and every document has messages, the last one by the assistant."""
    return _strict(paths, Reading(answered=True))


def _strict(paths: Sequence[Path], reading: Reading) -> list[Document]:
    files = sources([str(path) for path in paths])
    documents = [record.document for record in read_records(files, reading)]
    if refusal := reading.refusal():
        raise refusal
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


def _json_array(path: Path, reading: Reading) -> Iterator[tuple[int, Any]]:
    """One array of records, as Alpaca's own file is; lines, where a file of that name holds them."""
    if path.stat().st_size > MAX_JSON:
        raise InputError(f"{path} is larger than {MAX_JSON // 2**20} MiB; write it as .jsonl, one record a line.")
    with path.open("rb") as file:
        start = file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if start != b"[":
        yield from _json_lines(path, reading)
        return
    data = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    try:
        values = msgspec.json.decode(data, type=list[Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{path} begins as an array of JSON, but is none: {error}.") from error
    reading.on_bytes(len(data))
    yield from enumerate(values, 1)


def _parsed(
    source: Source, values: Iterable[tuple[int, Any]], reading: Reading, counts: Counter[str]
) -> Iterator[Record]:
    first: tuple[Format, int] | None = None
    for line, value in values:
        reading.records += 1
        try:
            kind = _format_of(value, source, first, line)
            first = first or (kind, line)
            document = converted(value, kind, reading.words.document)
            if reading.answered and (not document.messages or document.messages[-1].role != "assistant"):
                raise Unusable("it is no conversation that ends with an answer", "unanswered")
        except Unusable as error:
            reading.fault(error.kind, source.path, line, str(error))
        except LeftOut as error:
            reading.left_out[str(error)] += 1
        else:
            counts[kind] += 1
            yield Record(document, str(source.path), line, kind, source.number)


def _format_of(value: Any, source: Source, first: tuple[Format, int] | None, line: int) -> Format:
    if isinstance(value, Undecodable):
        raise Unusable(str(value))
    if isinstance(value, Unusable):
        raise value
    if not isinstance(value, dict):
        raise Unusable("it is no JSON object")
    if source.format != "auto":
        return source.format
    kind = detected(value)
    if first and kind != first[0] and not {kind, first[0]} <= _TOGETHER:
        raise Unusable(
            f"its format is {kind}, and the file began with {first[0]} in line {first[1]}; one file has one format",
            "mixed",
        )
    return kind


def _plain(source: Source, whole: bool, reading: Reading, counts: Counter[str]) -> Iterator[Record]:
    lines: Iterable[tuple[int, str | Undecodable]]
    if whole:
        text = whole_text(source.path, reading.on_bytes)
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
