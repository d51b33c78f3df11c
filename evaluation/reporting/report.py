"""`inro-eval report`: runs read from their folders, and the page written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from app.core.errors import InputError
from app.core.files import write_atomically
from app.core.language import Language
from evaluation.output import Output
from evaluation.reporting.page import page
from evaluation.runs.store import ITEMS, RESULT, read_run

MOST = 20
"""Runs in one page."""


def write_report(folders: Sequence[Path], out: Path, language: Language | None, force: bool) -> Output:
    """Raises InputError for folders that hold no run or contradict themselves, for one that is given twice, for more
    than 20, and for an output that is there already, unless `force` is given."""
    _check(folders, out, force)
    runs = [read_run(folder) for folder in folders]
    html = page(runs, language or runs[0].identity.language)
    try:
        write_atomically(out, html.encode())
    except OSError as error:
        raise InputError(f"{out} cannot be written: {error.strerror or error}.") from error
    unfinished = sum(not run.complete for run in runs)
    told = f" Not finished: {unfinished} of {len(runs)} runs." if unfinished else ""
    return Output({"report": str(out), "runs": len(runs), "unfinished": unfinished}, f"Report: {out}.{told}")


def _check(folders: Sequence[Path], out: Path, force: bool) -> None:
    if len(folders) > MOST:
        raise InputError(f"A report has at most {MOST} runs; {len(folders)} were given.")
    resolved = [folder.resolve() for folder in folders]
    twice = [folder for place, folder in enumerate(folders) if resolved[place] in resolved[:place]]
    if twice:
        raise InputError(f"{twice[0]} was given twice.")
    if out.is_dir():
        raise InputError(f"{out} is a folder; give the name of a file, such as {out / 'report.html'}.")
    if out.name in (ITEMS, RESULT):
        raise InputError(f"{out} has the name of a run's own file; give another one, such as report.html.")
    if out.exists() and not force:
        raise InputError(f"{out} is there already; give another name, or --force to replace it.")
