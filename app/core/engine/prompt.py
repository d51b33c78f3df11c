"""The only place that turns a conversation into a prompt: for the window, the commands and the benchmark alike.

The template comes from the model file and is code from outside (CVE-2024-34359), so it runs in a sandbox, inside the
worker process.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NoReturn

from app.core.engine.protocol import Turn
from app.core.language import Language

MAX_ADDED_CHARACTERS = 2**21
"""What a template may write beyond twice the conversation itself; twice the longest template."""

DAY_OF_TESTS = datetime(2024, 7, 26)
"""What templates that write the date write where the same questions must give the same answers on every day: what
Llama 3's own template writes by default."""


class TemplateError(Exception):
    """The model file's chat template is missing, does not compile, or refuses this conversation."""


class TooMuchWritten(TemplateError):
    """The template writes more than a prompt can be."""

    def __init__(self) -> None:
        super().__init__(f"the model file's chat template writes more than {MAX_ADDED_CHARACTERS:,} characters")


def is_out_of_memory(error: TemplateError) -> bool:
    return isinstance(error.__cause__, MemoryError)


class ChatTemplate:
    """A compiled chat template, with the beginning- and end-of-text tokens that templates refer to."""

    def __init__(self, source: str | None, bos_token: str = "", eos_token: str = "") -> None:
        """Raises TemplateError if there is no template or it is not one."""
        if not source:
            raise TemplateError("the model file has no chat template")
        from app.core.engine.sandbox import Sandbox

        environment = Sandbox()
        environment.globals["raise_exception"] = _refuse
        self._tokens = {"bos_token": bos_token, "eos_token": eos_token}
        try:
            self._template = environment.from_string(source)
        except Exception as error:  # code from outside may raise anything, here and in `render`
            raise TemplateError(f"the model file's chat template cannot be used ({type(error).__name__})") from error

    def render(self, messages: Sequence[Turn], day: datetime | None = None, *, answered: bool = False) -> str:
        """The prompt up to where the assistant's answer begins; `answered`, a conversation to its end, for training.

        Some templates write the date into the prompt: that of `day`, or of today. Raises TemplateError.
        """
        clock = {"strftime_now": day.strftime} if day else {}
        turns = [{"role": turn.role, "content": turn.content} for turn in messages]
        room = MAX_ADDED_CHARACTERS + 2 * sum(len(turn.content) for turn in messages)
        pieces: list[str] = []
        try:
            for piece in self._template.generate(
                messages=turns, tools=None, documents=None, add_generation_prompt=not answered, **clock, **self._tokens
            ):
                room -= len(piece)
                if room < 0:
                    break
                pieces.append(piece)
        except Exception as error:
            # Its message may quote the conversation, and this one may reach a log.
            raise TemplateError(f"the model file's chat template failed ({type(error).__name__})") from error
        if room < 0:
            raise TooMuchWritten
        text = "".join(pieces)
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise TemplateError("the model file's chat template writes what is no text") from error
        return text


def _refuse(message: str) -> NoReturn:
    raise TemplateError(message)


def in_the_question(messages: Sequence[Turn]) -> list[Turn] | None:
    """`messages` with the system turn as the beginning of the first question, for a template that has no system turn.

    None where there is no system turn before a question.
    """
    if [turn.role for turn in messages[:2]] != ["system", "user"]:
        return None
    system, question = messages[:2]
    return [Turn("user", f"{system.content}\n\n{question.content}"), *messages[2:]]


def language_request(language: Language) -> Turn:
    """The system turn that asks for answers in a language."""
    return Turn("system", {"ja": "日本語で答えてください。", "en": "Answer in English."}[language])


def composed(text: str) -> str:
    """Unicode's composed form (NFC): what tokenizers are trained on, and llama.cpp does not do by itself.

    Some input methods and files from macOS write が as か and a voicing mark; the model would not know it as が.
    """
    return unicodedata.normalize("NFC", text)


def defuse(text: str, control_tokens: Sequence[str]) -> str:
    """Break up what looks like a control token in text from a person, so that it cannot end or forge a turn."""
    for token in control_tokens:
        if token in text:
            text = text.replace(token, token[0] + " " + token[1:])
    return text


def without_oldest(messages: Sequence[Turn], count: int) -> list[Turn]:
    """`messages` less the first `count` after a system message; what remains then begins with a question."""
    system = [turn for turn in messages[:1] if turn.role == "system"]
    return system + list(messages[len(system) + count :])


def droppable(messages: Sequence[Turn]) -> list[int]:
    """How many of the oldest messages can be left out, in ascending order: each count leaves a question first."""
    body = messages[1:] if messages and messages[0].role == "system" else messages
    return [index for index, turn in enumerate(body) if turn.role == "user"]


def fit(messages: Sequence[Turn], length: Callable[[Sequence[Turn]], int], room: int, at_least: int = 0) -> int | None:
    """How many of the oldest messages to leave out so that `length` tokens fit into `room`; None if none is enough.

    `at_least` is what the previous request of the same conversation left out: keeping to it as long as it fits means
    that its tokens are found in the cache again. When more must go, the conversation shrinks to about half the room,
    so that this happens once in several turns rather than at each.
    """
    counts = droppable(messages)
    if at_least in counts:
        counts = counts[counts.index(at_least) :]
    if not counts:
        return None
    first, *more = counts
    if length(without_oldest(messages, first)) <= room:
        return first
    for count in more:
        if length(without_oldest(messages, count)) <= room // 2:
            return count
    last = counts[-1]
    return last if length(without_oldest(messages, last)) <= room else None
