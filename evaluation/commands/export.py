"""`inro-eval export`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evaluation.commands.common import Commands

FORMATS = ("lm-eval", "csv", "json")


def add(commands: Commands) -> None:
    export = commands.add_parser(
        "export",
        help="write a run for other programs",
        description="Write a run as samples of lm-evaluation-harness (lm-eval), as a table with a line for each "
        "question (csv), or as its results (json).",
    )
    export.add_argument("run", metavar="RUN", type=Path, help="the folder of a run")
    export.add_argument("--format", choices=FORMATS, required=True)
    export.add_argument(
        "-o", "--out", metavar="PATH", type=Path, required=True, help="the file, or a folder that is there already"
    )
    export.add_argument("--force", action="store_true", help="replace a file that is there already")
    export.set_defaults(command=_export)


def _export(options: argparse.Namespace) -> None:
    from evaluation.output import printable
    from evaluation.reporting.exporting import export
    from evaluation.runs.store import read_run

    run = read_run(options.run)
    path = export(run, options.format, options.out, options.force)
    print(printable(f"{path}: {len(run.records):,} of {run.identity.items:,} questions"))
    if not run.complete:
        print("The run is not complete.", file=sys.stderr)
