"""The score of answers that were recorded before: for `inro-eval score`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from app.core.language import Language
from evaluation import exam, published
from evaluation.answers import extract
from evaluation.items import Item
from evaluation.output import Output
from evaluation.predictions import Prediction, Predictions, chosen, is_empty, read_letters, read_predictions
from evaluation.tally import Marked, score, table
from evaluation.tasks.loading import Loaded, Selection
from evaluation.tasks.problems import MOST, as_json, problem_lines, told
from evaluation.tasks.registry import benchmark

Rule = Literal["letters", "generate", "paper", "paper-fixed"]
"""How answers are read: strictly as letters, as free text, or by the published rule (evaluation.paper).

Without a rule, a `prediction` is read as letters and a `response` as free text.
"""

_PAPER: tuple[Rule | None, ...] = ("paper", "paper-fixed")


def score_predictions(
    task: str,
    folder: Path,
    language: Language,
    paths: Sequence[Path],
    selection: Selection,
    system: str | None,
    how: Rule | None = None,
) -> Output:
    """Raises InputError for an unknown task, for data or answers that cannot be used, for two answers to one id, and
    where the published rule asks none of the questions."""
    known = benchmark(task)
    loaded = known.load(folder, language, selection)
    predictions = read_predictions(paths, system)
    unknown = set(predictions.by_id) - {item.id for item in loaded.items} - _left_out(loaded)
    data = told(loaded)
    if how in _PAPER:
        scored = published.score_all(loaded.items, predictions.by_id, fixed=how == "paper-fixed")
        marked, more, head = scored.marked, {"published": published.as_json(scored)}, published.lines(scored)
    else:
        marked, more, head = tuple(_marked(item, predictions, known.digits, how) for item in loaded.items), {}, []
    result = score(known.name, language, marked, unknown)
    years = [exam.report(year) for year in exam.by_year(marked)] if known.name == "igakuqa" else []
    json = (
        msgspec.to_builtins(result)
        | {"how": how}
        | more
        | {
            "examination": msgspec.to_builtins(years),
            "data": data,
            "predictions": {
                "repeated": predictions.repeated,
                "malformed": [as_json(problem) for problem in predictions.problems[:MOST]],
            },
        }
    )
    return Output(json, "\n".join([*head, table(result), *map(exam.sentence, years), *_told_text(predictions, data)]))


def _left_out(loaded: Loaded) -> set[str]:
    """Questions that are in the data, but not asked: an answer to one of them is to no unknown question."""
    return {problem.item for problem in loaded.problems if problem.dropped and problem.item}


def _marked(item: Item, predictions: Predictions, digits: bool, how: Rule | None) -> Marked:
    prediction = predictions.by_id.get(item.id)
    if prediction is None:
        return Marked(item, "missing")
    if is_empty(prediction):
        return Marked(item, "empty")
    positions = _read(prediction, item, digits, how)
    return Marked(item, "answered", positions) if positions else Marked(item, "unreadable")


def _read(prediction: Prediction, item: Item, digits: bool, how: Rule | None) -> tuple[int, ...] | None:
    if how == "letters":
        return read_letters(prediction.text, item.options, digits)
    if how == "generate":
        return extract(prediction.text, item.options, item.language)
    return chosen(prediction, item, digits)


def _told_text(predictions: Predictions, data: dict[str, Any]) -> list[str]:
    lines = []
    if predictions.repeated:
        lines.append(f"Answers that stand in the files again: {predictions.repeated}.")
    if predictions.problems:
        lines.append(f"Lines that are no answer: {len(predictions.problems)}, such as {predictions.problems[0]}.")
    if data["reported"] or data["filtered"]:
        lines += ["", "The data:", *(f"  {line}" for line in problem_lines(data))]
    return lines
