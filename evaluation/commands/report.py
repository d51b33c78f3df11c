"""`inro-eval report`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evaluation.commands.common import Commands


def add(commands: Commands) -> None:
    report = commands.add_parser(
        "report",
        help="write one HTML page of runs: scores, intervals, plots, comparisons",
        description="Write one self-contained HTML page of one run or more, finished or not. Runs of the same task and "
        "language are compared with the first of them, item by item; one model asked in Japanese and in English is "
        "compared with itself. The page holds questions and answers of the runs.",
    )
    report.add_argument("runs", metavar="RUN", type=Path, nargs="+", help="folders that `inro-eval run` wrote")
    report.add_argument("-o", "--out", metavar="FILE", type=Path, required=True, help="the page, such as report.html")
    report.add_argument(
        "--lang", choices=("ja", "en"), help="the page's own words; by default the first run's language"
    )
    report.add_argument("--force", action="store_true", help="replace a file that is there already")
    report.set_defaults(command=_report)


def _report(options: argparse.Namespace) -> None:
    from evaluation.commands.common import show
    from evaluation.reporting.report import write_report

    show(write_report(options.runs, options.out, options.lang, options.force), as_json=False)
