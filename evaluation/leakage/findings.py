"""Which questions of benchmarks a training set holds: the one function behind the command and the trainer."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from app.core.language import Language
from evaluation.leakage.index import Index, Match
from evaluation.leakage.pieces import Text


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One question, where most of it stands."""

    task: str
    language: Language
    id: str
    leaked: bool
    """False: it only overlaps."""
    share: float
    """Of its n-grams, from 0 to 1, in that text; 1 for a short question that is there as a whole."""
    answered: bool
    """Whether its right options stand beside it."""
    file: str
    line: int
    texts: int
    """In how many texts it is leaked; where it is not, in how many something of it stands. A long document is cut into
    several texts."""

    def __str__(self) -> str:
        answer = ", with its answer" if self.answered else ""
        return f"{self.task} {self.id} ({self.language}): {self.file}, line {self.line}: {self.share:.0%}{answer}"


def find(index: Index, texts: Iterable[Text]) -> tuple[Finding, ...]:
    """Of every question of which something stands in the texts: leaked ones first, then by file and line.

    Memory grows with the questions, not with the texts.
    """
    best: dict[tuple[str, Language, str], Finding] = {}
    for text, matches in index.scan(texts):
        for match in matches:
            key = (match.item.task, match.item.language, match.item.id)
            best[key] = _better(best.get(key), _finding(text, match))
    return tuple(sorted(best.values(), key=lambda one: (not one.leaked, one.file, one.line, one.task, one.id)))


def _finding(text: Text, match: Match) -> Finding:
    return Finding(
        task=match.item.task,
        language=match.item.language,
        id=match.item.id,
        leaked=match.leaked,
        share=match.share,
        answered=match.answered,
        file=text.file,
        line=text.line + (match.line_breaks if text.running else 0),
        texts=1,
    )


def _better(old: Finding | None, new: Finding) -> Finding:
    if old is None:
        return new
    texts = old.texts + 1 if old.leaked == new.leaked else max(old, new, key=lambda one: one.leaked).texts
    best = max(old, new, key=lambda one: (one.leaked, one.answered, one.share))
    return msgspec.structs.replace(best, texts=texts)


def refusal(findings: Iterable[Finding]) -> str | None:
    """What to say to a person who is about to train on them; None if nothing is leaked."""
    leaked = [one for one in findings if one.leaked]
    if not leaked:
        return None
    questions = "1 question of a benchmark is" if len(leaked) == 1 else f"{len(leaked):,} questions of benchmarks are"
    return (
        f"{questions} in the training data, such as {leaked[0]}; take them out, or the model's score on them "
        "says nothing."
    )
