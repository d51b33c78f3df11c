"""Conversations in the words of a base's chat template, by the renderer of the application: what is trained is what is
asked. Text is composed (NFC) and free of control tokens, a system turn that the template refuses stands before the
first question, and a template that writes the date writes the same on every day, so that a resumed run reads what the
first one read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from app.core.engine.prompt import DAY_OF_TESTS, ChatTemplate, TemplateError, composed, defuse, in_the_question
from app.core.engine.protocol import Turn
from app.core.errors import InputError


class Tokenizer(Protocol):
    """What is needed of a transformers tokenizer."""

    all_special_ids: list[int]
    added_tokens_decoder: dict[int, Any]
    bos_token: str | None
    eos_token: str | None
    chat_template: Any

    def get_chat_template(self) -> str: ...

    def decode(self, tokens: Any) -> Any: ...

    def __call__(self, text: str, *, add_special_tokens: bool) -> Any: ...


class Renderer:
    """Raises InputError for a tokenizer without a chat template, or with one that is none."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        if not tokenizer.chat_template:
            raise InputError("the base has no chat template, so conversations cannot be rendered for it.")
        added = tokenizer.added_tokens_decoder.items()
        self.control = {number: str(token) for number, token in added if token.special and str(token)}
        try:
            self._template = ChatTemplate(
                tokenizer.get_chat_template(), tokenizer.bos_token or "", tokenizer.eos_token or ""
            )
        except (TemplateError, ValueError) as error:
            raise InputError("the base's chat template cannot be used.") from error

    def turn(self, role: str, content: str) -> Turn:
        text = composed(content)
        # Listing hundreds of control tokens for each turn would take longer than tokenizing it.
        if "<" in text or "[" in text:
            text = defuse(text, list(self.control.values()))
        return Turn(role, text)  # type: ignore[arg-type]  # the roles were checked when the file was read

    def __call__(self, turns: Sequence[Turn], *, answered: bool) -> str:
        """Up to where an answer begins, or `answered`, to the end. Raises InputError where the template refuses."""
        try:
            return self._template.render(turns, DAY_OF_TESTS, answered=answered)
        except TemplateError as error:
            folded, refused = in_the_question(turns), error
        if folded is not None:
            try:
                return self._template.render(folded, DAY_OF_TESTS, answered=answered)
            except TemplateError as error:
                refused = error
        raise InputError(f"the base's chat template refuses a conversation ({_said(refused)}).") from refused


def _said(refused: TemplateError) -> str:
    """What the template itself said by its `raise_exception`, or the kind of error."""
    cause = refused.__cause__
    said = str(cause) if isinstance(cause, TemplateError) else type(cause).__name__
    return " ".join(said.split())[:200]
