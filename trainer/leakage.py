"""The check that nothing the model will be examined on is in what it is trained on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from app.core.errors import CheckRefused, InputError
from evaluation.scoring import bare
from trainer.documents import Document


class HeldOut(msgspec.Struct, frozen=True):
    """One line of a held-out file."""

    id: str
    question: str


def read_held_out(paths: Sequence[Path]) -> list[HeldOut]:
    """Raises InputError that names the file and line at fault, a question without a letter or digit included."""
    return [item for path in paths for item in _read(path)]


def find_leak(documents: Iterable[Document], held_out: Sequence[HeldOut]) -> tuple[HeldOut, int] | None:
    """The first held-out question that stands in a passage, with the number (from 1) of its document.

    Compared are letters and digits only, case-folded and in NFKC: other punctuation or spacing does not hide a leak.
    """
    forms = {bare(item.question): item for item in held_out}
    seen: set[str] = set()
    for number, document in enumerate(documents, 1):
        for passage in document.passages():
            form = bare(passage)
            if form in seen:
                continue
            seen.add(form)
            for question, item in forms.items():
                if question in form:
                    return item, number
    return None


def check_leakage(documents: Iterable[Document], held_out: Sequence[HeldOut]) -> None:
    """Raises CheckRefused if a held-out question occurs in the training data."""
    if leak := find_leak(documents, held_out):
        item, number = leak
        raise CheckRefused(f"the held-out question {item.id} occurs in record {number} of the training data.")


def _read(path: Path) -> list[HeldOut]:
    items = []
    for number, line in enumerate(path.read_bytes().split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            item = msgspec.json.decode(line, type=HeldOut)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise InputError(f"{path}, line {number}: {error}.") from error
        if not bare(item.question):
            raise InputError(f"{path}, line {number}: the question is empty.")
        items.append(item)
    return items
