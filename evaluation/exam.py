"""Points and pass line of the Japanese national medical licensing examination (IgakuQA), year by year.

The lines are those of the ministry's announcements of the results (医師国家試験の合格発表, 112th to 116th): points in
the required parts, points in the others, and the number of prohibited options chosen.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from evaluation.tally import Marked

MOST_PROHIBITED = 3
"""An examinee who chooses more prohibited options fails."""

_REQUIRED_PARTS = frozenset("BE")
_NUMBER = re.compile(r"(\d{3})([A-F])(\d{1,3})", re.ASCII)


@dataclass(frozen=True)
class Line:
    least: int
    of: int

    @property
    def share(self) -> float:
        return self.least / self.of


@dataclass(frozen=True)
class PassLine:
    required: Line
    """Parts B and E: 1 point a general question, 3 a clinical one."""
    general: Line
    """All other parts, 1 point a question."""


PASS_LINES = {
    "2018": PassLine(Line(160, 200), Line(208, 299)),
    "2019": PassLine(Line(160, 200), Line(209, 296)),
    "2020": PassLine(Line(158, 197), Line(217, 299)),
    "2021": PassLine(Line(160, 200), Line(209, 300)),
    "2022": PassLine(Line(158, 197), Line(214, 297)),
}


@dataclass(frozen=True)
class Part:
    points: float
    possible: float
    """Of the questions that were asked; fewer than the examination has where those with pictures were not."""
    line: Line

    @property
    def reached(self) -> bool:
        """Whether the share of the points is at least the line's share."""
        return self.possible > 0 and self.points * self.line.of >= self.line.least * self.possible

    @property
    def complete(self) -> bool:
        """Whether all questions of the examination were asked, so that the points themselves can be compared."""
        return self.possible == self.line.of


@dataclass(frozen=True)
class YearResult:
    year: str
    required: Part
    general: Part
    prohibited: int
    """Questions in which a prohibited option was chosen."""

    @property
    def passed(self) -> bool:
        """Whether all three lines are kept. Of an incomplete year it says only that the shares would be enough."""
        return self.required.reached and self.general.reached and self.prohibited <= MOST_PROHIBITED

    @property
    def complete(self) -> bool:
        return self.required.complete and self.general.complete


def by_year(marked: Sequence[Marked]) -> tuple[YearResult, ...]:
    """The result of each year with a known pass line, in order. Items whose id is no problem number such as 112B7 are
    not part of any."""
    years: dict[str, dict[bool, list[Marked]]] = {}
    for one in marked:
        match = _NUMBER.fullmatch(one.item.id)
        year = str(int(match[1]) + 1906) if match else ""
        if match and year in PASS_LINES:
            years.setdefault(year, {True: [], False: []})[match[2] in _REQUIRED_PARTS].append(one)
    return tuple(_year(year, years[year]) for year in sorted(years))


class PartReport(msgspec.Struct, frozen=True, kw_only=True):
    """A `Part` as it is written down."""

    points: float
    possible: float
    line: int
    line_of: int
    reached: bool


class YearReport(msgspec.Struct, frozen=True, kw_only=True):
    """A `YearResult` as it is written down."""

    year: str
    required: PartReport
    general: PartReport
    prohibited: int
    complete: bool
    passed: bool

    @property
    def judged(self) -> bool:
        """Whether questions of both parts were asked; without, `passed` says nothing."""
        return self.required.possible > 0 and self.general.possible > 0


def report(result: YearResult) -> YearReport:
    return YearReport(
        year=result.year,
        required=_part_report(result.required),
        general=_part_report(result.general),
        prohibited=result.prohibited,
        complete=result.complete,
        passed=result.passed,
    )


def _part_report(part: Part) -> PartReport:
    return PartReport(
        points=part.points, possible=part.possible, line=part.line.least, line_of=part.line.of, reached=part.reached
    )


def _year(year: str, parts: dict[bool, list[Marked]]) -> YearResult:
    lines = PASS_LINES[year]
    prohibited = sum(bool(set(one.chosen) & set(one.item.prohibited)) for part in parts.values() for one in part)
    return YearResult(year, _part(parts[True], lines.required), _part(parts[False], lines.general), prohibited)


def _part(marked: Sequence[Marked], line: Line) -> Part:
    return Part(sum(one.item.points for one in marked if one.right), sum(one.item.points for one in marked), line)


def sentence(result: YearReport) -> str:
    """The result of one year in words."""
    parts = [
        f"required {_words(result.required)}",
        f"general and clinical {_words(result.general)}",
        f"prohibited options chosen {result.prohibited} (at most {MOST_PROHIBITED})",
    ]
    if not result.judged:
        verdict = "no verdict, since no question of one part was asked"
    elif result.complete:
        verdict = "passed" if result.passed else "not passed"
    else:
        verdict = "shares enough to pass" if result.passed else "shares not enough to pass"
        verdict += ", but not all questions were asked, so this is no examination result"
    return f"{result.year}: {', '.join(parts)}: {verdict}"


def _words(part: PartReport) -> str:
    share = f"{100 * part.points / part.possible:.1f} %" if part.possible else "-"
    return f"{part.points:g} of {part.possible:g} points, {share} (at least {100 * part.line / part.line_of:.1f} %)"
