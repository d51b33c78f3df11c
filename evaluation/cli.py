"""The command `inro-eval`: score a model file with the engine that ships, or answers that were recorded before."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from app.core.command import run as run_command
from evaluation.commands import compare, export, gate, leakage, quantization_loss, report, run, score, speed, tasks

COMMANDS = (compare, export, gate, leakage, quantization_loss, report, run, score, speed, tasks)


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    return run_command(lambda: options.command(options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="inro-eval", description="Score a model file.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
