"""Names of persons in a text, by rule: those with a title, and those behind a label.

Where a title also means something else (様 is "like" far more often than a person's title in medical Japanese, 氏 and
先生 stand in other words), a listed surname must stand before it. The lists are in personal.toml.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_WORDS = Path(__file__).with_name("personal.toml")


@dataclass(frozen=True)
class Span:
    """Where something stands in a text: from `first` to `end`, of which `hidden` to `hidden_end` is to be masked."""

    first: int
    hidden: int
    hidden_end: int
    end: int

    @classmethod
    def of(cls, match: re.Match[str]) -> Span:
        """Of a pattern with a group `hidden`."""
        return cls(match.start(), *match.span("hidden"), match.end())


# --- Japanese names before a title ------------------------------------------------------------------------------------

_ONLY_AFTER_SURNAMES = frozenset(("様", "氏", "殿", "先生"))
_TITLE = re.compile(
    "様(?![々子式相態体])|さま|さん(?![ぜでぷ])|氏(?![名族型病式法体線])|殿(?![筋部裂溝])|くん|ちゃん|先生"
)
_TITLES = ("様", "さま", "さん", "氏", "殿", "くん", "ちゃん", "先生")
_KANJI, _KATAKANA = "[一-龥々ヶ﨑𠮷]", "[ァ-ヴー]"
_GIVEN = "[一-龥々ヶ﨑𠮷ぁ-んァ-ヴー]{1,5}"
_RUN = re.compile(rf"(?P<run>{_KANJI}+) {{0,2}}\Z")
_FAMILY_AND_GIVEN = re.compile(rf"(?P<family>{_KANJI}+) {{1,2}}(?P<given>{_GIVEN}) {{0,2}}\Z")
_GOES_ON = re.compile("[ァ-ヴーA-Za-z0-9]")
"""What one kanji belongs to: ランゲルハンス島 ends with no surname."""
_KATAKANA_RUN = re.compile(rf"(?<!{_KATAKANA})(?P<run>[ァ-ヴ][ァ-ヴー・=]{{1,20}})\Z")
_BEFORE = 24
"""Characters before a title in which its name stands."""
_LIKENESS = tuple("症皮顔骨発所病変構造物質外")
"""What follows 様 where it means "like" behind a word in katakana."""
_LONGEST_GIVEN = 3

# --- names behind a label ---------------------------------------------------------------------------------------------

_JAPANESE_LABEL = r"(?:(?:患者|受診者|被保険者)?氏名|患者名|(?:(?<!の)|(?<=患者の)|(?<=本人の))お?名前)"
_LABELLED = re.compile(
    rf"(?:{_JAPANESE_LABEL}|フリガナ|ふりがな|[Pp]atient(?:'s)? [Nn]ame"
    r"|(?<![A-Za-z])(?<![A-Za-z] )(?:Full |Last |First )?Name)"
    r"\s{0,5}[:=]\s{0,5}(?P<hidden>[^\s,、。;:]{2,20}+(?!:)(?: [^\s,、。;:]{1,20}+(?!:))?)"
)
_UNMARKED = re.compile(
    rf"(?:(?P<sure>(?:患者|受診者|被保険者)?氏名|患者名)[ \t]{{1,8}}|{_JAPANESE_LABEL}[ \t]{{1,8}}|患者 ?: ?)"
    rf"(?P<hidden>{_KANJI}{{1,6}}(?: {{1,2}}{_GIVEN})?|[ァ-ヴ]{_KATAKANA}+(?:[ ・][ァ-ヴ]{_KATAKANA}+)?)"
)
"""A label without a colon, as in a table, or one that more often says something else of a patient."""
_LABELS = ("氏名", "患者名", "名前", "フリガナ", "ふりがな", "Name", "name", "患者:", "患者 :")

# --- English names behind a title -------------------------------------------------------------------------------------

_CAPITAL = "[A-ZÀ-ÖØ-ÞĀ-Ž]"
_WORD = rf"{_CAPITAL}(?:['’-]?[A-Za-zÀ-ÖØ-öø-ɏḀ-ỿ])+"
_PARTICLES = "(?:(?:van|von|de|der|den|di|da|du|la|le|el|al|bin|ter) ){0,2}"
_ENGLISH = re.compile(
    r"(?<![A-Za-z])(?:(?:Mr|Mrs|Ms|Miss|Dr|Prof|Professor)(?:\.? +|\.))+"
    rf"(?P<hidden>(?:{_CAPITAL}\. ?){{0,3}}{_PARTICLES}{_WORD}(?: {_CAPITAL}\.)?(?: {_WORD})?)"
)
_IN_CAPITALS = re.compile(
    r"(?<![A-Za-z])(?:MR|MRS|MS|DR|PROF)\. ?(?P<hidden>(?:[A-Z]\. ?){0,3}(?P<word>[A-Z](?:['’-]?[A-Z]){3,}))(?![a-z])"
)
"""MR, MS and DR are also a valve's disease, a nerve's and a retina's, and the next sentence may begin with LVEF."""


