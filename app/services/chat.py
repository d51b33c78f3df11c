"""Conversations as the window sees them: what was asked, what is being answered, what was saved."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from app.core.history.store import (
    Conversation,
    ConversationSummary,
    HistoryError,
    HistoryStore,
    Message,
    ModelIdentity,
)
from app.core.limits import MAX_QUESTION_CHARACTERS

if TYPE_CHECKING:
    from app.core.asking import Options
    from app.core.engine.client import EngineClient
    from app.core.engine.protocol import Failed

_CANCEL_EVERY_SECONDS = 0.1


class ChatService(QObject):
    """Asks in a thread and tells what happens by signals; nothing is told before it is saved.

    Args:
        engine: gives the client that the inference service loads the model with.
        identity: the model that answers, as it is recorded.
    """

    conversation_opened = Signal(object)
    question_saved = Signal(object)
    answer_started = Signal(object)
    reading = Signal(int, int)
    answer_extended = Signal(str, str)
    answer_finished = Signal(object)
    conversations_changed = Signal()
    failed = Signal(str)

    _told = Signal(int, object)
    _ended = Signal(int, str)

    def __init__(
        self,
        engine: Callable[[], EngineClient],
        store: HistoryStore,
        identity: Callable[[], ModelIdentity],
        options: Options | None = None,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._engine, self._store, self._identity, self._options = engine, store, identity, options
        self._conversation_id: str | None = None
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._run_number = 0
        self.last_failure: Failed | None = None
        """Why the last answer failed, with its numbers."""
        self._told.connect(self._on_told)
        self._ended.connect(self._on_end)

    @property
    def busy(self) -> bool:
        return self._thread is not None

    @property
    def conversation_id(self) -> str | None:
        return self._conversation_id

    def ask(self, text: str) -> None:
        """Ask in the open conversation, or in a new one.

        Ignored while an answer is being written, and for a question of more than MAX_QUESTION_CHARACTERS, which the
        view refuses with a reason.
        """
        question = text.strip()
        if self.busy or not question or len(question) > MAX_QUESTION_CHARACTERS:
            return
        self._stopping = False
        arguments = (self._run_number, question, self._conversation_id)
        self._thread = threading.Thread(target=self._run, args=arguments, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        if self.busy:
            self._stopping = True
            self._engine().cancel()

    def new_conversation(self) -> None:
        self._leave()
        self._conversation_id = None
        self.conversation_opened.emit(Conversation("", "", ()))

    def open_conversation(self, conversation_id: str) -> None:
        self._leave()
        try:
            conversation = self._store.conversation(conversation_id)
        except HistoryError as error:
            self.failed.emit(str(error))
            return
        if conversation is None:
            return
        self._conversation_id = conversation_id
        # No answer is being written now: one that is still marked so belongs to a run that was ended.
        messages = tuple(replace(m, state="stopped") if m.state == "streaming" else m for m in conversation.messages)
        self.conversation_opened.emit(replace(conversation, messages=messages))

    def conversations(self) -> list[ConversationSummary]:
        try:
            return self._store.conversations()
        except HistoryError as error:
            self.failed.emit(str(error))
            return []

    def close(self) -> None:
        """Stop an answer that is being written; what it has is saved."""
        self._leave()

    def _leave(self) -> None:
        """An answer goes with its conversation: it is stopped and saved before another one opens."""
        if (thread := self._thread) is not None:
            while thread.is_alive():
                # Again and again: a cancel finds nothing while the engine is between two requests.
                self.stop()
                thread.join(_CANCEL_EVERY_SECONDS)
            self._thread = None
            self._run_number += 1  # What the thread has told and nobody has heard yet is of the past.

    def _run(self, number: int, question: str, conversation_id: str | None) -> None:
        """In a thread: ask, and have the window's thread tell each step."""
        failure = ""
        try:
            for tell in self._steps(question, conversation_id):
                self._told.emit(number, tell)
                if self._stopping:
                    # A stop pressed before the engine had the request found nothing to cancel.
                    self._engine().cancel()
        except HistoryError as error:
            failure = str(error)
        except BaseException as error:
            failure = f"Inro has a fault ({type(error).__name__}); what was written so far is saved."
            raise
        finally:
            self._ended.emit(number, failure)

    def _steps(self, question: str, conversation_id: str | None) -> Iterator[Callable[[], None]]:
        # Imported here, in the thread: the window can be typed in before the engine's modules are read.
        from app.core import asking
        from app.core.engine.protocol import Reading

        options = self._options or asking.DEFAULT_OPTIONS
        steps = asking.ask(self._engine(), self._store, self._identity(), question, conversation_id, options)
        for step in steps:
            match step:
                case asking.QuestionSaved(message=message):
                    yield partial(self._tell_saved, message)
                case asking.AnswerStarted(message=message):
                    yield partial(self.answer_started.emit, message)
                case Reading(done_tokens=done, total_tokens=total):
                    yield partial(self.reading.emit, done, total)
                case asking.AnswerExtended(message_id=message_id, text=text):
                    yield partial(self.answer_extended.emit, message_id, text)
                case asking.AnswerEnded(message=message, failed=failed):
                    yield partial(self._finish, message, failed)

    def _on_told(self, number: int, tell: Callable[[], None]) -> None:
        if number == self._run_number:
            tell()

    def _tell_saved(self, question: Message) -> None:
        self._conversation_id = question.conversation_id
        self.question_saved.emit(question)
        self.conversations_changed.emit()

    def _finish(self, message: Message, failed: Failed | None) -> None:
        self.last_failure = failed
        self._thread, self._run_number = None, self._run_number + 1
        self.answer_finished.emit(message)

    def _on_end(self, number: int, failure: str) -> None:
        if number == self._run_number:
            self._thread, self._run_number = None, self._run_number + 1
        if failure:
            self.failed.emit(failure)
