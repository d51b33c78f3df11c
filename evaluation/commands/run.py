"""`inro-eval run`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from app.core.command import print_json
from app.core.errors import CheckRefused, InputError, UserFacingError
from evaluation.commands.common import positive, progress

if TYPE_CHECKING:
    from app.core.engine.client import EngineClient
    from app.core.language import Language
    from evaluation.commands.common import Commands
    from evaluation.demo.results import Result, ResultFile
    from evaluation.demo.score_card import ScoreCard
    from evaluation.demo.task import Task

TASKS = ("demo",)


def add(commands: Commands) -> None:
    run = commands.add_parser(
        "run",
        help="ask a model every item of a task and write its score card",
        description="Ask a model every item of a task, one question at a time and without chance, and write "
        "DIR/items.jsonl (every answer) and DIR/score_card.json. A run that was stopped goes on where it was when the "
        "same command is given again.",
    )
    run.add_argument("--model", metavar="FILE", type=Path, required=True, help="a GGUF file")
    run.add_argument("--task", choices=TASKS, required=True)
    run.add_argument("--lang", choices=("ja", "en"), required=True, help="the language of the questions")
    run.add_argument("-o", "--out", metavar="DIR", type=Path, required=True, help="where the results are written")
    run.add_argument("--corpus", metavar="DIR", type=Path, help="the folder of the demonstration corpus")
    run.add_argument("--threads", metavar="N", type=positive, help="by default the physical cores")
    run.add_argument(
        "--require",
        metavar="SPLIT=FRACTION",
        type=_requirement,
        action="append",
        default=[],
        help="exit with 1 if the accuracy of this split is below the fraction, such as trained=0.95; repeatable",
    )
    run.add_argument("--fresh", action="store_true", help="discard earlier results in DIR instead of going on")
    run.add_argument("--json", action="store_true", help="print the score card as one JSON object")
    run.set_defaults(command=_run)


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
    from evaluation.demo.score_card import card_path, shortfalls, table

    task = _task(options.task, options.corpus)
    required = dict(options.require)
    known = [split.name for split in task.splits]
    if unknown := [name for name in required if name not in known]:
        raise InputError(f"{task.name} has no split {unknown[0]}; it has {', '.join(known)}.")
    card = _score(task, options.lang, options)
    if options.json:
        import msgspec

        print_json(msgspec.to_builtins(card))
    else:
        print(table(card))
        print(f"\nScore card: {card_path(options.out)}")
    if failed := shortfalls(card, required):
        raise CheckRefused(" ".join(failed))


def _task(name: str, corpus: Path | None) -> Task:
    from evaluation.demo.facts import DemoTask, default_corpus_folder, read_corpus

    assert name in TASKS
    return DemoTask(read_corpus(corpus or default_corpus_folder()))


def _score(task: Task, language: Language, options: argparse.Namespace) -> ScoreCard:
    from app.core.engine.client import EngineClient
    from evaluation.demo.results import ResultFile, RunIdentity
    from evaluation.demo.runner import results_path
    from evaluation.demo.score_card import ScoredModel, ScoringEngine, card_path, score_card, write_card

    sha256 = _sha256(options.model)
    with EngineClient() as engine:
        hello = engine.start()
        identity = RunIdentity(
            model_sha256=sha256,
            task=task.name,
            language=language,
            max_tokens=task.max_tokens,
            llama_cpp_commit=hello.llama_cpp_commit,
        )
        file = ResultFile(results_path(options.out), identity)
        if not options.fresh:
            file.read()  # Refuse another run's folder before a large model is loaded.
        model = engine.load(options.model, threads=options.threads)
        if options.fresh:
            file.remove()
        # A card of earlier answers must not stand beside those that come now.
        card_path(options.out).unlink(missing_ok=True)
        results = _ask_all(engine, task, language, file, options.out)
    card = score_card(
        task,
        language,
        ScoredModel(file=options.model.name, sha256=sha256, description=model.description),
        ScoringEngine(llama_cpp_commit=hello.llama_cpp_commit, llama_cpp_python=hello.llama_cpp_python),
        results,
    )
    write_card(card_path(options.out), card)
    return card


def _sha256(model: Path) -> str:
    from app.core.files import sha256_file

    with progress("reading the file", model.stat().st_size, "B") as advance:
        return sha256_file(model, advance)


def _ask_all(
    engine: EngineClient, task: Task, language: Language, file: ResultFile, folder: Path
) -> tuple[Result, ...]:
    from evaluation.demo.runner import engine_ask, run

    total = len(task.items(language))
    try:
        with progress(f"{task.name} {language}", total) as advance:
            return run(task, language, file, engine_ask(engine, task.max_tokens), lambda: advance(1))
    except (KeyboardInterrupt, UserFacingError):
        print(f"The answers so far are kept in {folder}; the same command goes on from there.", file=sys.stderr)
        raise
