"""Questions that are kept out of the training data, and where they stand in it nevertheless."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from app.core.errors import InputError
from evaluation.leakage.forms import compact, folded
from trainer.data.lines import Undecodable, numbered_lines

_WINDOW = 8
_STRIDE = 8
"""Of a text, a window is looked up every so many characters. Each question has as many windows in the table, one
after another, so that one of them is met wherever the question stands."""


class HeldOut(msgspec.Struct, frozen=True):
    """One line of a held-out file."""

    id: str
    question: str


def read_held_out(paths: Sequence[Path]) -> list[HeldOut]:
    """Raises InputError that names the file and line at fault: a question without a letter or digit included, and a
    file without a question, since a check that looks for nothing finds nothing."""
    return [item for path in paths for item in _read(path)]


def _read(path: Path) -> list[HeldOut]:
    items = []
    for number, line in numbered_lines(path):
        if isinstance(line, Undecodable):
            raise InputError(f"{path}, line {number}: {line}.")
        try:
            item = msgspec.json.decode(line, type=HeldOut)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise InputError(f"{path}, line {number}: {error}.") from error
        if not form_of(item.question):
            raise InputError(f"{path}, line {number}: the question is empty.")
        items.append(item)
    if not items:
        raise InputError(f"{path}: there is no question in it.")
    return items


def form_of(text: str) -> str:
    """Letters and digits only, case-folded and in NFKC: other punctuation or spacing does not hide a question."""
    return compact(folded(text))


class Finder:
    """Finds which of many questions stand in a text, in one pass over it."""

    def __init__(self, held_out: Sequence[HeldOut]) -> None:
        self._short: list[tuple[str, HeldOut]] = []
        self._sparse: dict[str, list[tuple[int, str, HeldOut]]] = defaultdict(list)
        self._dense: dict[str, list[tuple[int, str, HeldOut]]] = defaultdict(list)
        for item in held_out:
            form = form_of(item.question)
            spare = len(form) - (_WINDOW + _STRIDE - 1)
            if len(form) < _WINDOW:
                self._short.append((form, item))
            elif spare < 0:
                self._dense[form[:_WINDOW]].append((0, form, item))
            else:
                # Of the middle: questions begin and end alike.
                for at in range(spare // 2, spare // 2 + _STRIDE):
                    self._sparse[form[at : at + _WINDOW]].append((at, form, item))

    def found(self, text: str) -> Iterator[HeldOut]:
        """Each question that is in the text, once."""
        form = form_of(text)
        found = {item for question, item in self._short if question in form}
        for table, stride in ((self._sparse, _STRIDE), (self._dense, 1)):
            if not table:
                continue
            for place in range(0, len(form) - _WINDOW + 1, stride):
                for at, question, item in table.get(form[place : place + _WINDOW], ()):
                    if place >= at and form.startswith(question, place - at):
                        found.add(item)
        yield from sorted(found, key=lambda item: item.id)


def held_out_in(passages: Iterable[Iterable[str]], held_out: Sequence[HeldOut]) -> Iterator[tuple[int, HeldOut]]:
    """(number of a document from 0, question) of each question in a passage of it; equal passages are looked at once.

    A question that runs from one passage into the next is not in either.
    """
    if not held_out:
        return
    finder = Finder(held_out)
    seen: set[str] = set()
    for number, document in enumerate(passages):
        for passage in document:
            if passage not in seen:
                seen.add(passage)
                yield from ((number, item) for item in finder.found(passage))
