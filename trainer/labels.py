"""Which tokens of a conversation are learned: the assistant's, with the token that ends each answer.

An answer follows exactly the prompt that the application asks with: the same template, the same treatment of a system
turn that the template refuses, text composed and free of control tokens (`app.core.engine.prompt`). A template that
writes earlier turns differently once another follows (Qwen3 and others leave out earlier thinking) gives one example
for each answer; with any other, all answers of a conversation are learned in one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from app.core.engine.prompt import composed, defuse, in_the_question
from app.core.engine.protocol import Turn
from app.core.errors import InputError

IGNORED = -100
"""The label that the loss leaves out (PyTorch's cross entropy)."""


class Tokenizer(Protocol):
    """What is needed of a transformers tokenizer."""

    all_special_ids: list[int]
    added_tokens_decoder: dict[int, Any]

    def apply_chat_template(self, messages: Any, *, tokenize: bool, add_generation_prompt: bool) -> Any: ...

    def decode(self, tokens: Any) -> Any: ...

    def __call__(self, text: str, *, add_special_tokens: bool) -> Any: ...


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


class _Refused(Exception):
    """The template raised an error."""


class Labeller:
    """Examples of at most `max_length` tokens from conversations, in the words of the tokenizer's chat template."""

    def __init__(self, tokenizer: Tokenizer, max_length: int) -> None:
        self._tokenizer, self._max_length = tokenizer, max_length
        added = {number: token for number, token in tokenizer.added_tokens_decoder.items() if token.special}
        # `all_special_ids` names only those with a role; Llama 3's <|eot_id|> is special without one.
        self._control = {*tokenizer.all_special_ids, *added}
        self._control_texts = [str(token) for token in added.values() if str(token)]

    def __call__(self, messages: Sequence[dict[str, str]]) -> Labelled:
        """Raises InputError for a template with which an answer cannot be learned as it is asked for."""
        turns = [self._turn(message) for message in messages]
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

    def _turn(self, message: dict[str, str]) -> Turn:
        text = composed(message["content"])
        # Listing hundreds of control tokens for each turn would take longer than tokenizing it.
        if "<" in text or "[" in text:
            text = defuse(text, self._control_texts)
        return Turn(message["role"], text)  # type: ignore[arg-type]  # the roles were checked when the file was read

    def _prompt_and_answer(self, turns: Sequence[Turn]) -> tuple[list[int], list[int], str]:
        """The tokens that a model is asked with, those that follow up to the end of the answer's turn, their text."""
        prompt_text = self._rendered(turns[:-1], prompt=True)
        whole_text = self._rendered(turns, prompt=False)
        if not whole_text.startswith(prompt_text):
            raise InputError(
                "the chat template is not prefix-stable: rendering an answer changes what stands before it "
                f"({prompt_text[-40:]!r}), so a model trained with it would never see the prompt it is asked with; "
                "choose a base with another template."
            )
        prompt, whole, text = self._tokens(prompt_text), self._tokens(whole_text), whole_text[len(prompt_text) :]
        if whole[: len(prompt)] == prompt:
            return prompt, whole[len(prompt) :], text
        # One token would reach from the prompt into the answer. A model that is asked has the prompt's own tokens.
        answer = self._tokens(text)
        if self._tokenizer.decode([*prompt, *answer]) != self._tokenizer.decode(whole):
            raise InputError(
                f"an answer cannot be told from its prompt, since a token reaches over the boundary: "
                f"{text[:40]!r}; remove what stands before its first word."
            )
        return prompt, answer, text

    def _learned(self, answer: list[int], text: str) -> list[int]:
        """The labels of an answer: up to the token that ends the turn. What a template puts after it, such as a line
        break or the end of the text, is not said by the model, which has stopped by then."""
        behind, text = 0, text.rstrip()
        while end := next((token for token in self._control_texts if text.endswith(token)), None):
            behind, text = behind + 1, text.removesuffix(end).rstrip()
        controls = [position for position, token in enumerate(answer, 1) if token in self._control]
        if not 0 < behind <= len(controls):
            raise InputError(
                "the chat template puts no control token behind an answer, so a model trained with it would not know "
                "when to stop; choose a base whose tokenizer has the template's end of turn."
            )
        learned = controls[-behind]
        return [*answer[:learned], *[IGNORED] * (len(answer) - learned)]

    def _rendered(self, turns: Sequence[Turn], *, prompt: bool) -> str:
        try:
            return self._render(turns, prompt=prompt)
        except _Refused as refused:
            folded = in_the_question(turns)
            if folded is None:
                raise InputError(f"the base's chat template refuses a conversation ({refused}).") from refused
        try:
            return self._render(folded, prompt=prompt)
        except _Refused as refused:
            raise InputError(f"the base's chat template refuses a conversation ({refused}).") from refused

    def _render(self, turns: Sequence[Turn], *, prompt: bool) -> str:
        messages = [{"role": turn.role, "content": turn.content} for turn in turns]
        try:
            return str(self._tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=prompt))
        except Exception as error:  # a template is code from outside, and may raise anything
            raise _Refused(" ".join(str(error).split())[:200]) from error

    def _tokens(self, text: str) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])
