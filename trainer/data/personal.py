"""Suspected personal information in a text, by rule: what a person must look at before a model learns it by heart.

Rules miss names without a title and find some that are none; they are a reason to look, not a proof. What is found is
shown with its letters and digits masked. Telephone numbers that cost nothing to call are those of organizations and
are left out. The check digit of My Number is that of 行政手続における特定の個人を識別するための番号の利用等に関する法律
(Ministry of Internal Affairs order no. 85 of 2014, article 5).
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

Kind = Literal["name", "birth", "telephone", "e-mail", "postal code", "record number", "my number"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Suspicion:
    kind: Kind
    masked: str
    """What was found, with every letter a circle and every digit a hash; titles and labels stand as they are."""
    line_breaks: int
    """In the text, before it."""


_WORDS = Path(__file__).with_name("personal.toml")

# Far more often than a person's title, 様 means "like" in medical Japanese: 貧血様. So it needs a known surname.
_ONLY_AFTER_SURNAMES = frozenset(("様", "氏", "殿", "先生"))
_TITLES = r"(?P<title>様(?![々子式相態体])|さま|さん(?![ぜでぷ])|氏(?![名族型])|殿(?![筋部裂溝])|くん|ちゃん|先生)"
_KANJI_NAME = re.compile(rf"(?P<hidden>[一-龥々ヶ]{{1,6}}) ?{_TITLES}")
_KATAKANA_NAME = re.compile(rf"(?<![ァ-ヴー])(?P<hidden>[ァ-ヴ][ァ-ヴー・=]{{1,20}}){_TITLES}")
_ENGLISH_NAME = re.compile(r"\b(?:Mr|Mrs|Ms|Miss|Dr|Prof|Professor)\.? +(?P<hidden>[A-Z][a-z'’-]+(?: [A-Z][a-z'’-]+)?)")
_LABELLED_NAME = re.compile(
    r"(?:(?:患者)?氏名|患者名|お名前|[Pp]atient(?:'s)? [Nn]ame|(?<![A-Za-z] )(?:Full |Last |First )?Name)"
    r"\s{0,5}[:=]\s{0,5}(?P<hidden>[^\s,、。;]{2,20}(?: [^\s,、。;]{1,20})?)"
)
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*\.?"
_NTH = r"\d{1,2}(?:st|nd|rd|th)?"
_DATE = (
    r"(?:(?:明治|大正|昭和|平成|令和|[MTSHR])\.? ?(?:\d{1,2}|元)[年./-] ?\d{1,2}[月./-] ?\d{1,2}日?"
    r"|(?:19|20)\d\d ?[年./-] ?\d{1,2} ?[月./-] ?\d{1,2} ?日?|\d{1,2}[./-]\d{1,2}[./-](?:\d{4}|\d\d)(?!\d)"
    rf"|(?:{_NTH} )?{_MONTH} (?:{_NTH},? )?\d{{4}})"
)
_BIRTH = re.compile(
    r"(?:生年月日|誕生日|出生日|\bDOB\b|[Dd]ate [Oo]f [Bb]irth|[Bb]irth ?[Dd]ate|[Bb]orn(?: on)?)\s{0,5}[:=は(]?\s{0,5}"
    rf"(?P<hidden>{_DATE})"
)
_BORN = re.compile(rf"(?P<hidden>{_DATE}) ?(?:生まれ|生(?![存検化後命体理活育成産]))")
_TELEPHONE = re.compile(
    r"(?<![\d-])(?P<hidden>\+?81[- ]?\d{1,4}[- ]\d{1,4}[- ]\d{4}|0\d{1,4}[-(]\d{1,4}[-)]\d{4}"
    r"|\(0\d{1,4}\) ?\d{1,4}-\d{4}|0[789]0\d{8}"
    r"|(?:\+?1[-. ])?(?:\([2-9]\d\d\) ?|[2-9]\d\d[-. ])[2-9]\d\d[-. ]\d{4})(?![\d-])"
)
_TOLL_FREE = re.compile(r"(?:0120|0800|0570|\+?1?[-. (]*8(?:00|33|44|55|66|77|88))\b")
_MAIL = re.compile(r"(?<![\w.+-])(?P<hidden>[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,6})")
_POSTAL = re.compile(r"〒 ?(?P<hidden>\d{3}-?\d{4})")
_RECORD = re.compile(
    r"(?:(?:カルテ|患者|診察券|受診者|症例|検体|被保険者|保険証)(?:番号|ID|No\.?|記号番号)|\bMRN\b|\bSSN\b"
    r"|(?:[Mm]edical [Rr]ecord|[Pp]atient|[Cc]hart|[Hh]ospital) (?:[Nn]umber|[Nn]o\.?|ID))"
    r"\s{0,5}[:=はが#.]?\s{0,5}#?(?P<hidden>[A-Z]{0,3}-?\d[\d-]{2,15})"
)
_MY_NUMBER = re.compile(r"(?<![\d.-])(?P<hidden>\d{4}[ -]?\d{4}[ -]?\d{4})(?![\d.-])")
_THREE_DIGITS, _FOUR_DIGITS = re.compile(r"\d{3}"), re.compile(r"\d{4}")


@dataclass(frozen=True)
class _Rule:
    kind: Kind
    needs: tuple[str, ...] | re.Pattern[str]
    """One of these is in every text that the pattern matches: looked for first, which is many times faster."""
    pattern: re.Pattern[str]
    """The group `hidden` is masked."""
    holds: Callable[[re.Match[str]], bool] = lambda _: True

    def matches(self, text: str) -> Iterator[re.Match[str]]:
        needs = self.needs
        there = any(word in text for word in needs) if isinstance(needs, tuple) else needs.search(text)
        if there:
            yield from filter(self.holds, self.pattern.finditer(text))


class Detector:
    """Finds what looks like personal information in any number of texts."""

    def __init__(self) -> None:
        words = tomllib.loads(_WORDS.read_text("utf-8"))
        self._surnames = frozenset(words["surnames"].split())
        self._people = tuple(words["people"].split())
        self._roles = str(words["roles"])
        self._katakana = frozenset(words["katakana"].split())
        titles = ("様", "さま", "さん", "氏", "殿", "くん", "ちゃん", "先生")
        self._rules = (
            _Rule("name", titles, _KANJI_NAME, self._is_kanji_name),
            _Rule("name", titles, _KATAKANA_NAME, self._is_katakana_name),
            _Rule("name", ("Mr", "Ms", "Miss", "Dr", "Prof"), _ENGLISH_NAME),
            _Rule("name", ("氏名", "患者名", "お名前", "Name", "name"), _LABELLED_NAME),
            _Rule("birth", ("生年月日", "誕生日", "出生日", "DOB", "irth", "orn"), _BIRTH),
            _Rule("birth", ("生",), _BORN),
            _Rule("telephone", _FOUR_DIGITS, _TELEPHONE, _is_charged),
            _Rule("e-mail", ("@",), _MAIL),
            _Rule("postal code", ("〒",), _POSTAL),
            _Rule("record number", _THREE_DIGITS, _RECORD),
            _Rule("my number", _FOUR_DIGITS, _MY_NUMBER, _is_my_number),
        )

    def suspicions(self, text: str) -> Iterator[Suspicion]:
        """Everything in a text that looks like personal information, rule by rule."""
        form = text if text.isascii() else unicodedata.normalize("NFKC", text)
        for rule in self._rules:
            for match in rule.matches(form):
                yield Suspicion(rule.kind, _masked(match), form.count("\n", 0, match.start()))

    def _is_kanji_name(self, match: re.Match[str]) -> bool:
        name, title = match["hidden"], match["title"]
        # A given name may follow, but not one of a single character: that is rather a word that begins so.
        if name in self._surnames or name[:2] in self._surnames or name[:3] in self._surnames:
            return True
        if title in _ONLY_AFTER_SURNAMES or not 2 <= len(name) <= 4:
            return False
        return not name.endswith(self._people) and name[-1] not in self._roles

    def _is_katakana_name(self, match: re.Match[str]) -> bool:
        return match["hidden"] not in self._katakana and match["title"] not in ("様", "殿")


def _masked(match: re.Match[str]) -> str:
    first, end = match.start("hidden") - match.start(), match.end("hidden") - match.start()
    whole = match[0]
    hidden = "".join("#" if one.isdigit() else "●" if one.isalnum() else one for one in whole[first:end])
    return " ".join((whole[:first] + hidden + whole[end:]).split())


def _is_charged(match: re.Match[str]) -> bool:
    return not _TOLL_FREE.match(match["hidden"])


def _is_my_number(match: re.Match[str]) -> bool:
    digits = [int(one) for one in match["hidden"] if one.isdigit()]
    weights = (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)
    rest = sum(weight * digit for weight, digit in zip(weights, digits, strict=False)) % 11
    return len(set(digits)) > 1 and digits[11] == (0 if rest <= 1 else 11 - rest)
