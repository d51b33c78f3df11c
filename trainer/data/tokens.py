"""A document as the tokens that a model reads in full-parameter training."""

from __future__ import annotations

from typing import Any

from app.core.errors import InputError
from trainer.data.documents import Document, as_messages


def tokens_of(document: Document, tokenizer: Any) -> list[int]:
    """With the marks that the tokenizer puts before a text, and after one; a conversation in its chat template.

    Raises InputError for a conversation that the template refuses.
    """
    from trainer.tokenizer import document_beginning, document_end

    if document.text is not None:
        # A text is words only: "<|im_end|>" written in it is not the end of a turn.
        text = tokenizer(document.text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        return [*document_beginning(tokenizer), *text, document_end(tokenizer)]
    return [*tokenizer(rendered(document, tokenizer), add_special_tokens=False)["input_ids"], document_end(tokenizer)]


def rendered(document: Document, tokenizer: Any) -> str:
    """A conversation in the tokenizer's chat template. Raises InputError where the template refuses it."""
    if not tokenizer.chat_template:
        raise InputError("the base has no chat template, so conversations cannot be rendered for it.")
    try:
        return str(tokenizer.apply_chat_template(as_messages(document), tokenize=False))
    except Exception as error:  # a template is code from outside, and may raise anything
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"the base's chat template refuses a conversation ({reason}).") from error
