"""The form in which texts are compared, and hashes of its parts.

A text is put into NFKC and case-folded, and only its letters, digits and ideographs are kept: neither white space, line
breaks, punctuation, case nor full or half width hides a question. GPT-4's check dropped spaces and symbols too (GPT-4
Technical Report, arXiv 2303.08774, appendix C), and GPT-3's ignored punctuation, white space and case (arXiv
2005.14165, appendix C). Words end where something was dropped; each Japanese character is a word of its own.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy import ndarray

    Codes = ndarray[Any, Any]
    """Unicode code points, uint32."""
    Places = ndarray[Any, Any]
    """Positions, int64."""
    Hashes = ndarray[Any, Any]
    """uint64."""

SEPARATOR = "\0"
"""Stands between texts that are hashed together. It is kept, and no text has one, so no part reaches across."""

_DROPPED, _KEPT, _ALONE = 0, 1, 2
_UNICODE = 0x110000
# Kana, ideographs and their extensions: written without spaces.
_JAPANESE = (
    (0x3040, 0x3100),
    (0x31F0, 0x3200),
    (0x3400, 0x4DC0),
    (0x4E00, 0xA000),
    (0xF900, 0xFB00),
    (0x20000, 0x323B0),
)

_BASE = 0x9E3779B97F4A7C15  # odd, so that it has an inverse modulo 2 ** 64
_MIX = 0xBF58476D1CE4E5B9

_WORD = re.compile(r"[^\W_]+")


def folded(text: str) -> str:
    """NFKC and case-folded; a separator in it becomes a blank."""
    form = text if text.isascii() else unicodedata.normalize("NFKC", text)
    return form.casefold().replace(SEPARATOR, " ")


def compact(text: str) -> str:
    """The kept characters of a folded text."""
    return "".join(_WORD.findall(text))


def spaced(text: str) -> str:
    """The words of a folded text with one blank before and after each."""
    return f" {' '.join(_WORD.findall(text))} "


@dataclass(frozen=True)
class Form:
    """What of a folded text is compared."""

    codes: Codes
    """The kept characters."""
    places: Places
    """Where each of them stands in the folded text."""
    starts: Places
    """Where in `codes` each word begins, and, last, the length of `codes`."""

    @cached_property
    def text(self) -> str:
        """The kept characters: `text[i]` is `codes[i]`."""
        return str(self.codes.tobytes().decode("utf-32-le"))


class Shaper:
    """Makes forms. The table of what is kept takes a tenth of a second to make and a megabyte to hold."""

    def __init__(self) -> None:
        import numpy as np

        kinds = np.frombuffer(bytes(chr(code).isalnum() for code in range(_UNICODE)), np.uint8).copy()
        for first, end in _JAPANESE:
            kinds[first:end] *= _ALONE
        kinds[ord(SEPARATOR)] = _ALONE
        self._kinds = kinds

    def form(self, text: str) -> Form:
        """Of a folded text, or of several with separators between them."""
        import numpy as np

        # A lone surrogate, which JSON can bring, is nothing that is kept.
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
        kinds = self._kinds[codes]
        places = np.flatnonzero(kinds)
        kept = kinds[places]
        begins = kept == _ALONE
        if len(places):
            begins[0] = True
            begins[1:] |= np.diff(places) > 1
            begins[1:] |= kept[:-1] == _ALONE
        starts = np.append(np.flatnonzero(begins), len(places))
        return Form(codes[places], places, starts)


class Hasher:
    """Polynomial hashes modulo 2 ** 64 of any part of a form, after one pass over it.

    Equal parts have equal hashes. Different parts may too, by accident or by design: whoever finds one compares the
    texts.
    """

    def __init__(self) -> None:
        self._powers = self._inverses = _powers(_BASE, 0)

    def sums(self, codes: Codes) -> Hashes:
        """What `of` needs to know of a form: n + 1 sums."""
        import numpy as np

        if len(codes) > len(self._powers):
            self._powers = _powers(_BASE, len(codes))
            self._inverses = _powers(pow(_BASE, -1, 1 << 64), len(codes))
        mixed = codes.astype(np.uint64)
        mixed += np.uint64(1)
        mixed *= np.uint64(_MIX)
        mixed ^= mixed >> np.uint64(29)
        mixed *= self._powers[: len(codes)]
        sums = np.zeros(len(codes) + 1, np.uint64)
        np.cumsum(mixed, out=sums[1:])
        return sums

    def of(self, sums: Hashes, firsts: Places | slice, ends: Places | slice) -> Hashes:
        """Of the parts from each of `firsts` to before the end at the same place of `ends`."""
        hashes: Hashes = (sums[ends] - sums[firsts]) * self._inverses[firsts]
        return hashes


def _powers(base: int, count: int) -> Hashes:
    import numpy as np

    powers = np.full(count, base, np.uint64)
    powers[:1] = 1
    np.cumprod(powers, out=powers)
    return powers
