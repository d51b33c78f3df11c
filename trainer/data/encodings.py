"""Which encoding bytes are written in that are no UTF-8: told to a person, and never used to read them.

Bytes of one encoding often decode in another one too, into characters that nobody writes. A wrong name would come with
a command that destroys the file, so that one is given only where the text itself speaks for it.
"""

from __future__ import annotations

import re
from codecs import getincrementaldecoder
from dataclasses import dataclass
from functools import cache

_MARKS = (  # the longer ones first: UTF-32's begins as UTF-16's
    (b"\xff\xfe\0\0", "UTF-32"),
    (b"\0\0\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)
_ISO_2022 = (b"\x1b$B", b"\x1b$@", b"\x1b(J")
_ASCII = bytes(range(128))
_ALONE = re.compile(rb"(?<![\x80-\xff])[\x80-\xff](?![\x80-\xff])")
_WRITTEN = re.compile("[\u00a0-\u024f\u0370-\u03ff\u2010-\u22ff\u3000-\u9fff\uff00-\uffef]")
_KANA = re.compile("[ぁ-ん]|[ァ-ヶー]{2}")
_KANA_AND_MARKS = re.compile("[ぁ-んァ-ヶー、。]")
_TWO_BYTES = re.compile("[^\0-\x7f｡-ﾟ\ufffd]{2,}")
_HALF_WIDTH = re.compile("[｡-ﾟ]")
_VOICED = re.compile("[ｳｶ-ﾄﾊ-ﾎ]ﾞ|[ﾊ-ﾎ]ﾟ")
_ENGLISH_AND_KANA = re.compile("[\t\n\r -~\u3000-\u30ff\uff00-\uff5e]")
_IDEOGRAPHS = re.compile("[\u4e00-\u9fff\ue000-\uf8ff\ufffd]")
_NEARLY_ALL, _FEW = 0.8, 0.02
_SOME = 4  # ideographs side by side, where there are no kana


@dataclass(frozen=True)
class Encoding:
    name: str
    """As people call it."""
    iconv: str
    """As iconv calls it."""
    sure: bool = True


def marked(beginning: bytes) -> Encoding | None:
    """By the mark that a file begins with."""
    return next((Encoding(name, name) for mark, name in _MARKS if beginning.startswith(mark)), None)


def escaped(text: bytes) -> Encoding | None:
    """ISO-2022-JP, which is ASCII with escapes and thus valid UTF-8."""
    return Encoding("ISO-2022-JP", "ISO-2022-JP") if any(mark in text for mark in _ISO_2022) else None


def recognised(sample: bytes, *, cut: bool) -> Encoding | None:
    """That of bytes from a file's beginning which are no UTF-8, or hold NUL; `cut` says that the file goes on.

    None for UTF-8 with broken bytes, and where nothing speaks for one of the encodings known here.
    """
    if b"\0" in sample and (found := _without_mark(sample)):
        return found
    high = len(sample.translate(None, _ASCII))
    valid = _WRITTEN.findall(sample.decode("utf-8", "ignore"))
    if 2 * sum(len(character.encode()) for character in valid) > high:
        return None
    if _is_japanese(text := _decoded(sample, "euc_jp", cut)):
        # Chinese in GB 2312 decodes as EUC-JP too, but without kana.
        return Encoding("EUC-JP", "EUC-JP") if _KANA.search(text) else None
    if _is_japanese(_decoded(sample, "cp932", cut)):
        return Encoding("Shift_JIS", "CP932")
    # Letters with accents and curly quotation marks stand alone among ASCII; bytes of other scripts stand together.
    if 2 * len(_ALONE.findall(sample)) > high:
        return Encoding("Windows-1252", "CP1252", sure=False)
    return None


def _is_japanese(text: str) -> bool:
    written = sum(not character.isascii() for character in text)
    kana = bool(_KANA.search(text))
    first_level = len(_first_level().findall(text))
    usual = len(_KANA_AND_MARKS.findall(text)) + first_level
    unusual = len(_IDEOGRAPHS.findall(text)) - first_level
    half_width = len(_HALF_WIDTH.findall(text))
    if _VOICED.search(text):  # which Thai and Russian bytes do not give where they look like half-width kana
        usual += half_width
        kana = kana or half_width > 1
    if usual <= unusual or text.count("\ufffd") > _FEW * written:
        return False
    # A Western character and the ASCII behind it look like one ideograph; Japanese words have several.
    together = sum(map(len, _TWO_BYTES.findall(text)))
    return kana or (together >= _SOME and 2 * together > written)


@cache
def _first_level() -> re.Pattern[str]:
    """The ideographs of JIS X 0208's first level, which are the common ones (rows 16 to 47)."""
    rows = (bytes((row, cell)) for row in range(0xB0, 0xD0) for cell in range(0xA1, 0xFF))
    return re.compile(f"[{''.join(one.decode('euc_jp', 'ignore') for one in rows)}]")


def _decoded(sample: bytes, codec: str, cut: bool) -> str:
    """Without a character at the end that was cut; broken bytes are U+FFFD."""
    return getincrementaldecoder(codec)("replace").decode(sample, final=not cut)


def _without_mark(sample: bytes) -> Encoding | None:
    """UTF-16 or UTF-32, if nearly all of it is what English and Japanese are written with in one of them."""
    found = {}
    for bits, order in ((32, "LE"), (32, "BE"), (16, "LE"), (16, "BE")):
        try:
            text = getincrementaldecoder(f"utf-{bits}-{order.lower()}")().decode(sample)
        except UnicodeDecodeError:
            continue
        if "\n" in text or b"\n" not in sample:
            usual = len(_ENGLISH_AND_KANA.findall(text)) + len(_first_level().findall(text))
            found[usual / max(1, len(text))] = Encoding(f"UTF-{bits} without a byte order mark", f"UTF-{bits}{order}")
    share = max(found, default=0)
    return found[share] if share > _NEARLY_ALL else None
