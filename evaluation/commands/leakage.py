"""`inro-eval leakage`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evaluation.commands.common import Commands


def add(commands: Commands) -> None:
    leakage = commands.add_parser(
        "leakage",
        help="look for a benchmark's questions in a training set",
        description="Look for a benchmark's questions in the files that a model is trained on, and exit with 1 if any "
        "is there. Compared are 13 words in a row in English and 50 characters in Japanese, whatever the punctuation, "
        "line breaks, case and width; short questions as a whole.",
    )
    leakage.add_argument(
        "--train",
        metavar="FILE",
        type=Path,
        nargs="+",
        required=True,
        help=".jsonl or .json with records of any shape, or .txt and .md with running text",
    )
    leakage.add_argument(
        "--task",
        metavar="TASK",
        required=True,
        help="one of those that `inro-eval tasks` lists, or all that are in DIR",
    )
    leakage.add_argument(
        "--data", metavar="DIR", type=Path, required=True, help="the folder that holds the benchmark, or its one file"
    )
    leakage.add_argument("--lang", choices=("ja", "en"), help="the language of the questions; by default all there are")
    leakage.add_argument("--json", action="store_true", help="print one JSON object")
    leakage.add_argument("-o", "--out", metavar="FILE", type=Path, help="write the JSON object to a file too")
    leakage.set_defaults(command=_leakage)


def _leakage(options: argparse.Namespace) -> None:
    from app.core.errors import CheckRefused
    from evaluation.commands.common import progress, show
    from evaluation.leakage.findings import refusal
    from evaluation.leakage.report import leakage

    total = sum(path.stat().st_size for path in options.train)
    with progress("reading the training set", total, "B") as advance:
        output, findings = leakage(options.train, options.task, options.data, options.lang, advance)
    show(output, options.json)
    if options.out:
        from app.core.command import json_text
        from app.core.files import write_atomically

        write_atomically(options.out, json_text(output.json).encode())
    if sentence := refusal(findings):
        raise CheckRefused(sentence)
