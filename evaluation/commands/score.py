"""`inro-eval score`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from evaluation.commands.common import positive, show

if TYPE_CHECKING:
    from evaluation.commands.common import Commands

HOW = ("letters", "generate", "paper", "paper-fixed")


def add(commands: Commands) -> None:
    score = commands.add_parser(
        "score",
        help="score recorded answers; needs no model",
        description="Score recorded answers: JSONL of problem_id and either prediction (letters) or response (text).",
    )
    score.add_argument("--task", metavar="TASK", required=True, help="one of those that `inro-eval tasks` lists")
    score.add_argument("--data", metavar="PATH", type=Path, required=True, help="the task's folder, or its one file")
    score.add_argument("--lang", choices=("ja", "en"), required=True, help="the language of the questions")
    score.add_argument(
        "--predictions",
        metavar="PATH",
        type=Path,
        nargs="+",
        required=True,
        help="files of answers, or folders of them",
    )
    score.add_argument("--system", metavar="NAME", help="in folders, only the files called …_NAME.jsonl")
    add_selection(score)
    score.add_argument(
        "--how",
        choices=HOW,
        help="read every answer strictly as letters, as free text (generate), or by the published rule, with its "
        "defects (paper) or without (paper-fixed); by default a prediction as letters and a response as free text",
    )
    score.add_argument("--json", action="store_true", help="print the score as one JSON object")
    score.set_defaults(command=_score)


def add_selection(parser: argparse.ArgumentParser) -> None:
    """The options that say which of a task's questions are meant."""
    parser.add_argument("--years", metavar="YEAR", nargs="+", default=[], help="only questions of these years")
    parser.add_argument("--options", metavar="N", type=positive, help="only questions with exactly N options")
    parser.add_argument("--with-pictures", action="store_true", help="also questions that show a picture")


def _score(options: argparse.Namespace) -> None:
    from evaluation.recorded import score_predictions
    from evaluation.tasks.loading import Selection

    selection = Selection(not options.with_pictures, tuple(options.years), options.options)
    output = score_predictions(
        options.task, options.data, options.lang, options.predictions, selection, options.system, options.how
    )
    show(output, options.json)
