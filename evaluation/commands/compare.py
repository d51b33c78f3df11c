"""`inro-eval compare`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from evaluation.commands.common import show

if TYPE_CHECKING:
    from evaluation.commands.common import Commands


def add(commands: Commands) -> None:
    compare = commands.add_parser(
        "compare",
        help="say whether two runs differ, question by question",
        description="Compare two runs of one task question by question: two models, two files of one model, or one "
        "model asked in Japanese and in English. Says first what else differs between the runs, then whether their "
        "answers do: exact McNemar test, paired bootstrap, Holm's correction over categories.",
    )
    compare.add_argument("a", metavar="A", type=Path, help="the folder of a run")
    compare.add_argument("b", metavar="B", type=Path, help="the folder of another run of the same task")
    compare.add_argument("--seed", metavar="N", type=_seed, default=0, help="of the bootstrap; by default 0")
    compare.add_argument("--items", action="store_true", help="list the questions that one run alone has right")
    compare.add_argument("--json", action="store_true", help="print everything as one JSON object")
    compare.set_defaults(command=_compare)


def _seed(text: str) -> int:
    if not text.isdecimal() or int(text) >= 2**63:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 0")
    return int(text)


def _compare(options: argparse.Namespace) -> None:
    from evaluation.reporting.comparing import compare_runs
    from evaluation.reporting.comparing_text import output
    from evaluation.runs.store import read_run

    report = compare_runs(read_run(options.a), read_run(options.b), options.seed)
    show(output(report, options.items), options.json)
