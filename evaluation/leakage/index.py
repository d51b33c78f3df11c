"""An index of questions, and what of them stands in any amount of text."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from app.core.language import Language
from evaluation.items import Item
from evaluation.leakage.exchanges import Asked
from evaluation.leakage.forms import SEPARATOR, Form, Hasher, Shaper, compact, folded, spaced
from evaluation.leakage.grams import Hit, Table, anchor_table, gram_table
from evaluation.leakage.pieces import Text, pieces
from evaluation.leakage.texts import SIZES, targets

LEAKED = 0.5
"""A question of which so many n-grams stand in one text is in it. Each word that was changed takes 13 of them away: a
copy with a few changes counts, and a turn of phrase does not. Between the public benchmarks, which share topics and
phrases, the highest share is 0.17."""

BATCH = 1 << 18
"""Characters of text that are looked at together."""

_NEAR = 4000
"""Characters before and after a question in which its options are looked for: choices, an explanation."""


@dataclass(frozen=True)
class Match:
    """What of one question stands in one text."""

    item: Item
    share: float
    """Of the question's n-grams, from 0 (excluded) to 1; 1 for a short question that is there as a whole."""
    leaked: bool
    """Whether that is the question, and not a turn of phrase that it shares."""
    answered: bool
    """Whether the texts of all its right options stand near it too. A short option may be there by chance."""
    line_breaks: int
    """In the text, before the first part that was found."""


@dataclass(frozen=True)
class Untold:
    """Questions that no training text can be said to hold."""

    short: tuple[Item, ...]
    """They have too few words or characters."""
    common: tuple[Item, ...]
    """Every n-gram of theirs is in many questions."""


class Index:
    """Built once from questions of any tasks and languages; then any amount of text is looked through.

    Memory: about 100 bytes for each word (English) or character (Japanese) of the questions, whatever the amount of
    text. Raises InputError for too many questions.
    """

    def __init__(self, items: Sequence[Item]) -> None:
        self._shaper, self._hasher = Shaper(), Hasher()
        self._targets, short = targets(items, self._shaper)
        self._grams: list[Table] = []
        self._anchors: list[Table] = []
        self._counts: dict[int, int] = {}
        common: list[Item] = []
        languages: tuple[Language, ...] = tuple(SIZES)
        for language in languages:
            grams = gram_table(self._targets, language, self._hasher)
            self._counts |= grams.counts
            common += (item for number in grams.common for item in self._targets[number].items)
            self._grams += [grams.table] if grams.table else []
            anchors = anchor_table(self._targets, language, self._hasher)
            self._anchors += [anchors] if anchors else []
        self._asked = Asked(self._targets)
        self.items = len(items)
        self.with_options = sum(len(one.items) for one in self._targets if one.telling == "options")
        """Questions so short that a text holds them only with all their options beside them."""
        self.untold = Untold(tuple(short), tuple(common))
        self.longest = max((len(one.text) for one in self._targets), default=0)
        """Kept characters of the longest question."""

    def matches(self, text: str) -> tuple[Match, ...]:
        """Every question of which something stands in `text`; of a long text, what one piece of it has most of."""
        best: dict[tuple[str, Language, str], Match] = {}
        for _, found in self.scan([Text(text, "", 1)]):
            for one in found:
                key = (one.item.task, one.item.language, one.item.id)
                best[key] = max(best.get(key, one), one, key=lambda match: (match.leaked, match.answered, match.share))
        return tuple(best.values())

    def scan(self, texts: Iterable[Text]) -> Iterator[tuple[Text, tuple[Match, ...]]]:
        """Each text, or piece of a long one, in which something was found.

        Memory: 60 bytes for each of about a million characters. Short texts are looked at together, which is many times
        faster than one by one.
        """
        batch: list[tuple[Text, str]] = []
        size = 0
        for one in texts:
            if asked := tuple(self._asked_in(one)):
                yield one, asked
            for piece in pieces(one, self.longest):
                batch.append((piece, folded(piece.text)))
                size += len(batch[-1][1]) + 1
                if size >= BATCH:
                    yield from self._scanned(batch)
                    batch, size = [], 0
        yield from self._scanned(batch)

    def _asked_in(self, text: Text) -> Iterator[Match]:
        for exchange in text.exchanges:
            for item, answered in self._asked.found(exchange):
                yield Match(item=item, share=1.0, leaked=True, answered=answered, line_breaks=0)

    def _scanned(self, batch: Sequence[tuple[Text, str]]) -> Iterator[tuple[Text, tuple[Match, ...]]]:
        import numpy as np

        form = self._shaper.form(SEPARATOR.join(text for _, text in batch))
        begins = np.cumsum([0, *(len(text) + 1 for _, text in batch)])
        hits = list(self._hits(form))
        numbers = np.searchsorted(begins, form.places[[hit.first for hit in hits]], side="right") - 1 if hits else ()
        found: dict[int, dict[int, list[Hit]]] = defaultdict(lambda: defaultdict(list))
        for hit, number in zip(hits, map(int, numbers), strict=True):
            found[number][hit.target].append(hit)
        for number, by_target in sorted(found.items()):
            text, form_of_text = batch[number]
            matches: list[Match] = []
            for target, hits in by_target.items():
                first = int(form.places[min(hit.first for hit in hits)] - begins[number])
                last = int(form.places[max(hit.end for hit in hits) - 1] - begins[number])
                passage = _Passage(form_of_text, first, last)
                matches += self._judged(target, {hit.part for hit in hits}, passage)
            if matches:
                yield text, tuple(matches)

    def _hits(self, form: Form) -> Iterator[Hit]:
        sums = self._hasher.sums(form.codes)
        for table in self._grams:
            yield from table.hits(form, sums, self._hasher)
        for table in self._anchors:
            for hit in table.hits(form, sums, self._hasher):
                if (where := table.whole(hit, form)) is not None:
                    yield replace(hit, first=where[0], end=where[1])

    def _judged(self, number: int, parts: set[int], passage: _Passage) -> Iterator[Match]:
        target = self._targets[number]
        share = len(parts) / self._counts[number] if target.telling == "grams" else 1.0
        for item in target.items:
            there = passage.options(item)
            if target.telling == "options" and not all(there):
                continue
            yield Match(
                item=item,
                share=share,
                leaked=share >= LEAKED,
                answered=bool(item.answers) and all(there[answer] for answer in item.answers),
                line_breaks=passage.text.count("\n", 0, passage.first),
            )


@dataclass(frozen=True)
class _Passage:
    """Where in a folded text something of a question stands."""

    text: str
    first: int
    last: int

    def options(self, item: Item) -> list[bool]:
        """Which of an item's options stand near it."""
        near = self.text[max(0, self.first - _NEAR) : self.last + _NEAR]
        form = spaced if item.language == "en" else compact
        passage = form(near)
        return [form(folded(option)) in passage for option in item.options]
