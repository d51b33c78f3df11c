"""Short questions as a person asks them in a conversation, where it is known what one message says.

In running text a short question counts only with all its options beside it, since others ask the same with options of
their own. A message that is nothing but the question is that question, and so is one that ends with it, in lines of
their own behind an instruction, where the answer to it follows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from evaluation.items import Item
from evaluation.leakage.forms import compact, folded, spaced
from evaluation.leakage.pieces import Exchange
from evaluation.leakage.texts import Target

_STRETCH = 8
"""A line that blanks and marks make longer than so many times the longest question is none."""


class Asked:
    """Built once from the texts of all questions; knows those that are told by their options."""

    def __init__(self, targets: Sequence[Target]) -> None:
        self._targets: dict[str, list[Target]] = defaultdict(list)
        for target in targets:
            if target.telling == "options":
                self._targets[compact(folded(target.items[0].question))].append(target)
        self._longest = max(map(len, self._targets), default=0)

    def found(self, exchange: Exchange) -> Iterator[tuple[Item, bool]]:
        """Each question that a message asks, and whether the texts of all its right options stand in the answer.

        Where several questions have the same text and other answers, only those whose answer follows.
        """
        for form, whole in self._endings(exchange.question.strip()):
            for target in self._targets.get(form, ()):
                alone = whole and len({frozenset(_right(item)) for item in target.items}) == 1
                for item in target.items:
                    answered = _is_answered(item, exchange.answer)
                    if answered or alone:
                        yield item, answered

    def _endings(self, message: str) -> Iterator[tuple[str, bool]]:
        """What the last line says, the last two, and so on, and whether that is all of the message."""
        form, end = "", len(message)
        while end > 0:
            begin = message.rfind("\n", 0, end) + 1
            if end - begin > _STRETCH * self._longest:
                return
            line = compact(folded(message[begin:end]))
            form = line + form
            if len(form) > self._longest:
                return
            if line:
                yield form, begin == 0
            end = begin - 1


def _is_answered(item: Item, answer: str) -> bool:
    """Whether the texts of all right options of a question stand in an answer."""
    if not item.answers:
        return False
    form = spaced if item.language == "en" else compact
    said = form(folded(answer))
    return all(form(folded(item.options[position])) in said for position in item.answers)


def _right(item: Item) -> Iterator[str]:
    return (compact(folded(item.options[position])) for position in item.answers)
