"""`inro-eval run --task demo`: texts that are judged by their words, beside the benchmarks' choices."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from app.core.command import print_json
from app.core.errors import CheckRefused, InputError, UserFacingError
from evaluation.commands.common import progress

if TYPE_CHECKING:
    from app.core.engine.client import EngineClient
    from app.core.language import Language
    from evaluation.demo.score_card import ScoreCard, ScoredModel, ScoringEngine
    from evaluation.demo.task import Task


def run_demo(options: argparse.Namespace) -> None:
    """Ask the demonstration task's questions; `options` are those of `inro-eval run`."""
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

    assert name == "demo"
    return DemoTask(read_corpus(corpus or default_corpus_folder()))


def _score(task: Task, language: Language, options: argparse.Namespace) -> ScoreCard:
    from app.core.engine.client import EngineClient
    from evaluation.demo.results import refuse_earlier
    from evaluation.demo.runner import results_path
    from evaluation.demo.score_card import ScoredModel, ScoringEngine, card_path
    from evaluation.demo.scored import result_file

    if not options.resume and not options.fresh:
        refuse_earlier(results_path(options.out), card_path(options.out))
    sha256 = _sha256(options.model)
    with EngineClient() as engine:
        hello = engine.start()
        file = result_file(task, language, sha256, hello.llama_cpp_commit, options.out)
        if not options.fresh:
            file.read()  # Refuse another run's folder before a large model is loaded.
        model = engine.load(options.model, threads=options.threads)
        if options.fresh:
            file.remove()
        scored = ScoredModel(file=options.model.name, sha256=sha256, description=model.description)
        build = ScoringEngine(llama_cpp_commit=hello.llama_cpp_commit, llama_cpp_python=hello.llama_cpp_python)
        return _ask_all(engine, task, language, scored, build, options.out)


def _sha256(model: Path) -> str:
    from app.core.files import sha256_file

    with progress("reading the file", model.stat().st_size, "B") as advance:
        return sha256_file(model, advance)


def _ask_all(
    answers: EngineClient, task: Task, language: Language, model: ScoredModel, engine: ScoringEngine, folder: Path
) -> ScoreCard:
    from evaluation.demo.scored import ask_all

    total = len(task.items(language))
    try:
        with progress(f"{task.name} {language}", total) as advance:
            return ask_all(task, language, answers, model, engine, folder, lambda _: advance(1))
    except (KeyboardInterrupt, UserFacingError):
        print(f"The answers so far are kept in {folder}; add --resume to go on from there.", file=sys.stderr)
        raise
