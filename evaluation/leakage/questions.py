"""The questions that are looked for: those of the benchmarks in a folder, and what cannot be looked for among them.

A check that lost a question without a word would call a training set clean that holds it. So a benchmark whose files
are there and cannot be read is refused, and a record that is no question that can be asked (a broken answer, an id
that two have) is still looked for by its text. What its benchmark never asks (a number instead of options, another
language, another edition) is left out and counted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from app.core.errors import InputError
from app.core.language import Language
from evaluation.items import Item
from evaluation.scoring import is_in_language
from evaluation.tasks.benchmark import Benchmark
from evaluation.tasks.loading import Loaded, Problem, Selection, collect
from evaluation.tasks.own import JSONL
from evaluation.tasks.reading import csv_rows, json_file, json_lines
from evaluation.tasks.registry import BENCHMARKS, benchmark

ALL = "all"
"""Every benchmark that is in a folder."""

_TEXT = ("problem_text", "problem_text_en", "question", "QUESTION")
_OPTIONS = ("choices", "choices_en", "options")
_SINGLE_OPTIONS = ("opa", "opb", "opc", "opd")


class TaskQuestions(msgspec.Struct, frozen=True, kw_only=True):
    """What of one task in one language is looked for."""

    task: str
    language: Language
    questions: int
    """That are looked for."""
    by_text: int = 0
    """Of them, those that are no usable questions: their text is looked for, and nobody knows their answer."""
    lost: int = 0
    """Records without so much as a text."""
    lost_first: str | None = None
    """The first of them, with its file and line."""
    left_out: int = 0
    """Records that the task never asks."""


@dataclass(frozen=True)
class Questions:
    items: tuple[Item, ...]
    tasks: tuple[TaskQuestions, ...]

    @property
    def lost(self) -> int:
        return sum(one.lost for one in self.tasks)


def broken_records(count: int) -> str:
    """For a person."""
    return "1 broken record" if count == 1 else f"{count:,} broken records"


def questions(folder: Path, task: str = ALL, language: Language | None = None) -> Questions:
    """Those of a task, or of all tasks that are in a folder, in one language or all; with pictures too.

    Raises InputError where there are none, and for a benchmark whose files are there and cannot be read.
    """
    known = [one for one in BENCHMARKS if one is not JSONL] if task == ALL else [benchmark(task)]
    if task == ALL and folder.is_file():
        raise InputError(f"{folder} is one file: give the folder that holds the benchmarks, or name the file's task.")
    items: list[Item] = []
    tasks: list[TaskQuestions] = []
    absent: list[InputError] = []
    for one in known:
        seen: set[_Place] = set()
        for each in one.languages:
            if language not in (None, each):
                continue
            try:
                loaded = collect(one.read(folder, each), Selection(text_only=False))
            except InputError as error:
                if _is_there(one, folder, each):
                    raise _unreadable(one, each, str(error).rstrip(".")) from error
                absent.append(error)
                continue
            broken = [problem for problem in loaded.problems if _is_broken(problem)]
            by_text = [item for item in _by_text(broken, one.name, each, seen) if language in (None, item.language)]
            told = _told(one, each, loaded, broken, by_text)
            # Most records of a language may be left out since it has no translation; that is no broken file.
            silent = [problem for problem in broken if _place(problem) not in seen]
            if told.questions == 0 and len(silent) > told.left_out:
                raise _unreadable(one, each, str(silent[0]))
            items += (*loaded.items, *by_text)
            tasks += [told] if told.questions or told.lost else []
    if items:
        return Questions(tuple(items), tuple(tasks))
    if len(known) == 1 and absent:
        raise absent[0]
    if len(known) == 1 and language in (None, *known[0].languages):
        known[0].load(folder, language or known[0].languages[0], Selection(text_only=False))  # says why there is none
    raise InputError(f"{folder} holds no benchmark with questions in {language or 'any language'}.")


def _is_there(one: Benchmark, folder: Path, language: Language) -> bool:
    """Whether any file of a benchmark is in a folder: it misses less than in an empty one."""
    with TemporaryDirectory() as nothing:
        return one.missing(folder, language) != one.missing(Path(nothing), language)


def _unreadable(one: Benchmark, language: Language, why: str) -> InputError:
    return InputError(
        f"the questions of {one.name} ({language}) are there but cannot be looked for: {why}; mend that file, or take "
        "it out of the folder."
    )


def _is_broken(problem: Problem) -> bool:
    """Whether a question was dropped that would be asked if its files were sound, and that no other record asks."""
    return problem.dropped and problem.kind in ("malformed", "contradictory")


def _told(
    one: Benchmark, language: Language, loaded: Loaded, broken: Sequence[Problem], by_text: Sequence[Item]
) -> TaskQuestions:
    found = {item.id for item in by_text}
    lost = [problem for problem in broken if _text_id(problem) not in found]
    return TaskQuestions(
        task=one.name,
        language=language,
        questions=len(loaded.items) + len(by_text),
        by_text=len(by_text),
        lost=len(lost),
        lost_first=str(lost[0]) if lost else None,
        left_out=sum(loaded.filtered().values()),
    )


# --- records that are no usable questions -----------------------------------------------------------------------------


_Place = tuple[str, int | str | None]
"""A file, and in it a line, or an id where it has no lines."""


def _place(problem: Problem) -> _Place:
    return problem.file, problem.item if problem.line is None else problem.line


def _by_text(broken: Iterable[Problem], task: str, language: Language, seen: set[_Place]) -> Iterator[Item]:
    """What broken records still ask, without an answer; `seen` are the records that another language has given.

    The files are read again, since a problem says where its record stands and not what is in it.
    """
    by_file: dict[str, list[Problem]] = defaultdict(list)
    for problem in broken:
        by_file[problem.file].append(problem)
    for file, problems in by_file.items():
        values = _values(Path(file), problems)
        for problem in problems:
            place = _place(problem)
            text, options = _asked(values.get(place[1]))
            if place not in seen and text:
                seen.add(place)
                # IgakuQA's English questions stand beside the Japanese ones, which break before them.
                written = language if is_in_language(text, "en") else "ja"
                yield Item(_text_id(problem), task, written, text, options, answers=())


def _text_id(problem: Problem) -> str:
    """An id that no other record has: conflicting ones share their own."""
    where = Path(problem.file).name + ("" if problem.line is None else f", line {problem.line}")
    return f"{problem.item} of {where}" if problem.item else where


def _values(path: Path, problems: Sequence[Problem]) -> dict[Any, Any]:
    """The records at fault by their lines, or by their ids where a file has no lines."""
    if any(problem.line is None for problem in problems):
        value = json_file(path)
        return value if isinstance(value, dict) else {}
    lines = {problem.line for problem in problems}
    rows = csv_rows(path) if path.suffix.lower() == ".csv" else json_lines(path)
    return {line: value for line, value in rows if line in lines}


def _asked(value: Any) -> tuple[str, tuple[str, ...]]:
    """The question and the options that a record of any layout seems to have; an empty question where it has none."""
    if isinstance(value, list):
        # A row of CSV: question, options, answer.
        texts = [cell for cell in value if isinstance(cell, str)]
        return (texts[0].strip() if texts else ""), _texts(texts[1:-1])
    if not isinstance(value, dict):
        return "", ()
    text = next((value[key] for key in _TEXT if isinstance(value.get(key), str)), "")
    options = next((value[key] for key in _OPTIONS if value.get(key)), [value.get(key) for key in _SINGLE_OPTIONS])
    if isinstance(options, dict):
        options = list(options.values())
    return text.strip(), _texts(options if isinstance(options, list) else ())


def _texts(values: Iterable[Any]) -> tuple[str, ...]:
    return tuple(value for value in values if isinstance(value, str) and value.strip())
