"""`items.jsonl`: what a run was, then every answer, one JSON object a line, appended as each item ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import msgspec

from app.core.errors import InputError
from app.core.files import write_atomically
from app.core.language import Language


class RunIdentity(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The first line. Answers are taken over into a later run only if all of this is the same."""

    format: Literal["inro-eval-items/1"] = "inro-eval-items/1"
    model_sha256: str
    task: str
    language: Language
    max_tokens: int
    llama_cpp_commit: str


class Result(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One item: what was asked, what came back, and how it was judged."""

    split: str
    id: str
    question: str
    reference: str
    answer: str
    finish_reason: Literal["stop", "length", "too_long"]
    """`too_long`: the question did not fit into the model's context, so there is no answer."""
    completion_tokens: int
    right: bool
    wrong_language: bool


_NAMES = {
    "model_sha256": "model",
    "task": "task",
    "language": "language",
    "max_tokens": "answer length",
    "llama_cpp_commit": "engine",
}


def refuse_earlier(*paths: Path) -> None:
    """Raises InputError if a run left any of these files: no run goes on with another one's, or replaces them, unless a
    person says so."""
    for path in paths:
        if path.exists():
            raise InputError(
                f"{path.parent} holds results already: add --resume to go on with them, if they are of this very run, "
                "add --fresh to discard them, or choose another folder."
            )


def read_results(path: Path) -> tuple[RunIdentity, tuple[Result, ...]]:
    """What a run left at `path`, whichever it was. Raises InputError for a file that inro-eval did not write."""
    first, *lines = path.read_bytes().split(b"\n")
    try:
        identity = msgspec.json.decode(first, type=RunIdentity)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{path} was not written by inro-eval.") from error
    return identity, tuple(_decode_all(lines))


class ResultFile:
    """The file at `path`, for the run that `identity` describes."""

    def __init__(self, path: Path, identity: RunIdentity) -> None:
        self._path = path
        self._identity = identity

    def read(self) -> tuple[Result, ...]:
        """What an earlier run left. A line that a kill or a power cut left unfinished is not part of it.

        Raises InputError if the file belongs to another run.
        """
        try:
            first, *lines = self._path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return ()
        self._check(first)
        return tuple(_decode_all(lines))

    def rewrite(self, results: Iterable[Result]) -> None:
        """Replace the file as a whole; a reader, or a kill, meets the old one or the new one."""
        lines = map(msgspec.json.encode, (self._identity, *results))
        write_atomically(self._path, b"".join(line + b"\n" for line in lines))

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)

    @contextmanager
    def appending(self) -> Iterator[Callable[[Result], None]]:
        """A function that adds one result; it is in the hands of the system when the function returns."""
        with self._path.open("ab") as file:

            def append(result: Result) -> None:
                file.write(msgspec.json.encode(result) + b"\n")
                file.flush()

            yield append

    def _check(self, first: bytes) -> None:
        way_out = "choose another folder, or use --fresh, which discards them"
        try:
            found = msgspec.json.decode(first, type=RunIdentity)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise InputError(f"{self._path} was not written by inro-eval; {way_out}.") from error
        other = [word for field, word in _NAMES.items() if getattr(found, field) != getattr(self._identity, field)]
        if other:
            folder = self._path.parent
            raise InputError(f"{folder} holds results of another run (other {', '.join(other)}); {way_out}.")


def _decode_all(lines: Iterable[bytes]) -> Iterator[Result]:
    for line in lines:
        try:
            yield msgspec.json.decode(line, type=Result)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            continue  # The item is asked again, which costs a second and loses nothing.
