"""The report's own words, in Japanese or English, and numbers as a person reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from app.core.language import Language
from evaluation.comparison import ALPHA
from evaluation.output import printable

_FILE = Path(__file__).with_name("words.toml")


@dataclass(frozen=True)
class Words:
    language: Language
    phrases: Mapping[str, Mapping[str, str]]

    def __call__(self, key: str, **values: object) -> str:
        """A phrase with its values filled in, which is still plain text. Raises KeyError for a phrase or value that
        is not there."""
        return self.phrases[key][self.language].format_map({name: str(value) for name, value in values.items()})

    def listed(self, names: list[str]) -> str:
        return ("、" if self.language == "ja" else ", ").join(names)


def words(language: Language) -> Words:
    import tomllib

    return Words(language, tomllib.loads(_FILE.read_text(encoding="utf-8")))


def clean(text: str, most: int) -> str:
    """A text from a run: no control or direction characters, and at most so many characters."""
    shown = printable(text[: most + 1].replace("\r\n", "\n").replace("\t", " "))
    return shown if len(shown) <= most else shown[:most].rstrip() + " …"


def percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f} %"


def interval(bounds: tuple[float, float]) -> str:
    return f"{100 * bounds[0]:.1f} – {100 * bounds[1]:.1f} %"


def whole(number: int) -> str:
    return f"{number:,}"


def amount(number: float) -> str:
    """Points: whole where they are."""
    return f"{number:,.0f}" if number == int(number) else f"{number:,.1f}"


def signed(share: float) -> str:
    """A difference in points, with its sign."""
    text = f"{100 * share:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text.replace("-", "−")


def p_value(p: float) -> str:
    """Never rounded to 0, nor up to the 0.05 that it is below."""
    if p < 0.001:
        return "< 0.001"
    if 0.0495 <= p < ALPHA:
        return "0.049"
    return f"{p:.3f}" if p < 0.1 else f"{p:.2f}"
