"""`inro ask`: one question, one answer, streamed to the terminal or printed as one JSON object."""

from __future__ import annotations

import argparse
import datetime
import sys
from collections.abc import Callable
from pathlib import Path

from app.core.asking import (
    AnswerEnded,
    AnswerExtended,
    Options,
    ask,
)
from app.core.command import print_json
from app.core.engine.client import EngineClient, EngineError
from app.core.engine.protocol import Sampling
from app.core.errors import ExitCode, InputError
from app.core.history.store import HistoryStore, ModelIdentity
from app.core.limits import MAX_QUESTION_CHARACTERS
from app.core.models.selection import SelectedModel, select
from app.core.paths import user_paths
from app.core.settings import read_settings

_SAMPLED_TEMPERATURE = 0.7


def ask_command(options: argparse.Namespace) -> int:
    question = _question(options.question)
    sampling = Sampling() if options.seed is None else Sampling(temperature=_SAMPLED_TEMPERATURE, seed=options.seed)
    asked = Options(max_tokens=options.max_tokens, language=options.lang, sampling=sampling)
    return answer(options.model, question, asked, as_json=options.json)


def answer(named: Path | None, question: str, options: Options, *, as_json: bool) -> int:
    """Answer one question in a new conversation of the history."""
    paths = user_paths()
    selected = select(named, read_settings(paths.settings), paths)
    store = HistoryStore(paths.history)
    try:
        with EngineClient() as engine:
            engine.load(selected.path)
            ended = _stream(engine, store, selected, question, options, _nothing if as_json else _show)
    finally:
        store.close()
    if ended.failed is not None:
        raise EngineError(ended.failed)
    if as_json:
        print_json(_result(selected, ended))
    else:
        print()
        _explain(selected, ended)
    if (day := selected.expired(datetime.date.today())) is not None:
        print(f"[This model expired on {day}: ask your administrator.]", file=sys.stderr)
    return ExitCode.DONE


def _stream(
    engine: EngineClient,
    store: HistoryStore,
    selected: SelectedModel,
    question: str,
    options: Options,
    show: Callable[[str], None],
) -> AnswerEnded:
    for step in ask(engine, store, ModelIdentity(selected.name, selected.sha256), question, options=options):
        match step:
            case AnswerExtended(text=text):
                show(text)
            case AnswerEnded():
                return step
    raise AssertionError("a question ends with AnswerEnded or an exception")


def _result(selected: SelectedModel, ended: AnswerEnded) -> dict[str, object]:
    done = ended.done
    assert done is not None
    return {
        "answer": ended.message.text,
        "finish_reason": done.reason,
        "model": selected.name,
        "model_sha256": selected.sha256,
        "prompt_tokens": done.prompt_tokens,
        "completion_tokens": done.completion_tokens,
        "time_to_first_token_s": done.time_to_first_token_s,
        "tokens_per_second": done.tokens_per_second,
    }


def _question(argument: str | None) -> str:
    if argument is None or argument == "-":
        if sys.stdin is None or sys.stdin.isatty():
            raise InputError('there is no question. Ask with: inro ask "question", or give it on standard input.')
        raw = sys.stdin.buffer.read(4 * MAX_QUESTION_CHARACTERS + 1)
        try:
            argument = raw.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise InputError("the question on standard input is not UTF-8 text.") from None
    question = argument.strip()
    if not question:
        raise InputError("the question is empty.")
    if not question.isprintable() and any("\ud800" <= character <= "\udfff" for character in question):
        raise InputError("the question is not text that can be written as UTF-8.")
    if len(question) > MAX_QUESTION_CHARACTERS:
        raise InputError(f"the question is longer than {MAX_QUESTION_CHARACTERS:,} characters.")
    return question


def _show(text: str) -> None:
    print(text, end="", flush=True)


def _nothing(_text: str) -> None:
    pass


def _explain(selected: SelectedModel, ended: AnswerEnded) -> None:
    """On stderr, so that the answer alone goes into a pipe."""
    done = ended.done
    speed = f", {done.tokens_per_second:.1f} tokens/s" if done and done.tokens_per_second else ""
    print(f"[{selected.name}{speed}]", file=sys.stderr)
    if done and done.reason == "length":
        print("[The answer was cut at its length limit; --max-tokens allows more.]", file=sys.stderr)
    if selected.demonstration:
        print("[This is a demonstration model: not for clinical use.]", file=sys.stderr)
