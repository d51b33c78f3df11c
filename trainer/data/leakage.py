"""The check that nothing the model will be examined on is in what it is trained on.

Two kinds of questions are looked for: held-out ones, which must not occur at all, in whatever punctuation, spacing,
case and width; and those of benchmarks on the disk, by `evaluation.leakage`, which also finds a question of which a
part was changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.core.errors import CheckRefused
from trainer.data.documents import Document, Record
from trainer.data.held_out import HeldOut, held_out_in

ALLOW = "allow_leakage"


@dataclass(frozen=True)
class Leak:
    """A question that stands in a record of the training data."""

    question: str
    """Its id, with its task and language where it is a benchmark's."""
    place: str
    """File and line of the record."""
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


def search(records: Sequence[Record], held_out: Sequence[HeldOut], tasks: Path | None) -> Leakage:
    """Every held-out question, and every question of a benchmark in the folder `tasks`, that is in the records.

    Raises InputError for a folder without a benchmark.
    """
    passages = (record.document.passages() for record in records)
    found = tuple(Leak(item.id, records[number].place) for number, item in held_out_in(passages, held_out))
    if tasks is None:
        return Leakage(len(held_out), found, ())
    from evaluation.leakage.findings import benchmark_items, find
    from evaluation.leakage.index import Index
    from evaluation.leakage.pieces import Text

    index = Index(benchmark_items(tasks))
    findings = find(index, (Text(r.document.whole(), r.file, r.line, running=r.running) for r in records))
    leaked = [one for one in findings if one.leaked]
    return Leakage(
        searched=len(held_out) + index.items,
        held_out=found,
        benchmarks=tuple(
            Leak(f"{one.task} {one.id} ({one.language})", f"{one.file}, line {one.line}", one.share, one.answered)
            for one in leaked
        ),
        overlapping=len(findings) - len(leaked),
        not_searched=len(index.untold.short) + len(index.untold.common),
    )


def check_leakage(documents: Iterable[Document], held_out: Sequence[HeldOut]) -> None:
    """Raises CheckRefused if a held-out question occurs in the training data."""
    for number, item in held_out_in((document.passages() for document in documents), held_out):
        raise CheckRefused(f"the held-out question {item.id} occurs in record {number + 1} of the training data.")
