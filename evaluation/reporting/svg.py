"""SVG text out of numbers and words. Everything from outside is escaped here, and every number is finite.

Colours are `currentColor` and, where two things must be told apart, classes that a page may style (`accent`, `people`);
without such a page they have colours of their own. Shapes tell them apart as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from math import isfinite
from unicodedata import east_asian_width

from evaluation.output import printable

Attribute = str | float

_WIDE, _NARROW = 1.0, 0.56  # of the size of a letter, in the fonts that systems have


@dataclass(frozen=True)
class Caption:
    """What a plot says to those who do not see it."""

    id: str
    """Unique in its page: letters, digits and hyphens."""
    title: str
    description: str


@dataclass(frozen=True)
class Scale:
    """Places from `start` to `end` (in the plot's units) for values from `low` to `high`."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        return self.start + (min(max(value, self.low), self.high) - self.low) / (self.high - self.low) * (
            self.end - self.start
        )


def tag(name: str, content: str = "", /, **attributes: Attribute) -> str:
    """An element; `content` is SVG already. An underscore in the name of an attribute is a hyphen."""
    said = "".join(f' {key.rstrip("_").replace("_", "-")}="{_value(value)}"' for key, value in attributes.items())
    return f"<{name}{said}>{content}</{name}>" if content else f"<{name}{said}/>"


def text(x: float, y: float, words: str, **attributes: Attribute) -> str:
    return tag("text", plain(words), x=x, y=y, **attributes)


def line(x1: float, y1: float, x2: float, y2: float, **attributes: Attribute) -> str:
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, **({"stroke": "currentColor"} | attributes))


def plain(words: str) -> str:
    return escape(printable(words.replace("\n", " ")))


def number(value: float) -> str:
    """Raises ValueError for a number that no plot can show."""
    if not isfinite(value):
        raise ValueError(f"{value} in a plot")
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _value(value: Attribute) -> str:
    return escape(value) if isinstance(value, str) else number(value)


def figure(width: float, height: float, caption: Caption, parts: Iterable[str]) -> str:
    """The whole image, which a reader without eyes is told by its title and description."""
    named = {"id": f"{caption.id}-title"}, {"id": f"{caption.id}-desc"}
    inside = [
        tag("title", plain(caption.title), **named[0]),
        tag("desc", plain(caption.description), **named[1]),
        *parts,
    ]
    return tag(
        "svg",
        "\n".join(inside),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {number(width)} {number(height)}",
        role="img",
        aria_labelledby=f"{caption.id}-title",
        aria_describedby=f"{caption.id}-desc",
        fill="currentColor",
        font_family="system-ui, sans-serif",
        font_size=12,
    )


def fitted(words: str, width: float, size: float = 12) -> str:
    """`words`, shortened with … to about this width, in the plot's units."""
    if _width(words) * size <= width:
        return words
    taken: list[str] = []
    for character in words:
        if (_width(taken) + _width(character) + _WIDE) * size > width:
            break
        taken.append(character)
    return "".join(taken) + "…"


def _width(words: str | Sequence[str]) -> float:
    return sum(_WIDE if east_asian_width(one) in "WFA" else _NARROW for one in words)
