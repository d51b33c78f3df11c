"""Suspected personal information in a text, by rule: what a person must look at before a model learns it by heart.

Rules miss names without a title and find some that are none; they are a reason to look, not a proof. Where a rule
cannot have both, it finds what may be a patient's rather than nothing. What is found is shown with its letters and
digits masked. Telephone numbers that cost nothing to call are those of organizations and are left out. The check digit
of My Number is that of 行政手続における特定の個人を識別するための番号の利用等に関する法律 (Ministry of Internal Affairs
order no. 85 of 2014, article 5).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Literal, get_args

from trainer.data.personal_names import Names, Span

Kind = Literal["name", "birth", "telephone", "e-mail", "postal code", "record number", "my number"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Suspicion:
    kind: Kind
    masked: str
    """What was found, with every letter a circle and every digit a hash; titles and labels stand as they are."""
    line_breaks: int
    """In the text, before it."""


# Japanese input gives any of these for a hyphen, and the long-vowel mark between digits.
_DASH = re.compile("[\u2010-\u2015\u2212\u2500\ufe58]|(?<=[0-9])ー(?=[0-9])")

_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*\.?"
_NTH = r"\d{1,2}(?:st|nd|rd|th)?"
_DATE = (
    r"(?:(?:明治|大正|昭和|平成|令和|(?<![A-Za-z])[MTSHR])\.? ?(?:\d{1,2}|元) ?[年./-] ?\d{1,2} ?[月./-] ?\d{1,2} ?日?"
    r"|(?:西暦 ?)?(?:19|20)\d\d ?[年./-] ?\d{1,2} ?[月./-] ?\d{1,2} ?日?"
    r"|\d{1,2}[./-]\d{1,2}[./-](?:\d{4}|\d\d)(?!\d)"
    rf"|(?:{_NTH}[ -](?:of )?)?{_MONTH},?[ -](?:{_NTH},? )?\d{{4}})"
)
_BIRTH = re.compile(
    r"(?:生年月日|誕生日|出生日|(?<![A-Za-z])D\.?O\.?B(?![A-Za-z])\.?|[Dd]ate [Oo]f [Bb]irth|DATE OF BIRTH"
    r"|[Bb]irth ?[Dd]ate|[Bb]orn(?: on)?(?: the)?)"
    rf"\s{{0,5}}(?:[:=は(]|is |was )?\s{{0,5}}(?P<hidden>{_DATE}|(?:19|20)\d{{6}}(?!\d))"
)
# After a date, 生 begins many words: 生食, 生ワクチン, 生菌製剤, 生じた.
_BORN = re.compile(
    rf"(?P<hidden>{_DATE}) ?(?:に ?(?=生まれ|産まれ|誕生|出生))?"
    "(?:生まれ|産まれ|誕生(?!日)|出生(?![数率前])"
    "|生(?![存検化後命体理活育成産食ワ菌じきデ肉ずえむもクレ魚卵乳野水物着殖鮮薬年保来前牡鶏]))"
)

_AFTER = r"(?!\d|[.-]\d)"
_SEPARATOR = "(?: ?- ?|[ .])"
_TELEPHONES = tuple(
    re.compile(rf"(?<![\d-])(?P<hidden>{number}){_AFTER}")
    for number in (
        rf"(?:\(0\d{{1,4}}\) ?|0\d{{1,4}}(?:{_SEPARATOR}|\())\d{{1,4}}(?:{_SEPARATOR}|\))\d{{4}}|0[5789]0\d{{8}}",
        r"\+?81(?: ?\(0\) ?|[ -])\d{1,4}[ -]\d{1,4}[ -]\d{4}|\+81\d{9,10}",
        # Without hyphens or brackets, or a plus, three groups of digits are doses or counts.
        r"(?:\+?1[-. ])?(?:\([2-9]\d\d\)[-. ]?[2-9]\d\d[-. ]\d{4}|[2-9]\d\d-[2-9]\d\d-\d{4})"
        r"|[2-9]\d\d\.[2-9]\d\d\.\d{4}|\+1 [2-9]\d\d [2-9]\d\d \d{4}",
    )
)
_LABELLED_TELEPHONE = re.compile(
    r"(?:(?<![A-Za-z])(?:TEL|Tel|tel|Telephone|telephone|Phone|phone|FAX|Fax|fax)|電話(?:番号)?|携帯(?:電話)?(?:番号)?|連絡先|☎)"
    rf"\s{{0,3}}[:.=は]?\s{{0,3}}(?P<hidden>0\d{{9,10}}|[2-9]\d\d ?[2-9]\d\d ?\d{{4}}){_AFTER}"
)
_TELEPHONE_LABELS = ("TEL", "Tel", "tel", "hone", "FAX", "Fax", "fax", "電話", "携帯", "連絡先", "☎")
_TOLL_FREE = re.compile(r"\(?(?:0120|0800|0570)|\+?1?[-. (]*8(?:00|33|44|55|66|77|88)\b")
_DOI = re.compile(r"10\.\d{4,9}/\S*\Z")
_LONGEST_DOI = 100

_MAIL = re.compile(r"(?<![\w.+-])(?P<hidden>[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,6})")
_POSTAL = re.compile(r"(?:〒|郵便番号) ?[:は]? ?(?P<hidden>\d{3}[- ]?\d{4})(?!\d)")
_RECORD = re.compile(
    r"(?:(?:カルテ|診療録|患者|診察券|受診者|症例|検体|被保険者|保険証) ?(?:番号|ID(?:番号)?|[Nn][Oo]\.?|記号番号)"
    # Of an article, of a study, of a gene: not of a patient.
    r"|ID番号|(?<![A-Za-z文究献品子])(?<![A-Za-z][ _-])ID(?= ?[:#] ?\d{5})|(?<![A-Za-z])(?:MRN|SSN)(?![A-Za-z])"
    r"|(?:[Mm]edical [Rr]ecord|MEDICAL RECORD|[Pp]atient|PATIENT|[Cc]hart|[Hh]ospital)"
    r" (?:[Nn]umber|NUMBER|[Nn][Oo]\.?|ID))"
    r"(?: ?\([A-Za-z]{2,5}\))?\s{0,5}[:=はが#.-]?\s{0,5}#?(?P<hidden>[A-Z]{0,3}-?\d[\d-]{2,15})"
)
_RECORD_LABELS = ("番号", "ID", "NO", "No", "no", "MRN", "SSN", "umber", "NUMBER")
_MY_NUMBER = re.compile(rf"(?<!\d)(?<!\d[.-])(?P<hidden>\d{{4}}[ -]?\d{{4}}[ -]?\d{{4}}){_AFTER}")
_DIGITS = tuple((count, re.compile(rf"\d{{{count}}}")) for count in (0, 1, 3, 4))


@dataclass(frozen=True)
class _Rule:
    pattern: re.Pattern[str]
    """The group `hidden` is masked."""
    digits: int = 0
    """So many digits in a row, and one of these words, are in every text that the pattern matches: looked for first,
    which is many times faster."""
    words: tuple[str, ...] = ("",)
    holds: Callable[[re.Match[str]], bool] = lambda _: True

    def spans(self, text: str, digits: int) -> Iterator[Span]:
        """`digits` is how many the text has in a row, up to four."""
        if digits >= self.digits and any(word in text for word in self.words):
            yield from map(Span.of, filter(self.holds, self.pattern.finditer(text)))


class Detector:
    """Finds what looks like personal information in any number of texts."""

    def __init__(self) -> None:
        self._names = Names()
        japanese, international, american = _TELEPHONES
        self._rules: dict[Kind, tuple[_Rule, ...]] = {
            "name": (),
            "birth": (
                _Rule(_BIRTH, 1, ("生年月日", "誕生日", "出生日", "DOB", "D.O.B", "irth", "BIRTH", "orn")),
                _Rule(_BORN, 1, ("生", "産まれ")),
            ),
            "telephone": (
                _Rule(japanese, 4, ("0",), _is_japanese_telephone),
                _Rule(international, 4, ("81",), _is_international_telephone),
                _Rule(american, 4, holds=_is_charged),
                _Rule(_LABELLED_TELEPHONE, 4, _TELEPHONE_LABELS, _is_charged),
            ),
            "e-mail": (_Rule(_MAIL, words=("@",)),),
            "postal code": (_Rule(_POSTAL, 3, ("〒", "郵便番号")),),
            "record number": (_Rule(_RECORD, 3, _RECORD_LABELS),),
            "my number": (_Rule(_MY_NUMBER, 4, holds=_is_my_number),),
        }

    def suspicions(self, text: str) -> Iterator[Suspicion]:
        """Everything in a text that looks like personal information, kind by kind and each in its order."""
        form = text if text.isascii() else _DASH.sub("-", unicodedata.normalize("NFKC", text))
        digits = next(count for count, pattern in reversed(_DIGITS) if pattern.search(form))
        for kind, rules in self._rules.items():
            spans = chain.from_iterable(rule.spans(form, digits) for rule in rules)
            line_breaks = counted = 0
            for span in _apart(self._names.spans(form) if kind == "name" else spans):
                line_breaks += form.count("\n", counted, span.first)
                counted = span.first
                yield Suspicion(kind, _masked(form, span), line_breaks)


def _apart(spans: Iterator[Span]) -> Iterator[Span]:
    """In their order, without what two rules found: of those that overlap, the first."""
    end = 0
    for span in sorted(spans, key=lambda one: (one.first, -one.end)):
        if span.hidden >= end:
            end = span.hidden_end
            yield span


def _masked(text: str, span: Span) -> str:
    hidden = "".join(
        "#" if one.isdigit() else "●" if one.isalnum() else one for one in text[span.hidden : span.hidden_end]
    )
    return " ".join((text[span.first : span.hidden] + hidden + text[span.hidden_end : span.end]).split())


def _digits(match: re.Match[str]) -> str:
    return "".join(one for one in match["hidden"] if one.isdigit())


def _is_japanese_telephone(match: re.Match[str]) -> bool:
    """Ten digits, or eleven of a mobile one: 01-02-2020 is a date."""
    digits = _digits(match)
    return (len(digits) == 10 or (len(digits) == 11 and digits[2] == "0")) and _is_charged(match)


def _is_international_telephone(match: re.Match[str]) -> bool:
    number = _digits(match).removeprefix("81").removeprefix("0")
    return len(number) in (9, 10) and _is_charged(match)


def _is_charged(match: re.Match[str]) -> bool:
    """Whether it is a telephone number that costs the caller, and none that is part of an article's DOI."""
    before = match.string[max(0, match.start("hidden") - _LONGEST_DOI) : match.start("hidden")]
    return not _TOLL_FREE.match(match["hidden"]) and not _DOI.search(before)


def _is_my_number(match: re.Match[str]) -> bool:
    digits = [int(one) for one in _digits(match)]
    weights = (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)
    rest = sum(weight * digit for weight, digit in zip(weights, digits, strict=False)) % 11
    return len(set(digits)) > 1 and digits[11] == (0 if rest <= 1 else 11 - rest)
