"""Runs as files for other people and programs, as the tools write them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from app.core.errors import InputError
from app.core.language import Language
from app.services.benchmark.orders import Kept
from app.services.benchmark.views import DEMONSTRATION_TASK
from evaluation.reporting.exporting import export as export_run
from evaluation.reporting.report import write_report
from evaluation.runs.store import read_run


def export(runs: Sequence[Kept], kind: str, path: Path, language: Language) -> None:
    """`html`: one page of all runs in `language`; `csv`: every question of the first. An older file is replaced.

    Raises InputError for what cannot be read or written.
    """
    if any(kept.order.task == DEMONSTRATION_TASK for kept in runs):
        raise InputError("The demonstration task is exported as it is shown.")
    if kind == "html":
        write_report([kept.folder for kept in runs], path, language, force=True)
    else:
        export_run(read_run(runs[0].folder), "csv", path, force=True)