class Names:
    """Finds names in any number of texts (NFKC, every dash a hyphen)."""

    def __init__(self) -> None:
        words = tomllib.loads(_WORDS.read_text("utf-8"))
        self._surnames = frozenset(words["surnames"].split())
        self._variants = {ord(variant): usual for variant, usual in words["variants"].split()}
        self._foreign = frozenset(words["foreign"].split())
        self._people = tuple(words["people"].split())
        self._roles = tuple(words["roles"])
        self._not_given = tuple(words["not_given"])
        self._katakana = frozenset(words["katakana"].split())
        self._no_names = tuple(words["no_names"].split())
        self._abbreviations = frozenset(words["abbreviations"].split())

    def spans(self, text: str) -> Iterator[Span]:
        """Every name in a text, rule by rule."""
        yield from self._titled(text)
        yield from self._labelled(text)
        yield from self._english(text)

    def _titled(self, text: str) -> Iterator[Span]:
        """Japanese names before a title, in kanji or katakana."""
        if not any(title in text for title in _TITLES):
            return
        for match in _TITLE.finditer(text):
            first = max(0, match.start() - _BEFORE)
            before = text[first : match.start()]
            following = text[match.end() : match.end() + 1]
            name = self._in_kanji(before, match[0]) or self._in_katakana(before, match[0], following)
            if name:
                yield Span(first + name[0], first + name[0], first + name[1], match.end())

    def _in_kanji(self, before: str, title: str) -> tuple[int, int] | None:
        """Where the name stands, if there is one."""
        if whole := _FAMILY_AND_GIVEN.search(before):
            surname = self._surname_at_end(whole["family"])
            if surname is not None and not whole["given"].endswith(self._not_given):
                return whole.start("family") + surname, whole.end("given")
        run = _RUN.search(before)
        if run is None:
            return None
        name = run["run"]
        if len(name) == 1 and _GOES_ON.match(before[: run.start()][-1:]):
            return None
        if (begin := self._name_at_end(name)) is not None:
            return run.start("run") + begin, run.end("run")
        if title in _ONLY_AFTER_SURNAMES or not 2 <= len(name) <= 4:
            return None
        if name.endswith((*self._people, *self._not_given, *self._roles)):
            return None
        return run.span("run")

    def _surname_at_end(self, run: str) -> int | None:
        """Where the listed surname begins that a run of kanji ends with: 患者田中. One kanji must be all of the run."""
        plain = run.translate(self._variants)
        begins = range(max(0, len(run) - 3), max(1, len(run) - 1))
        return next((begin for begin in begins if plain[begin:] in self._surnames), None)

    def _name_at_end(self, run: str) -> int | None:
        """Where in a run of kanji a listed surname begins, with nothing or a given name between it and the end.

        川崎病 and 石川県 begin with a surname and end with what no given name ends with.
        """
        plain = run.translate(self._variants)
        if plain in self._surnames:
            return 0
        for begin in range(max(0, len(run) - 3 - _LONGEST_GIVEN), len(run) - 1):
            for size in (3, 2):
                given = plain[begin + size :]
                named = plain[begin : begin + size] in self._surnames and len(given) <= _LONGEST_GIVEN
                if named and not given.endswith(self._not_given):
                    return begin
        return None

    def _in_katakana(self, before: str, title: str, following: str) -> tuple[int, int] | None:
        run = _KATAKANA_RUN.search(before)
        if run is None or run["run"] in self._katakana:
            return None
        if title in ("様", "殿"):
            surname = re.split("[・=]", run["run"])[-1]
            if surname not in self._foreign or following in _LIKENESS:
                return None
        return run.span("run")

    def _labelled(self, text: str) -> Iterator[Span]:
        """What stands behind "name" in a form or a table, in either language."""
        if not any(label in text for label in _LABELS):
            return
        for match in _LABELLED.finditer(text):
            hidden = match["hidden"]
            if any(one.isalpha() for one in hidden) and not hidden.startswith(self._no_names):
                yield Span.of(match)
        for match in _UNMARKED.finditer(text):
            if self._is_unmarked_name(match):
                yield Span.of(match)

    def _is_unmarked_name(self, match: re.Match[str]) -> bool:
        """A listed surname, or behind a sure label what is neither another label nor the beginning of a sentence."""
        name = match["hidden"]
        family = name.split()[0].translate(self._variants)
        if family in self._surnames or any(family[:size] in self._surnames for size in (2, 3)):
            return not family.endswith(self._not_given)
        following = match.string[match.end() : match.end() + 1]
        if not match["sure"] or len(name) < 2 or "ぁ" <= following <= "ヶ" or "一" <= following <= "龥":
            return False
        return not name.startswith(self._no_names) and not name.endswith((*self._not_given, *self._roles))

    def _english(self, text: str) -> Iterator[Span]:
        """Names behind Mr., Dr. and so on."""
        if any(title in text for title in ("Mr", "Ms", "Miss", "Dr", "Prof")):
            yield from map(Span.of, _ENGLISH.finditer(text))
        if any(title in text for title in ("MR", "MS.", "DR.", "PROF.")):
            for match in _IN_CAPITALS.finditer(text):
                if match["word"] not in self._abbreviations:
                    yield Span.of(match)
