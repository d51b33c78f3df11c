"""`inro-eval gate`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from app.core.errors import CheckRefused, InputError
from evaluation.commands.common import progress, show

if TYPE_CHECKING:
    from evaluation.commands.common import Commands


def add(commands: Commands) -> None:
    gate = commands.add_parser(
        "gate",
        help="say whether a model file may ship, and write the verdict into its manifest",
        description="Judge a model file by its runs, a file of thresholds, and a baseline. Every condition is listed "
        "with its reason; what was not shown is refused. Exits with 1 if the file may not ship.",
    )
    gate.add_argument("runs", metavar="RUN", type=Path, nargs="+", help="the folder of a run of the file")
    gate.add_argument("--thresholds", metavar="FILE", type=Path, required=True, help="what the file must show (TOML)")
    gate.add_argument(
        "--baseline",
        metavar="RUN",
        type=Path,
        nargs="+",
        action="extend",
        default=[],
        help="runs of what came before: the same tasks, settings and questions",
    )
    gate.add_argument("--speed", metavar="FILE", type=Path, help="what `inro-eval speed -o FILE` measured of it")
    gate.add_argument("--model", metavar="FILE", type=Path, help="the file itself; the verdict goes into its manifest")
    gate.add_argument("--json", action="store_true", help="print the verdict as one JSON object")
    gate.set_defaults(command=_gate)


def _gate(options: argparse.Namespace) -> None:
    from app.core.models.gguf_header import model_files
    from evaluation.gating.gate import gate, output, refusal
    from evaluation.output import printable

    files = [path for path in model_files(options.model) if path.is_file()] if options.model else []
    if options.model and not files:
        raise InputError(f"there is no model file at {options.model}.")
    with progress("reading the file", sum(path.stat().st_size for path in files), "B") as advance:
        gated = gate(options.runs, options.baseline, options.thresholds, options.speed, options.model, advance)
    show(output(gated), options.json)
    if not gated.verdict.passed:
        raise CheckRefused(printable(refusal(gated.verdict)))
