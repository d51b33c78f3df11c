"""The command `inro`: the window, and the same questions and models from a terminal."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from app.commands.model_arguments import add_models
from app.core.command import run


def main(arguments: Sequence[str] | None = None) -> int:
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.model is not None and options.run not in (_window, _ask):
        parser.error("--model goes with `ask` and with the window")
    return run(lambda: options.run(options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="inro",
        description="Medical questions and answers on a PC without a network. Without a command it opens the window.",
        epilog="Exit codes: 0 done, 1 a check said no, 2 wrong use or input, 3 the machine (memory, space, engine), "
        "130 interrupted.",
    )
    parser.add_argument("--model", type=Path, metavar="PATH", help="answer with this GGUF file")
    parser.set_defaults(run=_window)
    commands = parser.add_subparsers(title="commands", metavar="")
    _add_ask(commands.add_parser("ask", help="answer one question in the terminal"))
    add_models(commands.add_parser("models", help="import, check, approve and choose model files"))
    doctor = commands.add_parser("doctor", help="say what this machine offers and what the self-test found")
    doctor.add_argument("--json", action="store_true", help="print one JSON object")
    doctor.set_defaults(run=_doctor)
    return parser


def _add_ask(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("question", nargs="?", help="the question; taken from standard input if left out or -")
    # Without a default of its own: it would overwrite a --model that stands before `ask`.
    parser.add_argument(
        "--model", type=Path, metavar="PATH", default=argparse.SUPPRESS, help="answer with this GGUF file"
    )
    parser.add_argument("--lang", choices=("ja", "en"), help="ask for an answer in this language")
    parser.add_argument("--max-tokens", type=_positive, default=512, metavar="N", help="length of the answer at most")
    parser.add_argument("--seed", type=int, metavar="N", help="sample with this seed; without it the answer is greedy")
    parser.add_argument("--json", action="store_true", help="print one JSON object at the end instead of streaming")
    parser.set_defaults(run=_ask)


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


# Each command imports what it needs when it runs, so that `--help` answers at once.


def _window(options: argparse.Namespace) -> int:
    from app.commands.window import window_or_terminal

    return window_or_terminal(options.model)


def _ask(options: argparse.Namespace) -> int:
    from app.commands.ask import ask_command

    return ask_command(options)


def _doctor(options: argparse.Namespace) -> int:
    from app.commands.doctor import doctor

    return doctor(as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
