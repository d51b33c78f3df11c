"""Asking a question: the one flow behind the window and `inro ask`.

The question is saved before it is sent, and every part of the answer before it is shown.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field

from app.core.engine.client import EngineClient, EngineError
from app.core.engine.prompt import language_request
from app.core.engine.protocol import Done, Failed, Piece, Reading, Sampling, Turn
from app.core.history.store import Conversation, HistoryStore, Message, ModelIdentity, State
from app.core.language import Language

SAVE_SECONDS = 0.03
"""Pieces that arrive within this time are saved, and then shown, together."""


@dataclass(frozen=True)
class Options:
    """`language` asks the model to answer in it; by default it answers in the question's own."""

    max_tokens: int = 512
    language: Language | None = None
    sampling: Sampling = field(default_factory=Sampling)


DEFAULT_OPTIONS = Options()


@dataclass(frozen=True)
class QuestionSaved:
    message: Message


@dataclass(frozen=True)
class AnswerStarted:
    message: Message


@dataclass(frozen=True)
class AnswerExtended:
    message_id: str
    text: str


@dataclass(frozen=True)
class AnswerEnded:
    """`message` is the answer as it is saved; `done` has the figures unless the answer failed with `failed`."""

    message: Message
    done: Done | None
    failed: Failed | None


Step = QuestionSaved | AnswerStarted | Reading | AnswerExtended | AnswerEnded


def turns(conversation: Conversation) -> list[Turn]:
    """A conversation as the model is told it, less the questions whose answer failed or came to nothing."""
    told: list[Turn] = []
    question: Turn | None = None
    for message in conversation.messages:
        if message.role == "user":
            question = Turn("user", message.text)
        elif question is not None and message.text and message.state in ("complete", "stopped"):
            told += [question, Turn("assistant", message.text)]
            question = None
    return told


def ask(
    engine: EngineClient,
    store: HistoryStore,
    model: ModelIdentity,
    question: str,
    conversation_id: str | None = None,
    options: Options = DEFAULT_OPTIONS,
) -> Iterator[Step]:
    """Ask in a conversation, or in a new one; ends with `AnswerEnded`, whatever the engine does.

    Raises HistoryError if something cannot be saved; the engine is then stopped, since nothing unsaved is shown.
    """
    before = store.conversation(conversation_id) if conversation_id else None
    saved = store.add_question(conversation_id, question)
    yield QuestionSaved(saved)
    answer = store.begin_answer(saved.conversation_id, model)
    yield AnswerStarted(answer)
    messages = [*(turns(before) if before else []), Turn("user", question)]
    if options.language:
        messages.insert(0, language_request(options.language))
    yield from _answer(engine, store, answer, messages, options)


def _answer(
    engine: EngineClient, store: HistoryStore, answer: Message, messages: list[Turn], options: Options
) -> Iterator[Step]:
    done: Done | None = None
    failed: Failed | None = None
    pending, last_save = "", time.monotonic()
    events = engine.generate(messages, sampling=options.sampling, max_tokens=options.max_tokens)
    try:
        with closing(events):
            for event in events:
                match event:
                    case Reading():
                        yield event
                    case Piece(text=text):
                        pending += text
                        if time.monotonic() - last_save >= SAVE_SECONDS:
                            store.extend_answer(answer.id, pending)
                            extended, pending = pending, ""
                            yield AnswerExtended(answer.id, extended)
                            last_save = time.monotonic()
                    case Done():
                        done = event
    except EngineError as error:
        failed = error.failure
    except (KeyboardInterrupt, GeneratorExit):
        # The person left: what has been written stays, as an answer that was stopped.
        store.extend_answer(answer.id, pending)
        store.end_answer(answer.id, "stopped")
        raise
    if pending:
        store.extend_answer(answer.id, pending)
        yield AnswerExtended(answer.id, pending)
    stopped = done.reason == "cancelled" if done else failed is not None and failed.code == "cancelled"
    state: State = "stopped" if stopped else "complete" if done else "failed"
    message = store.end_answer(
        answer.id,
        state,
        completion_tokens=done.completion_tokens if done else None,
        tokens_per_second=done.tokens_per_second if done else None,
        finish_reason=done.reason if done else None,
        failure=failed.code if failed and not stopped else None,
    )
    yield AnswerEnded(message, done, None if stopped else failed)
