"""Decides how an answer's Markdown is read, before and while it is complete. Pure functions on text."""

from __future__ import annotations

import re

_FENCE = re.compile(r"^\s{0,3}(```|~~~)")
_BLOCK_START = re.compile(r"^\s*(#{1,6}(\s|$)|[-*+](\s|$)|\d{1,9}[.)](\s|$)|>|\||```|~~~|=+\s*$|-+\s*$)")
_NO_PARAGRAPH = re.compile(r"^\s{0,3}(#{1,6}(\s|$)|\||([-*_]\s*){3,}$|=+\s*$|-+\s*$)")
_UNFINISHED_MARK = re.compile(r"^\s*([-*+]+|\d{1,9}[.)]?|#{1,6}|=+|\|[\s|:-]*|`{1,3}|~{1,3}|>+)\s*$")

LINE_SEPARATOR = "\u2028"


def readable(text: str) -> str:
    """Markdown in which a line break of the answer stays a line break, and nothing is taken for a document header.

    Models write one option or one step a line; Markdown by itself would join such lines into one.
    """
    lines = text.replace("\r\n", "\n").split("\n")
    result: list[str] = []
    fenced = False
    for line in lines:
        is_fence = bool(_FENCE.match(line))
        if result and not fenced and not is_fence and _continues(result[-1], line):
            result[-1] = f"{result[-1].rstrip()}{LINE_SEPARATOR}{line.strip()}"
        else:
            result.append(line)
        fenced ^= is_fence
    # A rule in the first line would start "front matter", which Qt leaves out of what it shows.
    return "\n" + "\n".join(result)


def unfinished(text: str) -> str:
    """What of an answer that is still being written can be shown without flicker.

    A last line that is only the beginning of a mark (`-`, `##`, `1.`) waits for its text, and bold text that is still
    open is closed for the moment.
    """
    head, separator, last = text.rpartition("\n")
    if _UNFINISHED_MARK.match(last):
        return head
    if last.count("**") % 2:
        last = last[:-2] if last.endswith("**") else f"{last.rstrip('*')}**"
    return f"{head}{separator}{last}"


def _continues(previous: str, line: str) -> bool:
    """Whether `line` is a further line of the paragraph that `previous` ends."""
    last = previous.rpartition(LINE_SEPARATOR)[2]
    return bool(
        last.strip()
        and line.strip()
        and not _FENCE.match(last)
        and not _NO_PARAGRAPH.match(last)
        and not _BLOCK_START.match(line)
    )
