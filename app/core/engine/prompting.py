"""From a request to the tokens of its prompt, for one loaded model."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from app.core.engine import prompt
from app.core.engine.confinement import memory_limit
from app.core.engine.protocol import Conversation, Encoded, Failed, Generate, Turn
from app.core.engine.refusal import Refusal

if TYPE_CHECKING:
    from app.core.engine.llama import Model

TEMPLATE_SECONDS = 5.0
TEMPLATE_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True)
class Prompt:
    tokens: list[int]
    dropped_messages: int
    """Oldest messages that were left out to make it fit."""


class Prompter:
    """Writes prompts with the model file's chat template, and remembers what the previous one left out.

    Args:
        template: the template's source, as the file has it.
        abandon: reports a failure and ends the process, for a template that does not return.
    """

    def __init__(self, model: Model, template: str | None, abandon: Callable[[Failed], None]) -> None:
        self._model, self._source, self._abandon = model, template, abandon
        self._template: prompt.ChatTemplate | None = None
        self._control_tokens: list[str] | None = None
        self._previous: tuple[Turn, ...] = ()
        self._dropped = 0

    def prompt(self, request: Generate) -> Prompt:
        """Raises Refusal: nothing was asked, the template fails, or the question does not fit the context."""
        if request.prompt is not None:
            return self._continued(request.prompt)
        messages = tuple(self._defused(request.messages))
        if not messages or messages[-1].role != "user":
            raise Refusal("bad_request", "The last message of a request must be a question.")
        try:
            return self._fitting(request, messages)
        except prompt.TemplateError as error:
            raise Refusal("bad_template", f"The prompt cannot be written: {error}.") from error

    def encoded(self, request_id: int, conversation: Conversation) -> Encoded:
        """The tokens of a conversation with none and with each of its answers, whatever their number and the day.

        An answer is tokenized together with what precedes it, since tokens may reach over the boundary. Raises Refusal.
        """
        tokens: Callable[[str], list[int]]
        if conversation.prompt is not None:
            text, tokens = conversation.prompt, self._open_ended
        else:
            text = self._rendered(request_id, conversation)

            def tokens(text: str) -> list[int]:
                return self._model.tokenize(text, parse_special=True)

        prompt = tokens(text)
        if not prompt:
            raise Refusal("bad_request", "Nothing was asked.")
        answers = [turn.content for turn in self._defused([Turn("assistant", one) for one in conversation.answers])]
        return Encoded(prompt=tuple(prompt), answers=tuple(tuple(tokens(text + answer)) for answer in answers))

    def _rendered(self, request_id: int, conversation: Conversation) -> str:
        if not conversation.messages or conversation.messages[-1].role != "user":
            raise Refusal("bad_request", "The last message of a request must be a question.")
        try:
            return self._render(request_id, self._defused(conversation.messages), prompt.DAY_OF_TESTS)
        except prompt.TemplateError as error:
            raise Refusal("bad_template", f"The prompt cannot be written: {error}.") from error

    def _open_ended(self, text: str) -> list[int]:
        """A text that goes on: with what the model puts before every text, without what it puts behind it."""
        tokens = self._model.tokenize(text, parse_special=True, add_special=True)
        if self._model.adds_end:
            tokens.pop()
        return tokens

    def _continued(self, text: str) -> Prompt:
        tokens = self._open_ended(text)
        if not tokens:
            raise Refusal("bad_request", "Nothing was asked.")
        if len(tokens) >= self._model.context_length:
            raise self._too_long(len(tokens))
        return Prompt(tokens, 0)

    def _fitting(self, request: Generate, messages: tuple[Turn, ...]) -> Prompt:
        context = self._model.context_length
        room = context - min(request.max_tokens, context // 4) - 1
        at_least = self._dropped if messages[: len(self._previous)] == self._previous else 0

        def tokens_of(turns: Sequence[Turn]) -> list[int]:
            return self._model.tokenize(self._render(request.id, turns), parse_special=True)

        dropped = prompt.fit(messages, lambda turns: len(tokens_of(turns)), room, at_least)
        if dropped is None:
            raise self._too_long(len(tokens_of(messages[-1:])))
        tokens = tokens_of(prompt.without_oldest(messages, dropped))
        if not tokens:
            raise Refusal("bad_request", "Nothing was asked.")
        self._previous, self._dropped = messages, dropped
        return Prompt(tokens, dropped)

    def _render(self, request_id: int, turns: Sequence[Turn], day: datetime | None = None) -> str:
        # Compiling is limited too: it takes its time and memory for a hostile template.
        try:
            with self._time_limit(request_id), memory_limit(TEMPLATE_BYTES):
                return self._written(turns, day)
        except prompt.TemplateError as error:
            if prompt.is_out_of_memory(error):
                # Other threads may have missed memory meanwhile; a new worker has all it needs.
                sentence = f"The model file's chat template takes more than {TEMPLATE_BYTES // 2**20} MiB of memory."
                self._abandon(Failed(id=request_id, code="bad_template", message=sentence, last=True))
            raise

    def _written(self, turns: Sequence[Turn], day: datetime | None) -> str:
        if self._template is None:
            self._template = prompt.ChatTemplate(self._source, self._model.bos_token, self._model.eos_token)
        try:
            text = self._template.render(turns, day)
        except prompt.TemplateError as error:
            folded = prompt.in_the_question(turns)
            if folded is None or prompt.is_out_of_memory(error):
                raise
            turns, text = folded, self._template.render(folded, day)
        if turns[-1].content.strip() not in text:
            raise prompt.TemplateError("the model file's chat template leaves the question out")
        return text

    def _defused(self, messages: Sequence[Turn]) -> list[Turn]:
        """The turns with composed text, in which nothing stands for a control token."""
        turns = [Turn(turn.role, prompt.composed(turn.content)) for turn in messages]
        # Listing the control tokens of a large vocabulary takes a tenth of a second; most questions need no list.
        if not any(mark in turn.content for turn in turns for mark in "<["):
            return turns
        if self._control_tokens is None:
            self._control_tokens = self._model.control_tokens()
        return [Turn(turn.role, prompt.defuse(turn.content, self._control_tokens)) for turn in turns]

    def _too_long(self, count: int) -> Refusal:
        sentence = (
            f"The question is {count:,} tokens long, and the model's context holds "
            f"{self._model.context_length:,} with its answer. Shorten it."
        )
        return Refusal("prompt_too_long", sentence)

    @contextmanager
    def _time_limit(self, request_id: int) -> Iterator[None]:
        sentence = f"The model file's chat template did not end within {TEMPLATE_SECONDS:g} seconds."
        failure = Failed(id=request_id, code="bad_template", message=sentence, last=True)
        timer = threading.Timer(TEMPLATE_SECONDS, self._abandon, (failure,))
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
