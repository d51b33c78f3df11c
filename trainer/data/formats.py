"""The forms in which people keep instruction records, each turned into the one form that is trained on.

| format | one record |
|---|---|
| alpaca | `instruction`, `input`, `output`; also `system` and `history` (pairs), as LLaMA-Factory reads them |
| messages | `messages`: turns with `role` and `content`, as OpenAI's and TRL's data |
| sharegpt | `conversations` (or `conversation`, `items`): turns with `from` and `value`; also `system` |
| completion | `prompt` and `completion`: two texts, or two lists of messages (TRL's prompt-completion) |
| items | a question of `inro-eval`'s own layout: `problem_text`, `choices`, `answer` |
| text | `text` |

Either way of writing a turn may stand in each list of turns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, TypeVar

import msgspec

from trainer.data.documents import Document, Format, Message

FaultKind = Literal["malformed", "empty", "unanswered", "mixed", "unreadable"]
"""What is wrong with a record; `unreadable` is a whole file."""

_KEYS: dict[Format, tuple[str, ...]] = {
    "alpaca": ("instruction", "output"),
    "messages": ("messages",),
    "sharegpt": ("conversations",),
    "completion": ("prompt", "completion"),
    "items": ("problem_text", "choices"),
    "text": ("text",),
}
"""What every record of a format has; other fields (ids, sources) may stand beside them."""

_TURNS = ("conversations", "conversation", "items")
"""Where ShareGPT's turns stand; the latter two may be any other field of a record that has no turns in it."""

_SPEAKERS: dict[str, Literal["system", "user", "assistant"]] = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "chatgpt": "assistant",
    "model": "assistant",
    "system": "system",
}

EMPTY = "its text is blank"
"""Why a text is left out."""

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


class _Part(msgspec.Struct, frozen=True):
    """Of a content that may also hold pictures."""

    type: Literal["text"]
    text: str


class _ChatTurn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Calls of tools, which are further fields, cannot be rendered."""

    role: str
    content: str | list[_Part]
    weight: float = 1


class _ShareGptTurn(msgspec.Struct, frozen=True):
    role: str = msgspec.field(name="from")
    content: str | list[_Part] = msgspec.field(name="value")
    weight: float = 1


class _System(msgspec.Struct, frozen=True):
    system: str | None = None


class _Completion(msgspec.Struct, frozen=True):
    prompt: str | list[Any]
    completion: str | list[Any]


class _Text(msgspec.Struct, frozen=True):
    text: str


def detected(value: Mapping[str, Any], *, answered: bool = False) -> Format:
    """The format whose keys a record has. Raises Unusable where it has those of none, or of several.

    `answered`: only a conversation can be meant, so that `text` beside one is a rendered copy (as Alpaca's own).
    """
    found = [name for name, keys in _KEYS.items() if all(value.get(key) is not None for key in keys)]
    if "sharegpt" not in found and any(_has_turns(value.get(key)) for key in _TURNS):
        found.append("sharegpt")
    if answered and len(found) > 1 and "text" in found:
        found.remove("text")
    if not found:
        known = "; ".join(" and ".join(keys) for keys in _KEYS.values())
        raise Unusable(f"it has the keys of no known format ({known})")
    if len(found) > 1:
        raise Unusable(f"it has the keys of {' and of '.join(found)}; name one of them in formats")
    return found[0]


def _has_turns(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict) and _speaks(one) for one in value)


def _speaks(turn: Mapping[str, Any]) -> bool:
    return "from" in turn or "role" in turn


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
    return Document(messages=tuple(_turns(value.get("messages"), "messages")))


def _sharegpt(value: Any) -> Document:
    key = next((key for key in _TURNS if _has_turns(value.get(key))), _TURNS[0])
    return Document(messages=(*_system(_as(value, _System).system), *_turns(value.get(key), key)))


def _completion(value: Any) -> Document:
    record = _as(value, _Completion)
    prompt, answer = record.prompt, record.completion
    before = [Message("user", prompt)] if isinstance(prompt, str) else _turns(prompt, "prompt")
    behind = [Message("assistant", answer)] if isinstance(answer, str) else _turns(answer, "completion")
    return Document(messages=(*before, *behind))


def _turns(value: Any, key: str) -> Iterator[Message]:
    """Of the list under a record's key, in either way of writing turns."""
    given = [_without_empty(turn) for turn in _as(value, list[dict[str, Any]], key)]
    turns: Sequence[_ChatTurn | _ShareGptTurn]
    if any("from" in turn for turn in given):
        turns = _as(given, list[_ShareGptTurn], key)
    else:
        turns = _as(given, list[_ChatTurn], key)
    for number, turn in enumerate(turns, 1):
        role = _SPEAKERS.get(turn.role.casefold())
        if role is None:
            raise Unusable(f"it has an unknown role in turn {number}; known are {', '.join(_SPEAKERS)}")
        if role == "assistant" and turn.weight != 1:
            raise Unusable(f"the weight of its answer in turn {number} is not 1, and all answers are learned alike")
        content = turn.content
        yield Message(role, content if isinstance(content, str) else "\n".join(part.text for part in content))


def _without_empty(turn: Mapping[str, Any]) -> dict[str, Any]:
    """Libraries write every field of their own schema, whether it has a value or not."""
    return {name: value for name, value in turn.items() if value is not None and value not in ([], {})}


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


def _as(value: Any, kind: type[T], name: str = "") -> T:
    """`name` is the record's key that the value is of, if it is not the record."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        # What is expected and where; never the value that is there, which may be anything.
        what, _, where = str(error).partition(" - at `$")
        if "enum value" in what:  # of a part's type
            what = "it holds something other than text"
        place = (name + where[:100].rstrip("`")).lstrip(".")
        raise Unusable(f"{what}{f' at {place}' if place else ''}") from error


def _check(document: Document) -> None:
    if document.text is not None:
        if not document.text.strip():
            raise LeftOut(EMPTY)
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
