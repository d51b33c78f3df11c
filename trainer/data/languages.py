"""In which language a document is written."""

from __future__ import annotations

from app.core.language import Language
from evaluation.scoring import is_in_language
from trainer.data.documents import Document

_LOOKED_AT = 2000


def language_of(document: Document) -> Language | None:
    """Told by script from the first characters; None for a mixture, another script, or no word at all."""
    text = ""
    for passage in document.passages():
        text += passage[: _LOOKED_AT - len(text)] + "\n"
        if len(text) >= _LOOKED_AT:
            break
    if not text.isascii() and is_in_language(text, "ja"):
        return "ja"
    return "en" if is_in_language(text, "en") else None
