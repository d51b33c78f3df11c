"""A run of the demonstration task by a model file, up to its score card: what the command and the window do alike."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from app.core.language import Language
from evaluation.demo.results import Result, ResultFile, RunIdentity
from evaluation.demo.runner import Answers, engine_ask, results_path, run
from evaluation.demo.score_card import ScoreCard, ScoredModel, ScoringEngine, card_path, score_card, write_card
from evaluation.demo.task import Task


def result_file(task: Task, language: Language, sha256: str, llama_cpp_commit: str, folder: Path) -> ResultFile:
    identity = RunIdentity(
        model_sha256=sha256,
        task=task.name,
        language=language,
        max_tokens=task.max_tokens,
        llama_cpp_commit=llama_cpp_commit,
    )
    return ResultFile(results_path(folder), identity)


def ask_all(
    task: Task,
    language: Language,
    answers: Answers,
    model: ScoredModel,
    engine: ScoringEngine,
    folder: Path,
    on_result: Callable[[Result], None],
) -> ScoreCard:
    """Ask what the folder's results do not answer yet, and write their score card beside them.

    Raises InputError for results of another run, and whatever `answers` raises; what was answered until then is kept.
    """
    # A card of earlier answers must not stand beside those that come now.
    card_path(folder).unlink(missing_ok=True)
    file = result_file(task, language, model.sha256, engine.llama_cpp_commit, folder)
    results = run(task, language, file, engine_ask(answers, task.max_tokens), on_result)
    card = score_card(task, language, model, engine, results)
    write_card(card_path(folder), card)
    return card
