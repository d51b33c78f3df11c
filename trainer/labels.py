"""Which tokens of a conversation are learned: the assistant's, with the token that ends each answer.

Works for every chat template that is prefix-stable: the tokens of a conversation up to an answer are the beginning
of the tokens of the conversation with it. That is checked for each answer, since training on any other template
would teach something else than what is asked for when the model is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from app.core.errors import InputError

IGNORED = -100
"""The label that the loss leaves out (PyTorch's cross entropy)."""


class Tokenizer(Protocol):
    """What is needed of a transformers tokenizer."""

    all_special_ids: list[int]

    def apply_chat_template(self, messages: Any, *, tokenize: bool, add_generation_prompt: bool) -> Any: ...

    def __call__(self, text: str, *, add_special_tokens: bool) -> Any: ...


@dataclass(frozen=True)
class Example:
    """`input_ids` and `labels`, equally long; `labels[i]` is the token at i itself, or IGNORED."""

    input_ids: list[int]
    labels: list[int]


def build_example(messages: Sequence[dict[str, str]], tokenizer: Tokenizer, max_length: int) -> Example | None:
    """The longest beginning of a conversation that ends with an answer and has at most `max_length` tokens.

    None if not even the first answer fits. Raises InputError for a template that is not prefix-stable.
    """
    example: Example | None = None
    labels: list[int] = []
    for position, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        prompt = _tokens(tokenizer, messages[:position], add_generation_prompt=True)
        whole = _tokens(tokenizer, messages[: position + 1], add_generation_prompt=False)
        if whole[: len(prompt)] != prompt or (example and prompt[: len(labels)] != example.input_ids):
            raise InputError(
                "the chat template is not prefix-stable: rendering an answer changes the tokens before it, "
                "so a model trained with it would never see the prompt it is asked with."
            )
        if len(whole) > max_length:
            break
        answer = whole[len(prompt) :]
        learned = _through_last_special(answer, tokenizer.all_special_ids)
        labels = [
            *labels,
            *[IGNORED] * (len(prompt) - len(labels)),
            *answer[:learned],
            *[IGNORED] * (len(answer) - learned),
        ]
        example = Example(input_ids=whole, labels=labels)
    return example


def _through_last_special(answer: list[int], special: Sequence[int]) -> int:
    """Length of `answer` up to the token that ends the turn; the line break that templates put after it is not said
    by the model, which has stopped by then."""
    ends = [position for position, token in enumerate(answer, 1) if token in special]
    return ends[-1] if ends else len(answer)


def _tokens(tokenizer: Tokenizer, messages: Sequence[dict[str, str]], *, add_generation_prompt: bool) -> list[int]:
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=add_generation_prompt)
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])
