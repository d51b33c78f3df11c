"""`inro-eval quantization-loss`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from evaluation.commands.common import positive, progress, show

if TYPE_CHECKING:
    from evaluation.commands.common import Commands


def add(commands: Commands) -> None:
    loss = commands.add_parser(
        "quantization-loss",
        help="compare the predictions of a quantized file with those of the file that it was made from",
        description="Let both files predict a text, and show how far the quantized one is off: KL divergence, the "
        "share of the same most likely tokens, and perplexity.",
    )
    loss.add_argument("reference", metavar="A", type=Path, help="the file to compare with: F32, F16 or BF16")
    loss.add_argument("candidate", metavar="B", type=Path, help="the quantized file")
    loss.add_argument("--text", metavar="FILE", type=Path, required=True, help="UTF-8, such as clinical prose")
    loss.add_argument("--context", metavar="N", type=positive, default=512, help="tokens of a chunk (default 512)")
    loss.add_argument("--threads", metavar="N", type=positive, help="by default the physical cores")
    loss.add_argument("--json", action="store_true", help="print one JSON object")
    loss.set_defaults(command=_loss)


def _loss(options: argparse.Namespace) -> None:
    import msgspec

    from evaluation.output import Output
    from evaluation.quantization_loss.measuring import measure
    from evaluation.quantization_loss.result import table

    loss = measure(options.reference, options.candidate, options.text, options.context, options.threads, progress)
    show(Output(msgspec.to_builtins(loss), table(loss)), options.json)
