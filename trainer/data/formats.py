"""The forms in which people keep instruction records, each turned into the one form that is trained on.

| format | one record |
|---|---|
| alpaca | `instruction`, `input`, `output`; also `system` and `history` (pairs), as LLaMA-Factory reads them |
| messages | `messages`: turns with `role` and `content`, as OpenAI's and TRL's data |
| sharegpt | `conversations`: turns with `from` and `value`; also `system` |
| completion | `prompt` and `completion`: two texts, or two lists of messages (TRL's prompt-completion) |
| items | a question of `inro-eval`'s own layout: `problem_text`, `choices`, `answer` |
| text | `text` |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeVar

import msgspec

from trainer.data.documents import Document, Format, Message

FaultKind = Literal["malformed", "empty", "unanswered", "mixed"]

_KEYS: dict[Format, tuple[str, ...]] = {
    "alpaca": ("instruction", "output"),
    "messages": ("messages",),
    "sharegpt": ("conversations",),
    "completion": ("prompt", "completion"),
    "items": ("problem_text", "choices"),
    "text": ("text",),
}
"""What every record of a format has; other fields (ids, sources) may stand beside them."""

_SPEAKERS = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "chatgpt": "assistant",
    "model": "assistant",
    "system": "system",
}

T = TypeVar("T")


class Unusable(ValueError):
    """A record that cannot be trained on. The message is the end of a sentence, and holds nothing of the record."""

    def __init__(self, what: str, kind: FaultKind = "malformed") -> None:
        super().__init__(what)
        self.kind: FaultKind = kind


class LeftOut(ValueError):
    """A sound record that is not trained on. The message is the reason, the same for all records it applies to."""


class _Alpaca(msgspec.Struct, frozen=True):
    instruction: str
    output: str
    input: str | None = None
    system: str | None = None
    history: list[tuple[str, str]] | None = None


class _Messages(msgspec.Struct, frozen=True):
    messages: list[Message]


class _Turn(msgspec.Struct, frozen=True):
    speaker: str = msgspec.field(name="from")
    value: str


class _ShareGpt(msgspec.Struct, frozen=True):
    conversations: list[_Turn]
    system: str | None = None


class _Completion(msgspec.Struct, frozen=True):
    prompt: str | list[Message]
    completion: str | list[Message]


class _Text(msgspec.Struct, frozen=True):
    text: str


def detected(value: Mapping[str, Any]) -> Format:
    """The format whose keys a record has. Raises Unusable where it has those of none, or of several."""
    found = [name for name, keys in _KEYS.items() if all(value.get(key) is not None for key in keys)]
    if not found:
        known = "; ".join(" and ".join(keys) for keys in _KEYS.values())
        raise Unusable(f"it has the keys of no known format ({known})")
    if len(found) > 1:
        raise Unusable(f"it has the keys of {' and of '.join(found)}; name one of them in formats")
    return found[0]


def converted(value: Mapping[str, Any], kind: Format, from_item: Callable[[Any], Document]) -> Document:
    """A record as what is trained on; `from_item` puts a question of `items` into words.

    Raises Unusable, or LeftOut.
    """
    document = from_item(value) if kind == "items" else _CONVERTERS[kind](value)
    _check(document)
    return document


def _alpaca(value: Any) -> Document:
    record = _as(value, _Alpaca)
    # The task and its material, a line apart, as LLaMA-Factory joins them.
    question = "\n".join(part for part in (record.instruction, record.input or "") if part)
    turns = [turn for pair in record.history or () for turn in _exchange(*pair)]
    return Document(messages=(*_system(record.system), *turns, *_exchange(question, record.output)))


def _messages(value: Any) -> Document:
    return Document(messages=tuple(_as(value, _Messages).messages))


def _sharegpt(value: Any) -> Document:
    record = _as(value, _ShareGpt)
    turns = []
    for number, turn in enumerate(record.conversations, 1):
        role = _SPEAKERS.get(turn.speaker)
        if role is None:
            raise Unusable(f"its turn {number} is from none of {', '.join(_SPEAKERS)}")
        turns.append(Message(role, turn.value))  # type: ignore[arg-type]  # one of the roles
    return Document(messages=(*_system(record.system), *turns))


def _completion(value: Any) -> Document:
    record = _as(value, _Completion)
    prompt = [Message("user", record.prompt)] if isinstance(record.prompt, str) else record.prompt
    answer = [Message("assistant", record.completion)] if isinstance(record.completion, str) else record.completion
    return Document(messages=(*prompt, *answer))


def _text(value: Any) -> Document:
    return Document(text=_as(value, _Text).text)


_CONVERTERS: dict[Format, Callable[[Any], Document]] = {
    "alpaca": _alpaca,
    "messages": _messages,
    "sharegpt": _sharegpt,
    "completion": _completion,
    "text": _text,
}


def _system(text: str | None) -> Sequence[Message]:
    return [Message("system", text)] if text else []


def _exchange(question: str, answer: str) -> tuple[Message, Message]:
    return Message("user", question), Message("assistant", answer)


def _as(value: Any, kind: type[T]) -> T:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        # What is expected and where; never the value that is there, which may be anything.
        what, _, where = str(error).partition(" - at `$")
        place = f" at {where[:100].rstrip('`').lstrip('.')}" if where.rstrip("`") else ""
        raise Unusable(f"{'it has an unknown role' if 'enum value' in what else what}{place}") from error


def _check(document: Document) -> None:
    if document.text is not None:
        if not document.text.strip():
            raise LeftOut("its text is empty")
        return
    roles = [message.role for message in document.messages]
    if not roles:
        raise Unusable("it has no message", "empty")
    if "system" in roles[1:]:
        raise Unusable("a system turn stands after the first turn")
    for number, message in enumerate(document.messages, 1):
        if message.role != "system" and not message.content.strip():
            what = "answer" if message.role == "assistant" else "question"
            raise Unusable(f"its {what} is empty (turn {number})", "empty")
    if "assistant" in roles and "user" not in roles[: roles.index("assistant")]:
        raise Unusable("its first answer stands before any question")
