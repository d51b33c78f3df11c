"""`inro-eval speed`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from evaluation.commands.common import positive, progress, show

if TYPE_CHECKING:
    from evaluation.commands.common import Commands


def add(commands: Commands) -> None:
    speed = commands.add_parser(
        "speed",
        help="measure how fast a model file answers on this machine",
        description="Read prompts and write answers with the engine of the application, several times, and show the "
        "medians and the range. Nothing else should run meanwhile.",
    )
    speed.add_argument("model", metavar="MODEL", type=Path, help="a GGUF file")
    speed.add_argument(
        "--context", metavar="N", type=positive, nargs="+", default=[512], help="lengths of the prompts, in tokens"
    )
    speed.add_argument("--threads", metavar="N", type=positive, help="by default the physical cores")
    speed.add_argument("--repeats", metavar="N", type=positive, default=5, help="of each length, at most (default 5)")
    speed.add_argument("--json", action="store_true", help="print the report as one JSON object")
    speed.add_argument("-o", "--out", metavar="FILE", type=Path, help="write the report for `inro-eval gate`")
    speed.set_defaults(command=_speed)


def _speed(options: argparse.Namespace) -> None:
    import msgspec

    from app.core.files import write_atomically
    from evaluation.output import Output
    from evaluation.speed import table
    from evaluation.stopwatch import measure

    report = measure(options.model, options.context, options.threads, options.repeats, progress)
    show(Output(msgspec.to_builtins(report), table(report)), options.json)
    if options.out:
        write_atomically(options.out, msgspec.json.encode(report))
