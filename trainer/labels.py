"""Which tokens of a conversation are learned: the assistant's, with the token that ends each answer.

An answer follows exactly the prompt that the application asks with: the same template, the same treatment of a system
turn that the template refuses, text composed and free of control tokens (`app.core.engine.prompt`). A template that
writes earlier turns differently once another follows (Qwen3 and others leave out earlier thinking) gives one example
for each answer; with any other, all answers of a conversation are learned in one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.core.engine.protocol import Turn
from app.core.errors import InputError
from trainer.rendering import Renderer, Tokenizer

IGNORED = -100
"""The label that the loss leaves out (PyTorch's cross entropy)."""


@dataclass(frozen=True)
class Example:
    """`input_ids` and `labels`, equally long; `labels[i]` is the token at i itself, or IGNORED."""

    input_ids: list[int]
    labels: list[int]


@dataclass(frozen=True)
class Labelled:
    """What there is to learn from one conversation; `left_out` answers do not fit, and are learned nowhere."""

    examples: tuple[Example, ...]
    left_out: int


class Labeller:
    """Examples of at most `max_length` tokens from conversations, in the words of the tokenizer's chat template."""

    def __init__(self, tokenizer: Tokenizer, max_length: int) -> None:
        self._tokenizer, self._max_length = tokenizer, max_length
        self._render = Renderer(tokenizer)
        # `all_special_ids` names only those with a role; Llama 3's <|eot_id|> is special without one.
        self._control = {*tokenizer.all_special_ids, *self._render.control}

    def __call__(self, messages: Sequence[dict[str, str]]) -> Labelled:
        """Raises InputError for a template with which an answer cannot be learned as it is asked for."""
        turns = [self._render.turn(message["role"], message["content"]) for message in messages]
        done: list[Example] = []
        current: Example | None = None
        answers = [position for position, turn in enumerate(turns) if turn.role == "assistant"]
        for number, position in enumerate(answers):
            prompt, answer, text = self._prompt_and_answer(turns[: position + 1])
            if len(prompt) + len(answer) > self._max_length:
                return Labelled(tuple(done if current is None else [*done, current]), len(answers) - number)
            if current is not None and prompt[: len(current.input_ids)] != current.input_ids:
                done.append(current)
                current = None
            known = current.labels if current is not None else []
            labels = [*known, *[IGNORED] * (len(prompt) - len(known)), *self._learned(answer, text)]
            current = Example(input_ids=[*prompt, *answer], labels=labels)
        return Labelled(tuple(done if current is None else [*done, current]), 0)

    def _prompt_and_answer(self, turns: Sequence[Turn]) -> tuple[list[int], list[int], str]:
        """The tokens that a model is asked with, those that follow up to the end of the answer's turn, their text."""
        prompt_text = self._render(turns[:-1], answered=False)
        whole_text = self._render(turns, answered=True)
        if not whole_text.startswith(prompt_text):
            raise InputError(
                "the chat template is not prefix-stable: rendering an answer changes what stands before it, so a model "
                "trained with it would never see the prompt it is asked with; choose a base with another template."
            )
        prompt, whole, text = self._tokens(prompt_text), self._tokens(whole_text), whole_text[len(prompt_text) :]
        if whole[: len(prompt)] == prompt:
            return prompt, whole[len(prompt) :], text
        # One token would reach from the prompt into the answer. A model that is asked has the prompt's own tokens.
        answer = self._tokens(text)
        if self._tokenizer.decode([*prompt, *answer]) != self._tokenizer.decode(whole):
            raise InputError(
                "an answer cannot be told from its prompt, since a token reaches over the boundary; remove what stands "
                "before its first word."
            )
        return prompt, answer, text

    def _learned(self, answer: list[int], text: str) -> list[int]:
        """The labels of an answer: up to the token that ends the turn. What a template puts after it, such as a line
        break or the end of the text, is not said by the model, which has stopped by then."""
        behind, text = 0, text.rstrip()
        while end := next((token for token in self._render.control.values() if text.endswith(token)), None):
            behind, text = behind + 1, text.removesuffix(end).rstrip()
        controls = [position for position, token in enumerate(answer, 1) if token in self._control]
        if not 0 < behind <= len(controls):
            raise InputError(
                "the chat template puts no control token behind an answer, so a model trained with it would not know "
                "when to stop; choose a base whose tokenizer has the template's end of turn."
            )
        learned = controls[-behind]
        return [*answer[:learned], *[IGNORED] * (len(answer) - learned)]

    def _tokens(self, text: str) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])
