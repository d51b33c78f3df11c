"""Text taken from PDF: lines that a page's width broke, joined to paragraphs again.

What is no part of a paragraph stays a line of its own: headings, list items, rows of tables, page numbers. Where
pages are told apart (form feeds, as pdftotext writes them), the page numbers at their edges are left out and a
sentence goes on across them. Japanese is joined without a blank and English with one; a hyphen at a line's end goes,
unless the same document writes that word with it elsewhere.
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

_WIDE = frozenset("WFA")
_FULL = 0.8
"""A line that takes so much of the usual width was broken by the page; a shorter one ended by itself."""

_PAGE_NUMBER = re.compile(
    r"[-–—‐(\[〔]?\s*(?:(?:page|p\.|pp\.|第)\s*)?(?:\d{1,4}|[ivxlc]{1,7})(?:\s*(?:/|of|／)\s*\d{1,4})?\s*(?:頁|ページ)?\s*[-–—‐)\]〕]?",
    re.IGNORECASE,
)
_ITEM = re.compile(
    r"(?:[・•●○◦▪■□◆◇▶►‣*※]|[-–—‐]\s|[①-⑳❶-❿]|[(（][0-9０-９a-zA-Zア-ンｱ-ﾝ一二三四五六七八九十]{1,3}[)）]"
    r"|[0-9０-９]{1,3}[)）]\s?|[a-zA-Zア-ン][.)．）]\s)"
)
_HEADING = re.compile(r"#{1,6}\s|[【〔［\[].{1,40}[】〕］\]]$")
_NUMBERED = re.compile(
    r"(?:第[0-9０-９一二三四五六七八九十百]+[章節部編項条]|[0-9０-９]{1,2}(?:[.．][0-9０-９]{1,2})*[.．]?\s+\S"
    r"|[0-9０-９]{1,2}[.．][^0-9０-９\s]|[ⅠⅡⅢⅣⅤⅥⅦⅧⅨⅩIVX]{1,4}[.．]\s?"
    r"|(?:chapter|section|appendix|table|figure|fig\.)\s+[0-9A-Z]|[図表]\s?[0-9０-９])",
    re.IGNORECASE,
)
"""A heading, or how a sentence goes on: “… is / 10 mg daily”, “… in / Table 2 and …”."""
_TABLE = re.compile(r"\S(?:\t+| {2,}|\u3000{2,})\S.*\S(?:\t+| {2,}|\u3000{2,})\S|^\s*\|.*\|\s*$")
_ENDS = re.compile(r"[。．！？!?.:：;][」』）)\]\"'”’]*$")
_NO_SPACE = re.compile("[\u3000-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff00-\uffef]")
_HYPHEN = re.compile(r"([^\W\d_]+)[-\u2010\u00ad]$")
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_LONGEST_HEADING = 60
_LONGEST_WORD = 60  # what stands before a hyphen; a bound, since a search in a line without end would take its square


@dataclass(frozen=True)
class Joined:
    text: str
    joined: int
    """Line breaks that were taken out."""
    page_numbers: int
    """Lines that were left out as the numbers of pages."""
    lines: Sequence[int]
    """For each line of `text` the number, from 1, of the line that it began with: four bytes each."""


class _Line(NamedTuple):
    number: int
    """From 1, in the file; a page begins in the line in which the one before it ended."""
    text: str


def join_lines(text: str) -> Joined:
    """The paragraphs of a text, a line each, with one blank line where the text has any."""
    pages = list(_pages(text.replace("\r\n", "\n")))
    removed = 0
    if len(pages) > 1:
        pages, removed = _without_numbers(pages)
    lines = _across_pages(pages)
    if not lines:
        return Joined("", 0, removed, ())
    joiner = _Joiner(_usual_width(lines), frozenset(word.casefold() for word in _WORD.findall(text) if "-" in word))
    joined, count, begins = joiner.joined(lines)
    return Joined(joined, count, removed, begins)


def _pages(text: str) -> Iterator[list[_Line]]:
    number = 1
    for page in text.split("\f"):
        lines = page.split("\n")
        yield [_Line(number + place, line.rstrip()) for place, line in enumerate(lines)]
        number += len(lines) - 1


def _without_numbers(pages: Sequence[list[_Line]]) -> tuple[list[list[_Line]], int]:
    """Pages without a number as their first or last line."""
    found, removed = [], 0
    for page in pages:
        rest = _trimmed(page)
        for edge in (0, -1):
            if rest and _PAGE_NUMBER.fullmatch(rest[edge].text.strip()):
                del rest[edge]
                removed += 1
                rest = _trimmed(rest)
        found.append(rest)
    return found, removed


def _trimmed(lines: Sequence[_Line]) -> list[_Line]:
    """Without blank lines at the edges."""
    full = [place for place, line in enumerate(lines) if line.text.strip()]
    return list(lines[full[0] : full[-1] + 1]) if full else []


def _across_pages(pages: Sequence[list[_Line]]) -> list[_Line]:
    """One run of lines; a page that ends within a sentence goes on with the next, any other with a blank line."""
    lines: list[_Line] = []
    for page in pages:
        if lines and page and _ENDS.search(lines[-1].text):
            lines.append(_Line(page[0].number, ""))
        lines += page
    return lines


def _usual_width(lines: Sequence[_Line]) -> int:
    """The width that nine of ten lines stay within."""
    widths = sorted(_width(line.text) for line in lines if line.text.strip())
    return widths[int(0.9 * (len(widths) - 1))] if widths else 0


def _width(line: str) -> int:
    """Columns: an ideograph takes two."""
    return len(line) if line.isascii() else sum(1 + (unicodedata.east_asian_width(one) in _WIDE) for one in line)


@dataclass(frozen=True)
class _Joiner:
    width: int
    """Of a full line."""
    hyphenated: frozenset[str]
    """Words that the document writes with a hyphen, case-folded."""

    def joined(self, lines: Sequence[_Line]) -> tuple[str, int, Sequence[int]]:
        """The text, how many line breaks it lost, and the number of the line that each paragraph begins with."""
        paragraphs: list[list[str]] = []
        begins = array("I")
        last = ""
        count = 0
        for number, line in lines:
            stripped = line.strip()
            begun = bool(paragraphs) and len(paragraphs[-1]) == 1
            if paragraphs and last and stripped and not self._breaks(last, line, begun=begun):
                before, after = self._seam(paragraphs[-1][-1], stripped)
                paragraphs[-1][-1] = before
                paragraphs[-1].append(after)
                count += 1
            elif stripped or (paragraphs and paragraphs[-1] != [""]):
                paragraphs.append([stripped])
                begins.append(number)
            last = line if stripped else ""
        return "\n".join("".join(parts) for parts in paragraphs).rstrip("\n"), count, begins

    def _breaks(self, line: str, following: str, *, begun: bool) -> bool:
        """Whether a paragraph ends between two lines of text; `begun` says that it begins with the first of them."""
        if following[:1] in ("\u3000", "\t") or _begins(following.strip(), _ITEM, _HEADING):
            return True
        if _TABLE.search(line) or _TABLE.search(following):
            return True
        if any(_PAGE_NUMBER.fullmatch(one.strip()) for one in (line, following)):
            return True
        width = _width(line)
        full = width >= _FULL * self.width
        if _NUMBERED.match(following.strip()) and (not full or _ENDS.search(line)):
            return True
        if full:
            return False
        if begun and _begins(line.strip(), _HEADING, _NUMBERED):
            return True
        if _ENDS.search(line):
            return True
        return self._is_title(line.strip(), width, following.strip())

    def _is_title(self, line: str, width: int, following: str) -> bool:
        """A short line that ends with no mark: a heading, unless the next line plainly goes on with it."""
        if _ITEM.match(line):
            return not following[:1].islower()
        if following[:1].islower() or _HYPHEN.search(line[-_LONGEST_WORD:]) or line[-1:] in ",、，":
            return False
        return width < self.width / 2 or (line.isupper() and len(line) <= _LONGEST_HEADING)

    def _seam(self, before: str, line: str) -> tuple[str, str]:
        """A paragraph's last part and the line that goes on with it, as they are written side by side."""
        match = _HYPHEN.search(before[-_LONGEST_WORD:])
        first = _WORD.match(line)
        if match and first and line[:1].islower():
            whole = f"{match[1]}-{first[0]}".casefold()
            return (before if whole in self.hyphenated and before[-1] == "-" else before[:-1]), line
        if _NO_SPACE.match(before[-1]) or _NO_SPACE.match(line[0]):
            return before, line
        return before, f" {line}"


def _begins(line: str, *patterns: re.Pattern[str]) -> bool:
    matches: list[Callable[[str], object]] = [pattern.match for pattern in patterns]
    return any(match(line) for match in matches)
