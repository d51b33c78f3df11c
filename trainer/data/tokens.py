"""A document as the tokens that a model reads in full-parameter training."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from trainer.data.documents import Document, as_messages
from trainer.rendering import Renderer


class DocumentTokens:
    """With the marks that the tokenizer puts before a text, and after one; a conversation in its chat template."""

    def __init__(self, tokenizer: Any) -> None:
        from trainer.tokenizer import document_beginning, document_end

        self._tokenizer = tokenizer
        self._beginning, self._end = document_beginning(tokenizer), document_end(tokenizer)

    def __call__(self, document: Document) -> list[int]:
        """Raises InputError for a conversation that the template refuses."""
        if document.text is not None:
            # A text is words only: "<|im_end|>" written in it is not the end of a turn.
            text = self._tokenizer(document.text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
            return [*self._beginning, *text, self._end]
        return [*self._tokenizer(self.rendered(document), add_special_tokens=False)["input_ids"], self._end]

    def rendered(self, document: Document) -> str:
        """A conversation in the tokenizer's chat template. Raises InputError where the template refuses it."""
        turns = [self._renderer.turn(message["role"], message["content"]) for message in as_messages(document)]
        return self._renderer(turns, answered=True)

    @cached_property
    def _renderer(self) -> Renderer:
        return Renderer(self._tokenizer)
