"""A run as a file for other programs: samples of lm-evaluation-harness, a table for a spreadsheet, or the summary."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from app.core.errors import InputError
from app.core.files import replacing
from evaluation.items import Item
from evaluation.labels import letters, written
from evaluation.readings import HEADLINE, letter_probabilities, option_probabilities
from evaluation.reporting.checks import check
from evaluation.reporting.confidence import has_probabilities
from evaluation.reporting.samples import samples
from evaluation.reporting.summary import summarise, summary_json
from evaluation.runs.records import Record, Settings
from evaluation.runs.store import ITEMS, RESULT, Run

Format = Literal["lm-eval", "csv", "json"]

Cell = str | float | int | None

_BEFORE_ANSWERS = ("id", "category", "year", "language", "answers", "chosen", "correct", "status")
_POINTS = ("points", "points_possible", "prohibited_chosen", "human_accuracy")
_AFTER_PROBABILITIES = ("text", "reason")

# What a spreadsheet takes for the beginning of a formula, in full width too (OWASP, "CSV Injection").
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def export(run: Run, format: Format, path: Path, force: bool = False) -> Path:
    """Write the run as `path`, or into the folder `path` under a usual name; returns the file.

    Raises InputError for a file that is there already, unless `force`; for one of the run's own files in any case; and
    for records that contradict themselves.
    """
    check(run)
    target = path / _name(run, format) if path.is_dir() else path
    if target.resolve() in {(run.folder / name).resolve() for name in (ITEMS, RESULT)}:
        raise InputError(f"{target} is a file of the run itself: choose another name.")
    if target.exists() and not force:
        raise InputError(f"{target} is there already: choose another name, or add --force to replace it.")
    with replacing(target) as temporary:
        _WRITERS[format](run, temporary)
    return target


def _name(run: Run, format: Format) -> str:
    if format != "lm-eval":
        return f"{run.name}.{format}"
    # As that harness names its own: tools look for them by this pattern.
    time = datetime.now().isoformat().replace(":", "-")
    return f"samples_{run.identity.task}_{run.identity.language}_{time}.jsonl"


def _write_samples(run: Run, path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for sample in samples(run):
            file.write(json.dumps(sample, ensure_ascii=False) + "\n")


def _write_summary(run: Run, path: Path) -> None:
    path.write_text(json.dumps(summary_json(summarise(run)), ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def _write_table(run: Run, path: Path) -> None:
    """UTF-8 with a byte-order mark, without which Excel takes Japanese for another encoding."""
    options = max((len(record.item.options) for record in run.records), default=0)
    probabilities = tuple(f"p_{letter}" for letter in letters(options)) if options else ()
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        table = csv.writer(file)
        table.writerow((*_BEFORE_ANSWERS, *_POINTS, *probabilities, *_AFTER_PROBABILITIES))
        for record in run.records:
            table.writerow(tuple(map(defused, _row(record, run.identity.settings, options))))


def defused(cell: Cell) -> Cell:
    """The cell so that no spreadsheet calculates it: texts of a model and of a data file are not to be run."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def _row(record: Record, settings: Settings, options: int) -> Iterator[Cell]:
    item = record.item
    yield from (item.id, item.category, item.year, item.language)
    yield written(item.answers, len(item.options))
    yield written(record.chosen, len(item.options)) if record.chosen else None
    yield int(record.correct)
    yield record.status
    yield from (item.points if record.correct else 0, item.points)
    yield int(bool(set(record.chosen or ()) & set(item.prohibited))) if item.prohibited else None
    yield item.human_accuracy
    row = _probabilities(item, record, settings)
    yield from (row[place] if place < len(row) else None for place in range(options))
    yield "\n----\n".join(trial.text for trial in record.trials if trial.text is not None) or None
    yield record.reason or None


def _probabilities(item: Item, record: Record, settings: Settings) -> tuple[float, ...]:
    """Of each option, over all askings, adding up to 1; empty where there are none."""
    if not has_probabilities(record):
        return ()
    if settings.how == "letter":
        return letter_probabilities(record.trials)
    return option_probabilities(item, record.trials, HEADLINE)


_WRITERS: dict[Format, Callable[[Run, Path], Any]] = {
    "lm-eval": _write_samples,
    "csv": _write_table,
    "json": _write_summary,
}
