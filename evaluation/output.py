"""What a command found out, for a person and for a program."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from unicodedata import category


@dataclass(frozen=True)
class Output:
    """One answer in two forms."""

    json: dict[str, Any]
    text: str


def printable(text: str) -> str:
    """Ids and categories come from files: none of them may steer a terminal."""
    return "".join("\ufffd" if category(one)[0] == "C" and one != "\n" else one for one in text)
