"""`inro-eval run`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from app.core.errors import InputError
from evaluation.commands.common import positive
from evaluation.commands.score import add_selection

if TYPE_CHECKING:
    from evaluation.commands.common import Commands

_HOW = ("letter", "option", "generate", "paper", "paper-fixed")


def add(commands: Commands) -> None:
    run = commands.add_parser(
        "run",
        help="ask a model all questions of a task",
        description="Ask a model all questions of a task and write DIR/items.jsonl (every question, as it ends) and "
        "DIR/result.json. A run that was stopped goes on with --resume, to the same numbers.",
    )
    run.add_argument("--model", metavar="FILE", type=Path, help="a GGUF file")
    run.add_argument("--task", metavar="TASK", required=True, help="one of those that `inro-eval tasks` lists")
    run.add_argument("--data", metavar="PATH", type=Path, help="the task's folder, or its one file")
    run.add_argument("--lang", choices=("ja", "en"), required=True, help="the language of the questions")
    run.add_argument("-o", "--out", metavar="DIR", type=Path, required=True, help="where the run is written")
    run.add_argument("--how", choices=_HOW, default="letter", help="the way of scoring; letter by default")
    _add_wording(run)
    _add_writing(run)
    add_selection(run)
    run.add_argument("--limit", metavar="N", type=positive, help="ask N of the questions, drawn with the seed")
    run.add_argument("--context", metavar="N", type=positive, help="tokens; by default at most 4,096")
    run.add_argument("--threads", metavar="N", type=positive, help="by default the physical cores")
    run.add_argument("--backend", choices=("engine", "openai"), default="engine", help="openai: a server, with --url")
    run.add_argument("--url", help="of an OpenAI-compatible server, such as http://127.0.0.1:8080")
    run.add_argument("--served-model", metavar="NAME", help="which of the server's models; by default its only one")
    earlier = run.add_mutually_exclusive_group()
    earlier.add_argument("--resume", action="store_true", help="go on with the run in DIR, if it is this very run")
    earlier.add_argument("--fresh", action="store_true", help="discard earlier results in DIR (--task demo only)")
    run.add_argument("--json", action="store_true", help="print the result as one JSON object")
    demo = run.add_argument_group("for --task demo")
    demo.add_argument("--corpus", metavar="DIR", type=Path, help="the folder of the demonstration corpus")
    demo.add_argument(
        "--require",
        metavar="SPLIT=FRACTION",
        type=_requirement,
        action="append",
        default=[],
        help="exit with 1 if the accuracy of this split is below the fraction, such as trained=0.95; repeatable",
    )
    run.set_defaults(command=_run)


def _add_wording(run: argparse.ArgumentParser) -> None:
    run.add_argument(
        "--template",
        metavar="NAME|FILE",
        help="plain, steps, sections or sections_steps, a template's own name, or a file with one; "
        "by default as the way of scoring needs",
    )
    run.add_argument(
        "--templates",
        metavar="FILE",
        type=Path,
        help="a file of templates, of which --template names one: .toml, or the published harness's .py",
    )
    run.add_argument("--plain", action="store_true", help="without the model's own chat template")
    run.add_argument("--shots", metavar="K", type=int, default=0, help="examples before each question; 0 by default")
    run.add_argument("--shuffle", action="store_true", help="put the options in another order, drawn with the seed")
    run.add_argument(
        "--permutations",
        metavar="N",
        type=positive,
        default=1,
        help="ask each question N times, the options moved on by one each time, and average",
    )
    run.add_argument("--seed", metavar="N", type=int, default=0, help="of all that is drawn; 0 by default")


def _add_writing(run: argparse.ArgumentParser) -> None:
    writing = run.add_argument_group("for --how generate")
    writing.add_argument("--steps", action="store_true", help="ask for reasoning first; also with paper, paper-fixed")
    writing.add_argument("--grammar", action="store_true", help="let the model write letters only")
    writing.add_argument(
        "--samples", metavar="K", type=positive, default=1, help="answers to each question, of which most agree"
    )
    writing.add_argument("--temperature", metavar="T", type=_temperature, help="0; 0.7 with several --samples")
    writing.add_argument("--max-tokens", metavar="N", type=positive, help="of an answer: 128; 512 with --steps")


def _temperature(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 10:
        raise argparse.ArgumentTypeError(f"{text} is no temperature from 0 to 10")
    return value


def _requirement(text: str) -> tuple[str, float]:
    name, _, fraction_text = text.partition("=")
    try:
        fraction = float(fraction_text)
    except ValueError:
        fraction = -1.0
    if not name or not 0 <= fraction <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not of the form SPLIT=FRACTION with a fraction from 0 to 1")
    return name, fraction


def _run(options: argparse.Namespace) -> None:
    if options.backend == "openai":
        if not options.url or options.model:
            raise InputError("--backend openai needs --url, and takes no --model: the server has its own.")
    elif options.model is None or options.url:
        raise InputError("Name the model file with --model (and --backend openai where a server is asked, with --url).")
    if options.task == "demo":
        from evaluation.commands.run_demo import run_demo

        _check_demo(options)
        run_demo(options)
        return
    from evaluation.commands.run_benchmark import run_benchmark

    if options.data is None:
        raise InputError(f"--task {options.task} needs --data: the folder that holds its files.")
    if options.fresh or options.corpus or options.require:
        raise InputError("--fresh, --corpus and --require are for --task demo; choose a new folder for a new run.")
    run_benchmark(options)


_NOT_OF_THE_DEMO: dict[str, object] = {
    "backend": "engine",
    "how": "letter",
    "data": None,
    "template": None,
    "templates": None,
    "plain": False,
    "shots": 0,
    "shuffle": False,
    "permutations": 1,
    "seed": 0,
    "limit": None,
    "steps": False,
    "grammar": False,
    "samples": 1,
    "temperature": None,
    "max_tokens": None,
    "years": [],
    "options": None,
    "with_pictures": False,
    "context": None,
}
"""What that task does not obey, with its defaults."""


def _check_demo(options: argparse.Namespace) -> None:
    given = [name for name, default in _NOT_OF_THE_DEMO.items() if getattr(options, name) != default]
    if given:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise InputError(f"--task demo is asked in its own way: leave out {names}.")
