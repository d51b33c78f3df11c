"""Recorded answers of a model or a person: JSONL of problem_id and `prediction` (letters) or `response` (text)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from app.core.errors import InputError
from evaluation.items import Item
from evaluation.scoring import normalised
from evaluation.tasks.loading import Malformed, Problem
from evaluation.tasks.reading import json_lines
from evaluation.tasks.record import converted, letter

_MOST_FILES = 10_000
_SEPARATORS = re.compile(r"[\s,;/、，・&]+")


class _Line(msgspec.Struct, frozen=True):
    problem_id: str | int
    prediction: str | list[str] | None = None
    response: str | None = None


@dataclass(frozen=True)
class Prediction:
    """What was answered to one question; both texts are as recorded, and one of them is None."""

    prediction: str | None
    response: str | None
    file: str
    line: int

    @property
    def text(self) -> str:
        """Whichever was recorded."""
        return (self.response if self.response is not None else self.prediction) or ""


@dataclass(frozen=True)
class Predictions:
    by_id: dict[str, Prediction]
    problems: tuple[Problem, ...]
    repeated: int
    """Lines that say again what another said of the same question."""


def read_predictions(paths: Sequence[Path], system: str | None = None) -> Predictions:
    """Read files, and the .jsonl files below folders; with `system` only those called `…_SYSTEM.jsonl`.

    Raises InputError if nothing can be read, or if a question has two different answers: which one counts is not for a
    program to decide.
    """
    by_id: dict[str, Prediction] = {}
    problems: list[Problem] = []
    repeated = 0
    files = _files(paths, system)
    for path in files:
        for answer in _read(path):
            if isinstance(answer, Problem):
                problems.append(answer)
                continue
            number, prediction = answer
            first = by_id.setdefault(number, prediction)
            if (first.prediction, first.response) != (prediction.prediction, prediction.response):
                raise InputError(_two_answers(number, first, prediction, files))
            repeated += first is not prediction
    if not by_id:
        raise InputError(f"No answer can be read: {problems[0]}.")
    return Predictions(by_id, tuple(problems), repeated)


def _files(paths: Sequence[Path], system: str | None) -> list[Path]:
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            files += sorted(found for found in path.rglob("*.jsonl") if found.is_file())
        else:
            files.append(path)
    if system:
        files = [path for path in files if path.name.endswith(f"_{system}.jsonl")]
    if not files:
        called = f" called …_{system}.jsonl" if system else ""
        raise InputError(f"{', '.join(map(str, paths))}: there is no .jsonl file{called} in it.")
    if len(files) > _MOST_FILES:
        raise InputError(
            f"{len(files):,} files of answers are too many: name the folder that holds only those you want."
        )
    return files


def _read(path: Path) -> Iterator[tuple[str, Prediction] | Problem]:
    for number, value in json_lines(path):
        try:
            yield _parsed(value, path, number)
        except Malformed as error:
            yield Problem("malformed", str(path), number, str(error))


def _parsed(value: Any, path: Path, number: int) -> tuple[str, Prediction]:
    if isinstance(value, Malformed):
        raise value
    line = converted(value, _Line)
    if not {"prediction", "response"} & set(value):
        raise Malformed("it has neither a prediction (letters) nor a response (text)")
    if line.prediction is None and line.response is not None:
        return str(line.problem_id), Prediction(None, line.response, str(path), number)
    letters = line.prediction or ""
    text = letters if isinstance(letters, str) else ",".join(letters)
    return str(line.problem_id), Prediction(text, None, str(path), number)


def _two_answers(number: str, first: Prediction, second: Prediction, files: Sequence[Path]) -> str:
    systems = sorted({path.stem.rpartition("_")[2] for path in files if "_" in path.stem})
    hint = f" The files are of {', '.join(systems[:6])}: choose one with --system." if len(systems) > 1 else ""
    where = f"{first.file}, line {first.line} and {second.file}, line {second.line}"
    return f"{number} has two different answers: {where}.{hint}"


def is_empty(prediction: Prediction) -> bool:
    return not prediction.text.strip()


def chosen(prediction: Prediction, item: Item, digits: bool = False) -> tuple[int, ...] | None:
    """The positions of `item` that were chosen, ascending; None if that cannot be told.

    A `response` is read by evaluation.answers; a `prediction` strictly, by `read_letters`.
    """
    if prediction.response is not None:
        from evaluation.answers import extract

        return extract(prediction.response, item.options, item.language)
    return read_letters(prediction.prediction or "", item.options, digits)


def read_letters(text: str, options: Sequence[str], digits: bool = False) -> tuple[int, ...] | None:
    """Letters from a, or digits from 1, and nothing else: "c", "a,c", "A C", "ａ、ｃ", "ac"; or an option's text.

    None for anything else: "c (probably)" is a text, whose letters mean what a reader makes of them.
    """
    plain = unicodedata.normalize("NFKC", text).casefold().strip().removesuffix(".")
    names = [name for name in _SEPARATORS.split(plain) if name]
    if positions := _positions(names, len(options), digits):
        return positions
    same = [position for position, option in enumerate(options) if normalised(option) == normalised(text)]
    if len(same) == 1:
        return (same[0],)
    # "ac" without anything between; but "cab" is a word.
    together = list(plain)
    return _positions(together, len(options), digits) if together == sorted(set(together)) else None


def _positions(names: Sequence[str], n: int, digits: bool) -> tuple[int, ...] | None:
    """None unless there are names and each is one of the first `n`."""
    known = [str(position + 1) if digits else letter(position) for position in range(n)]
    if not names or not set(names) <= set(known):
        return None
    return tuple(sorted({known.index(name) for name in names}))
