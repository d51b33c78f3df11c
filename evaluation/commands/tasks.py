"""`inro-eval tasks`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evaluation.commands.common import Commands


def add(commands: Commands) -> None:
    tasks = commands.add_parser(
        "tasks",
        help="list the tasks: size, languages, licence, and what is on the disk",
        description="List the tasks. With --data, read the benchmarks that are in DIR and say how many questions of "
        "each can be asked, what is missing, and what is wrong in their files. Nothing is downloaded.",
    )
    tasks.add_argument("--data", metavar="DIR", type=Path, help="the folder that holds the benchmarks' files")
    tasks.add_argument("--json", action="store_true", help="print one JSON object")
    tasks.set_defaults(command=_tasks)


def _tasks(options: argparse.Namespace) -> None:
    from evaluation.commands.common import show
    from evaluation.tasks.overview import tasks

    show(tasks(options.data), options.json)
