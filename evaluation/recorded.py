"""The score of answers that were recorded before: for `inro-eval score`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from app.core.language import Language
from evaluation import exam
from evaluation.items import Item
from evaluation.output import Output
from evaluation.predictions import Predictions, chosen, is_empty, read_predictions
from evaluation.tally import Marked, score, table
from evaluation.tasks.loading import Loaded, Selection
from evaluation.tasks.problems import MOST, as_json, problem_lines, told
from evaluation.tasks.registry import benchmark


def score_predictions(
    task: str, folder: Path, language: Language, paths: Sequence[Path], selection: Selection, system: str | None
) -> Output:
    """Raises InputError for an unknown task, for data or answers that cannot be used, and for two answers to one id."""
    known = benchmark(task)
    loaded = known.load(folder, language, selection)
    predictions = read_predictions(paths, system)
    unknown = set(predictions.by_id) - {item.id for item in loaded.items} - _left_out(loaded)
    marked = [_marked(item, predictions, known.digits) for item in loaded.items]
    result = score(known.name, language, marked, unknown)
    data = told(loaded)
    years = exam.by_year(marked) if known.name == "igakuqa" else ()
    json = msgspec.to_builtins(result) | {
        "examination": [_examination(year) for year in years],
        "data": data,
        "predictions": {
            "repeated": predictions.repeated,
            "malformed": [as_json(problem) for problem in predictions.problems[:MOST]],
        },
    }
    return Output(json, "\n".join([table(result), *map(exam.sentence, years), *_told_text(predictions, data)]))


def _examination(year: exam.YearResult) -> dict[str, Any]:
    parts = {"required": year.required, "general": year.general}
    return {
        "year": year.year,
        **{
            name: {"points": part.points, "possible": part.possible, "line": part.line.least, "line_of": part.line.of}
            for name, part in parts.items()
        },
        "prohibited": year.prohibited,
        "complete": year.complete,
        "passed": year.passed,
    }


def _left_out(loaded: Loaded) -> set[str]:
    """Questions that are in the data, but not asked: an answer to one of them is to no unknown question."""
    return {problem.item for problem in loaded.problems if problem.dropped and problem.item}


def _marked(item: Item, predictions: Predictions, digits: bool) -> Marked:
    prediction = predictions.by_id.get(item.id)
    if prediction is None:
        return Marked(item, "missing")
    if is_empty(prediction):
        return Marked(item, "empty")
    positions = chosen(prediction, item, digits)
    return Marked(item, "answered", positions) if positions else Marked(item, "unreadable")


def _told_text(predictions: Predictions, data: dict[str, Any]) -> list[str]:
    lines = []
    if predictions.repeated:
        lines.append(f"Answers that stand in the files again: {predictions.repeated}.")
    if predictions.problems:
        lines.append(f"Lines that are no answer: {len(predictions.problems)}, such as {predictions.problems[0]}.")
    if data["reported"] or data["filtered"]:
        lines += ["", "The data:", *(f"  {line}" for line in problem_lines(data))]
    return lines
