"""The check that nothing the model will be examined on is in what it is trained on.

Two kinds of questions are looked for: held-out ones, which must not occur at all, in whatever punctuation, spacing,
case and width; and those of benchmarks on the disk, by `evaluation.leakage`, which also finds a question of which a
part was changed. In conversations it is known what one message says, so that a short question is found there by itself.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from app.core.errors import CheckRefused
from app.core.language import Language
from trainer.data.documents import Document, Record
from trainer.data.held_out import HeldOut, form_of, held_out_in

if TYPE_CHECKING:
    from evaluation.leakage.pieces import Exchange, Text
    from evaluation.leakage.questions import TaskQuestions

ALLOW = "allow_leakage"


@dataclass(frozen=True)
class Leak:
    """A question that stands in a record of the training data."""

    question: str
    """Its id, with its task and language where it is a benchmark's."""
    place: str
    """File and line: of the question in a text, or of its record."""
    share: float = 1.0
    """Of the question that is there."""
    answered: bool = False
    """Whether its answer stands beside it; only told for benchmarks."""

    def __str__(self) -> str:
        share = "" if self.share == 1 else f" ({self.share:.0%} of it{', with its answer' if self.answered else ''})"
        return f"{self.question} in {self.place}{share}"


@dataclass(frozen=True)
class Leakage:
    """What a check found."""

    searched: int
    """Questions that were looked for."""
    held_out: tuple[Leak, ...]
    benchmarks: tuple[Leak, ...]
    overlapping: int = 0
    """Questions of benchmarks of which less than half stands in a record: words in common."""
    not_searched: int = 0
    """Questions of benchmarks that are too short, or too much like others, to be told."""
    with_options: int = 0
    """Questions so short that a text is found to hold them only with all their options beside them."""
    tasks: tuple[TaskQuestions, ...] = ()
    """What of each benchmark was looked for, and what could not be."""

    @property
    def leaks(self) -> tuple[Leak, ...]:
        return self.held_out + self.benchmarks

    def refusal(self) -> CheckRefused | None:
        """What to say to a person who is about to train on them."""
        if self.held_out:
            more = f" (and {len(self.leaks) - 1:,} more questions in others)" if len(self.leaks) > 1 else ""
            first = self.held_out[0]
            return CheckRefused(
                f"the held-out question {first.question} occurs in {first.place} of the training data{more}; take it "
                f"out, or a score on it says nothing."
            )
        if self.benchmarks:
            many = len(self.benchmarks)
            what = "1 question of a benchmark is" if many == 1 else f"{many:,} questions of benchmarks are"
            return CheckRefused(
                f"{what} in the training data, such as {self.benchmarks[0]}; take them out, or set {ALLOW}: true and "
                "never report a score on them."
            )
        return None


@dataclass(frozen=True)
class Benchmarks:
    """Where questions of benchmarks lie that the data is searched for."""

    folder: Path
    task: str | None = None
    """None: every benchmark that is in the folder."""
    language: Language | None = None


def search(records: Sequence[Record], held_out: Sequence[HeldOut], benchmarks: Sequence[Benchmarks]) -> Leakage:
    """Every held-out question, and every question of `benchmarks`, that is in the records.

    Raises InputError for a folder without a benchmark, and for a benchmark in it that cannot be read.
    """
    found = tuple(_held_out(records, held_out))
    if not benchmarks:
        return Leakage(len(held_out), found, ())
    from evaluation.leakage.findings import find
    from evaluation.leakage.index import Index
    from evaluation.leakage.questions import ALL, questions

    asked = [questions(one.folder, one.task or ALL, one.language) for one in benchmarks]
    # What is asked during the training may be among the benchmarks too.
    items = {(item.task, item.language, item.id): item for some in asked for item in some.items}
    index = Index(tuple(items.values()))
    findings = find(index, (_text(number, record) for number, record in enumerate(records)))
    leaked = sorted((one for one in findings if one.leaked), key=lambda one: (int(one.file), one.line))
    return Leakage(
        searched=len(held_out) + index.items,
        held_out=found,
        benchmarks=tuple(
            Leak(
                f"{one.task} {one.id} ({one.language})",
                records[int(one.file)].place_after(one.line),
                one.share,
                one.answered,
            )
            for one in leaked
        ),
        overlapping=len(findings) - len(leaked),
        not_searched=len(index.untold.short) + len(index.untold.common),
        with_options=index.with_options,
        tasks=tuple({(one.task, one.language): one for some in asked for one in some.tasks}.values()),
    )


def _text(number: int, record: Record) -> Text:
    """The number of a record stands for its file, and lines are counted from 0: the record says which line that is."""
    from evaluation.leakage.pieces import Text

    return Text(record.document.whole(), str(number), 0, running=True, exchanges=tuple(_exchanges(record.document)))


def _exchanges(document: Document) -> Iterator[Exchange]:
    """Each message of a person with the one that follows it, if the assistant answers in that."""
    from evaluation.leakage.pieces import Exchange

    for number, message in enumerate(document.messages):
        if message.role == "user":
            following = document.messages[number + 1 : number + 2]
            answer = following[0].content if following and following[0].role == "assistant" else ""
            yield Exchange(message.content, answer)


def _held_out(records: Sequence[Record], held_out: Sequence[HeldOut]) -> Iterator[Leak]:
    """The records come in their order, so that the lines of each text are counted once."""
    lines: tuple[int, _Lines] | None = None
    for number, item in held_out_in((record.document.passages() for record in records), held_out):
        record = records[number]
        if record.document.text is None:
            yield Leak(item.id, record.place)
            continue
        if lines is None or lines[0] != number:
            lines = number, _Lines(record.document.text)
        yield Leak(item.id, record.place_after(lines[1].before(item)))


@dataclass(frozen=True)
class _Lines:
    """Where a held-out question stands in a text."""

    text: str

    @cached_property
    def _forms(self) -> list[str]:
        return [form_of(line) for line in self.text.split("\n")]

    @cached_property
    def _form(self) -> str:
        return "".join(self._forms)

    @cached_property
    def _ends(self) -> list[int]:
        return list(accumulate(map(len, self._forms)))

    def before(self, item: HeldOut) -> int:
        """Line breaks before the question; 0 where a letter is put together across a line break."""
        place = self._form.find(form_of(item.question))
        return bisect_right(self._ends, place) if place >= 0 else 0


def check_leakage(documents: Iterable[Document], held_out: Sequence[HeldOut]) -> None:
    """Raises CheckRefused if a held-out question occurs in the training data."""
    for number, item in held_out_in((document.passages() for document in documents), held_out):
        raise CheckRefused(f"the held-out question {item.id} occurs in record {number + 1} of the training data.")
