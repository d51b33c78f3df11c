"""The only place that turns a conversation into a prompt: for the window, the commands and the benchmark alike.

The template comes from the model file and is code from outside (CVE-2024-34359), so it runs in jinja2's immutable
sandbox, inside the worker process.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NoReturn

from app.core.engine.protocol import Turn
from app.core.language import Language

if TYPE_CHECKING:
    from jinja2.ext import Extension


DAY_OF_TESTS = datetime(2024, 7, 26)
"""What templates that write the date write where the same questions must give the same answers on every day: what
Llama 3's own template writes by default."""


class TemplateError(Exception):
    """The model file's chat template is missing, does not compile, or refuses this conversation."""


class ChatTemplate:
    """A compiled chat template, with the beginning- and end-of-text tokens that templates refer to."""

    def __init__(self, source: str | None, bos_token: str = "", eos_token: str = "") -> None:
        """Raises TemplateError if there is no template or it is not one."""
        if not source:
            raise TemplateError("the model file has no chat template")
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        # As transformers has it in apply_chat_template, so that the prompts are the same.
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True,
            lstrip_blocks=True,
            optimized=False,
            extensions=["jinja2.ext.loopcontrols", _generation_block()],
        )
        environment.globals["raise_exception"] = _refuse
        environment.globals["strftime_now"] = _now
        environment.filters["tojson"] = _json  # jinja2's own escapes what is special in HTML
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
        try:
            return self._template.render(
                messages=turns, tools=None, documents=None, add_generation_prompt=not answered, **clock, **self._tokens
            )
        except Exception as error:
            # Its message may quote the conversation, and this one may reach a log.
            raise TemplateError(f"the model file's chat template failed ({type(error).__name__})") from error


def _refuse(message: str) -> NoReturn:
    raise TemplateError(message)


def _now(form: str) -> str:
    return datetime.now().strftime(form)


def _json(value: object, **options: Any) -> str:
    return json.dumps(value, **{"ensure_ascii": False, **options})


def _generation_block() -> type[Extension]:
    """`{% generation %}` marks what the assistant says, for training. It writes what is inside it."""
    from jinja2.ext import Extension
    from jinja2.nodes import Node, Scope
    from jinja2.parser import Parser

    class GenerationBlock(Extension):
        tags = {"generation"}  # noqa: RUF012 - as jinja2 declares it

        def parse(self, parser: Parser) -> Node:
            line = next(parser.stream).lineno
            return Scope(parser.parse_statements(("name:endgeneration",), drop_needle=True), lineno=line)

    return GenerationBlock


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
