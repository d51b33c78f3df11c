"""The command `inro-convert`: a checkpoint and its adapters become verified model files with manifests.

Arguments only; what the commands do is in converter.commands.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.util
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from app.core.command import run
from app.core.errors import InputError

_CONVERT = """Convert a Hugging Face checkpoint, with adapters merged into it, to GGUF files, verified, with manifests.

other commands:
  inro-convert inspect    what a checkpoint holds, and what converting it needs
  inro-convert lora       an adapter as a GGUF adapter, for programs that apply it themselves
  inro-convert verify     compare a converted file with what it was made from
  inro-convert manifest   write the manifest that goes beside a converted file
"""

BUILT_IN = "built-in"
"""For --calibration: the bilingual medical sample that comes with the converter."""


def main(arguments: Sequence[str] | None = None) -> int:
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    parsers = {"inspect": _inspect_parser, "lora": _lora_parser, "verify": _verify_parser, "manifest": _manifest_parser}
    # A checkpoint of that name is ./verify.
    name = arguments[0] if arguments and arguments[0] in parsers else None
    options = parsers[name]().parse_args(arguments[1:]) if name else _convert_parser().parse_args(arguments)
    return run(lambda: _carry_out(name or "convert", options))


def _carry_out(name: str, options: argparse.Namespace) -> None:
    missing = [name for name in ("gguf", "numpy", "tqdm", "tokenizers") if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(f"Converting needs {', '.join(missing)}: pip install 'inro[convert]'.")
    from converter import commands

    command: Callable[[argparse.Namespace], None] = getattr(commands, name)
    command(options)


# --- arguments --------------------------------------------------------------------------------------------------------


def _convert_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="inro-convert", description=_CONVERT, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    _add_inputs(parser, "checkpoint")
    parser.add_argument(
        "--quant", metavar="RECIPE,…", type=_list, default=(), help="quantize with llama.cpp's recipes: Q8_0, Q4_K_M …"
    )
    parser.add_argument(
        "--dtype",
        choices=("bf16", "f16", "f32"),
        help="type of the unquantized file, or of what a quantized one is compared with; by default as stored",
    )
    weights = parser.add_mutually_exclusive_group()
    weights.add_argument("--imatrix", metavar="FILE", type=Path, help="quantize with this importance matrix")
    weights.add_argument(
        "--calibration",
        metavar="TEXT",
        nargs="?",
        const=BUILT_IN,
        help="quantize with an importance matrix computed from this text file; without a name from a built-in "
        "medical sample in both languages (needs torch)",
    )
    parser.add_argument("--save-imatrix", metavar="FILE", type=Path, help="keep the matrix of --calibration")
    parser.add_argument("--name", metavar="NAME", help="the model's name; by default the file's name")
    parser.add_argument("--licence", metavar="NAME", help="by default what the checkpoint's card says")
    parser.add_argument(
        "--split-max-size", metavar="SIZE", type=_size, help="write files of at most this size: 4G for a FAT32 stick"
    )
    parser.add_argument("--no-verify", dest="verify", action="store_false", help="do not compare the result")
    _add_limits(parser)
    parser.add_argument("--no-manifest", dest="manifest", action="store_false", help="write no manifest")
    parser.add_argument("-o", "--out", metavar="OUT.gguf", type=Path, required=True)
    parser.add_argument("--force", action="store_true", help="replace files that exist")
    _add_json(parser)
    return parser


def _inspect_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="inro-convert inspect",
        description="Say what a checkpoint and its adapters hold, whether they can be converted, and what space and "
        "memory that takes. Writes nothing.",
    )
    _add_inputs(parser, "checkpoint")
    _add_json(parser)
    return parser


def _lora_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="inro-convert lora",
        description="Write an adapter as a GGUF adapter. Inro runs merged files; this is for programs that apply an "
        "adapter to a base model themselves. Only plain LoRA and rsLoRA can be written so.",
    )
    parser.add_argument("adapter", metavar="ADAPTER", help="the folder with adapter_config.json")
    _add_inputs(parser, "--checkpoint", adapters=False)
    parser.add_argument("--any-base", action="store_true", help="even if the adapter names another base model")
    parser.add_argument("--dtype", choices=("f16", "f32"), default="f16")
    parser.add_argument("-o", "--out", metavar="OUT.gguf", type=Path, required=True)
    parser.add_argument("--force", action="store_true", help="replace OUT.gguf if it exists")
    _add_json(parser)
    return parser


def _verify_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="inro-convert verify",
        description="Compare a converted file with what it was made from: weights, tokens, prompts and predictions. "
        "Exits with 1 if they differ by more than the limits. Predictions are compared with those of transformers "
        "where torch is installed, and with those of the unquantized file where --parent names it.",
    )
    parser.add_argument("model", metavar="OUT.gguf", type=Path)
    _add_inputs(parser, "--checkpoint")
    parser.add_argument("--parent", metavar="FILE.gguf", type=Path, help="the unquantized file of the same model")
    _add_limits(parser)
    parser.add_argument(
        "--positions", metavar="N", type=int, help="compare the end of a text of that many tokens too, such as 5000"
    )
    parser.add_argument("-o", "--out", metavar="FIGURES.json", type=Path, help="write what was found")
    _add_json(parser)
    return parser


def _manifest_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="inro-convert manifest", description="Write the manifest that goes beside a converted file."
    )
    parser.add_argument("model", metavar="OUT.gguf", type=Path)
    parser.add_argument("--name", required=True, help="the model's name as people see it")
    parser.add_argument(
        "--licence", help="the short name of the model's licence, such as Apache-2.0; by default that of the checkpoint"
    )
    _add_inputs(parser, "--checkpoint")
    parser.add_argument("--record", metavar="FILE", type=Path, action="append", default=[], help="of a training run")
    parser.add_argument("--verification", metavar="FIGURES.json", type=Path, help="what inro-convert verify wrote")
    parser.add_argument("--score-card", metavar="FILE", type=Path, action="append", default=[], help="of inro-eval")
    parser.add_argument(
        "--lang", choices=("ja", "en"), action="append", help="a language the model answers in; by default both"
    )
    parser.add_argument("--demonstration", action="store_true", help="mark the model as not for clinical use")
    parser.add_argument("--examples", metavar="FILE.json", type=Path, help='questions to offer: {"ja": […], "en": […]}')
    parser.add_argument("--intended-use", metavar="TEXT", default="", help="for whom and for what the model was made")
    parser.add_argument(
        "--expires", metavar="YYYY-MM-DD", type=_day, help="the last day on which its maker stands by it"
    )
    parser.add_argument("-o", "--out", metavar="OUT.manifest.json", type=Path, required=True)
    _add_json(parser)
    return parser


def _day(text: str) -> datetime.date:
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no day such as 2027-03-31") from None


def _add_inputs(parser: argparse.ArgumentParser, checkpoint: str, *, adapters: bool = True) -> None:
    what = "the folder with config.json and weights"
    if checkpoint.startswith("--"):
        parser.add_argument(checkpoint, metavar="CHECKPOINT", required=True, help=what)
    else:
        parser.add_argument(checkpoint, metavar="CHECKPOINT", help=what)
    if adapters:
        parser.add_argument(
            "--adapter", metavar="DIR", action="append", default=[], dest="adapters",
            help="a PEFT adapter merged into the checkpoint; several are merged in this order",
        )  # fmt: skip
        parser.add_argument(
            "--base-quant", choices=("nf4", "none"),
            help="round the base to NF4 before merging, as it was in training, or do not; by default as recorded",
        )  # fmt: skip
        parser.add_argument(
            "--any-base", action="store_true", help="merge an adapter that names another base model than this one"
        )
        parser.add_argument("--chat-template", metavar="FILE", type=Path, help="in place of the checkpoint's own")
    parser.add_argument(
        "--hub", action="store_true",
        help="download what is no folder here from the Hugging Face hub: owner/name or owner/name@revision",
    )  # fmt: skip


def _add_limits(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--max-mean-kl", metavar="NATS", type=float, help="by default what suits the file's type")
    parser.add_argument("--min-same-top", metavar="SHARE", type=float, help="of positions with the same top token")


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object a line")


def _list(text: str) -> tuple[str, ...]:
    parts = tuple(part.strip() for part in text.split(","))
    if not all(parts):
        raise argparse.ArgumentTypeError(f"{text!r} is no list of quantizations such as Q4_K_M,Q8_0")
    return parts


def _size(text: str) -> int:
    """Bytes, one less than the named size: 4G is the largest file of FAT32, which is one byte less than 4 GiB."""
    number, unit = text[:-1], text[-1:].upper()
    if unit not in ("M", "G") or not number.isdigit() or not int(number):
        raise argparse.ArgumentTypeError(f"{text!r} is no size such as 500M or 4G")
    return int(number) * {"M": 2**20, "G": 2**30}[unit] - 1


if __name__ == "__main__":
    sys.exit(main())
