"""The score card: each split by itself, with the interval that its few items allow, and never one number for all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from app.core.errors import InputError
from app.core.files import write_atomically
from app.core.language import Language
from evaluation.demo.results import Result
from evaluation.demo.task import Split, Task
from evaluation.statistics import wilson


class ScoredModel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    file: str
    sha256: str
    """Of the whole file, chat template included."""
    description: str
    """llama.cpp's own line: architecture, size class, quantization."""


class ScoringEngine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    llama_cpp_commit: str
    llama_cpp_python: str


class SplitScore(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    description: str
    seen_in_training: bool
    n: int
    right: int
    accuracy: float | None
    """right / n; None without items."""
    interval_95: tuple[float, float] | None
    """Wilson's 95 % interval of the accuracy, as if the items were a sample of independent ones."""
    chance: float | None
    """The accuracy of guessing, where guessing is possible."""
    wrong_language: int
    cut_off: int
    """Answers that ran into the limit of tokens; they are judged as they stand."""
    empty: int


class ScoreCard(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Holds no date and no time, so that scoring the same file again gives the same card."""

    format: Literal["inro-score-card/1"] = "inro-score-card/1"
    task: str
    data_sha256: str
    """Of the items and of what they are judged by."""
    language: Language
    model: ScoredModel
    engine: ScoringEngine
    sampling: Literal["greedy"] = "greedy"
    max_tokens: int
    splits: tuple[SplitScore, ...]


def score_card(
    task: Task, language: Language, model: ScoredModel, engine: ScoringEngine, results: Iterable[Result]
) -> ScoreCard:
    results = tuple(results)
    return ScoreCard(
        task=task.name,
        data_sha256=task.fingerprint(language),
        language=language,
        model=model,
        engine=engine,
        max_tokens=task.max_tokens,
        splits=tuple(split_score(split, results) for split in task.splits),
    )


def split_score(split: Split, results: Sequence[Result]) -> SplitScore:
    own = [result for result in results if result.split == split.name]
    right = sum(result.right for result in own)
    interval = wilson(right, len(own))
    return SplitScore(
        name=split.name,
        description=split.description,
        seen_in_training=split.seen_in_training,
        n=len(own),
        right=right,
        accuracy=right / len(own) if own else None,
        interval_95=(interval.low, interval.high) if interval else None,
        chance=split.chance,
        wrong_language=sum(result.wrong_language for result in own),
        cut_off=sum(result.finish_reason == "length" for result in own),
        empty=sum(not result.answer.strip() for result in own),
    )


def card_path(folder: Path) -> Path:
    return folder / "score_card.json"


def write_card(path: Path, card: ScoreCard) -> None:
    write_atomically(path, msgspec.json.format(msgspec.json.encode(card), indent=2) + b"\n")


def read_card(path: Path) -> ScoreCard:
    """Raises InputError for a file that is no score card of this version."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=ScoreCard)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{path} is not a valid score card: {error}.") from error


def shortfalls(card: ScoreCard, required: dict[str, float]) -> list[str]:
    """A sentence for each split whose accuracy is below what is required of it; a split without items is below."""
    splits = {split.name: split for split in card.splits}
    return [
        f"{name}: {splits[name].right} of {splits[name].n} right, but at least {least:.1%} is required."
        for name, least in required.items()
        if splits[name].right < least * splits[name].n or not splits[name].n
    ]


# --- for the terminal -------------------------------------------------------------------------------------------------

_HEADINGS = ("split", "right", "accuracy", "95 % interval", "guessing", "wrong language", "cut off", "empty")


def table(card: ScoreCard) -> str:
    """The card for a person, with the sentences without which its numbers would mislead."""
    head = f"{card.task} ({card.language}) · {card.model.file} · sha256 {card.model.sha256[:12]}"
    rows = [_HEADINGS, *map(_row, card.splits)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [_align(row, widths) for row in rows]
    return "\n".join([head, "", *lines, "", *_remarks(card)])


def _row(split: SplitScore) -> tuple[str, ...]:
    return (
        split.name,
        f"{split.right} / {split.n}",
        "-" if split.accuracy is None else f"{100 * split.accuracy:.1f} %",
        "-" if split.interval_95 is None else "{:.1f} - {:.1f} %".format(*(100 * end for end in split.interval_95)),
        "-" if split.chance is None else f"{100 * split.chance:.0f} %",
        str(split.wrong_language),
        str(split.cut_off),
        str(split.empty),
    )


def _align(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = (cell.ljust(width) if n == 0 else cell.rjust(width) for n, (cell, width) in _cells(row, widths))
    return "  ".join((first, *rest)).rstrip()


def _cells(row: Sequence[str], widths: Sequence[int]) -> enumerate[tuple[str, int]]:
    return enumerate(zip(row, widths, strict=True))


def _remarks(card: ScoreCard) -> list[str]:
    remarks = [f"{split.name}: {split.description}." for split in card.splits if split.n]
    remarks += [
        f"{split.name} is not shown to be better than guessing ({100 * split.chance:.0f} %)."
        for split in card.splits
        if split.chance is not None and split.interval_95 and split.interval_95[0] <= split.chance
    ]
    return remarks
