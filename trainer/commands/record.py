"""`inro-train record`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evaluation.commands.common import Commands


def add(commands: Commands) -> None:
    parser = commands.add_parser(
        "record",
        help="what a run was trained from, and how it went",
        description="Show the run record of an output folder: data, base, configuration, losses, time and machine.",
    )
    parser.add_argument("run_folder", metavar="RUN", type=Path, help="an output of mfpt, mpeft or demo-data")
    parser.add_argument("--json", action="store_true", help="print the record as one JSON object")
    parser.set_defaults(run=_record)


def _record(options: argparse.Namespace) -> None:
    import msgspec

    from evaluation.commands.common import show
    from evaluation.output import Output
    from trainer.record_text import record_text
    from trainer.records import read_record

    record = read_record(options.run_folder)
    show(Output(msgspec.to_builtins(record), record_text(record)), options.json)
