"""`inro-train sample`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evaluation.commands.common import Commands


def add(commands: Commands) -> None:
    from evaluation.commands.common import positive

    parser = commands.add_parser(
        "sample",
        help="what the model will see of the data of a configuration",
        description="Show a few records of the data of a configuration, drawn with its seed, as the model will see "
        "them: in the base's own chat template, with what is learned marked.",
    )
    parser.add_argument("config", metavar="CONFIG.yaml", type=Path, help="the configuration (see docs/training.md)")
    parser.add_argument("-n", "--count", metavar="N", type=positive, default=3, help="records to show (3)")
    parser.add_argument(
        "--set", metavar="KEY=VALUE", action="append", default=[], dest="changes", help="instead of what the file says"
    )
    parser.add_argument("--recipe", choices=("mfpt", "mpeft"), help="where the configuration could be meant for both")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=_sample)


def _sample(options: argparse.Namespace) -> None:
    import msgspec

    from evaluation.commands.common import show
    from evaluation.output import Output
    from trainer.config import read_either
    from trainer.data.sampling import samples, text

    found = samples(read_either(options.config, options.changes, options.recipe), options.count)
    show(Output({"samples": msgspec.to_builtins(found)}, text(found)), options.json)
