"""Asking every item of a task, one user turn each, and keeping every answer as it comes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from app.core.engine.client import EngineError
from app.core.engine.protocol import Done, Piece, Reading, Sampling, Turn
from app.core.language import Language
from evaluation.demo.results import Result, ResultFile
from evaluation.demo.task import Exercise, Task

GREEDY = Sampling(temperature=0.0)


@dataclass(frozen=True)
class Reply:
    text: str
    finish_reason: Literal["stop", "length", "too_long"]
    completion_tokens: int


Ask = Callable[[str], Reply]
"""From a question to the model's reply."""


class Answers(Protocol):
    """An engine that has loaded the model: an `EngineClient`, or one that questions interrupt."""

    def generate(
        self, messages: Sequence[Turn] = (), *, sampling: Sampling = ..., max_tokens: int = 512
    ) -> Iterator[Reading | Piece | Done]: ...


def engine_ask(engine: Answers, max_tokens: int) -> Ask:
    """Ask the model that `engine` has loaded: greedily, each question as a conversation of its own.

    The worker renders the question with the model file's own template, as it does for the window. A question that is
    too long for the model is an answer it does not have; any other failure of the engine ends the run (EngineError).
    """

    def ask(question: str) -> Reply:
        try:
            return _collect(engine, question, max_tokens)
        except EngineError as error:
            if error.failure.code == "prompt_too_long":
                return Reply("", "too_long", 0)
            raise

    return ask


def _collect(engine: Answers, question: str, max_tokens: int) -> Reply:
    pieces: list[str] = []
    for event in engine.generate((Turn("user", question),), sampling=GREEDY, max_tokens=max_tokens):
        if isinstance(event, Piece):
            pieces.append(event.text)
        elif isinstance(event, Done):
            if event.reason == "cancelled":
                raise KeyboardInterrupt  # Half an answer is no result.
            return Reply("".join(pieces), event.reason, event.completion_tokens)
    raise AssertionError("an answer ends with Done or an exception")


def run(
    task: Task, language: Language, file: ResultFile, ask: Ask, on_result: Callable[[Result], None] = lambda _: None
) -> tuple[Result, ...]:
    """Ask every item that `file` holds no answer to, and return the results of all, in the task's order.

    An earlier answer is kept if its question is still word for word the same; it is judged again, so that all results
    were judged by the same rules. `on_result` is told of each, kept ones included. Raises InputError if `file`
    belongs to another run, and whatever `ask` raises; what was answered until then is in `file`.
    """
    items = task.items(language)
    kept = _kept(task, language, items, file.read())
    file.rewrite(kept[place(item)] for item in items if place(item) in kept)
    results: list[Result] = []
    with file.appending() as append:
        for item in items:
            result = kept.get(place(item))
            if result is None:
                result = _judged(task, language, item, ask(item.question))
                append(result)
            results.append(result)
            on_result(result)
    return tuple(results)


def place(item: Exercise | Result) -> tuple[str, str]:
    """What names an item within its task."""
    return item.split, item.id


def _kept(
    task: Task, language: Language, items: tuple[Exercise, ...], earlier: tuple[Result, ...]
) -> dict[tuple[str, str], Result]:
    answered = {(*place(result), result.question): result for result in earlier}
    kept = {}
    for item in items:
        if result := answered.get((*place(item), item.question)):
            reply = Reply(result.answer, result.finish_reason, result.completion_tokens)
            kept[place(item)] = _judged(task, language, item, reply)
    return kept


def _judged(task: Task, language: Language, item: Exercise, reply: Reply) -> Result:
    verdict = task.evaluate(item, reply.text, language)
    return Result(
        split=item.split,
        id=item.id,
        question=item.question,
        reference=item.reference,
        answer=reply.text,
        finish_reason=reply.finish_reason,
        completion_tokens=reply.completion_tokens,
        right=verdict.right,
        wrong_language=verdict.wrong_language,
    )


def results_path(folder: Path) -> Path:
    return folder / "items.jsonl"
