"""From a configuration to the documents that a recipe trains on: read, cleaned, searched for leaks, mixed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from app.core.errors import InputError
from trainer.config import MpeftConfig, TrainingConfig
from trainer.data.cleaning import Cleaned, Cleaning, clean
from trainer.data.documents import Record
from trainer.data.held_out import read_held_out
from trainer.data.items import ItemWords
from trainer.data.leakage import Benchmarks, Leakage, search
from trainer.data.lines import OnBytes
from trainer.data.mixture import Mixture, mix, text_amount
from trainer.data.reading import Reading, Source, passed_over, read_records, sources


@dataclass(frozen=True)
class TrainingData:
    """What one epoch reads, and what a run record says of it."""

    records: list[Record]
    """In the order of the files; one that is read twice stands in it twice."""
    files: tuple[Path, ...]
    held_out_files: tuple[Path, ...]
    questions: int
    """How many the data was searched for."""
    counts: dict[str, int]
    """What was left out and changed on the way, where it is not nothing."""


@dataclass
class Loaded:
    """Records of a configuration's files after cleaning, and what was met on the way."""

    files: list[Source]
    passed_over: list[Path]
    """Files in folders that are of no kind that can be read."""
    records: list[Record]
    reading: Reading
    cleaned: Cleaned = field(default_factory=Cleaned)

    def counts(self) -> dict[str, int]:
        """What is not nothing of what was left out or changed."""
        left_out = {"files_passed_over": len(self.passed_over), "left_out": self.reading.left_out.total()}
        return {name: count for name, count in (left_out | asdict(self.cleaned)).items() if count}


def load(config: TrainingConfig) -> TrainingData:
    """What a recipe trains on.

    Raises InputError naming the files and lines that cannot be used, and CheckRefused where a question that the model
    is examined on is in the data, unless the configuration allows it.
    """
    loaded = read(config)
    if refusal := loaded.reading.refusal():
        raise refusal
    if not loaded.records:
        raise InputError(f"{', '.join(config.data)}: there is no document in it{_why(loaded)}.")
    leakage = searched(loaded.records, config)
    if (leaked := leakage.refusal()) and not config.allow_leakage:
        raise leaked
    mixture = mixed(loaded.records, config)
    counts = loaded.counts()
    if leakage.leaks:
        counts["leaked_questions"] = len(leakage.leaks)
    return TrainingData(
        records=mixture.records,
        files=tuple(source.path for source in loaded.files),
        held_out_files=tuple(map(Path, config.held_out)),
        questions=leakage.searched,
        counts=counts,
    )


def read(config: TrainingConfig, on_bytes: OnBytes = lambda _: None) -> Loaded:
    """All usable records after cleaning; faults are noted, not raised."""
    files = sources(config.data, config.formats)
    cleaning = Cleaning.of(config)
    tuning = isinstance(config, MpeftConfig)
    words = ItemWords(config.template if isinstance(config, MpeftConfig) else None)
    reading = Reading(answered=tuning, whole_files=cleaning.join_lines, words=words, on_bytes=on_bytes)
    counts = Cleaned()
    records = clean(read_records(files, reading), cleaning, counts)
    return Loaded(files, passed_over(config.data), records, reading, counts)


def searched(records: list[Record], config: TrainingConfig) -> Leakage:
    """Raises InputError for a held-out file or a folder of benchmarks that cannot be used."""
    held_out = read_held_out([Path(name) for name in config.held_out])
    benchmarks = [Benchmarks(Path(config.leakage_tasks))] if config.leakage_tasks else []
    if config.evaluation_task and config.evaluation_data:
        benchmarks.append(Benchmarks(Path(config.evaluation_data), config.evaluation_task, config.evaluation_language))
    return search(records, held_out, benchmarks)


def mixed(records: list[Record], config: TrainingConfig) -> Mixture:
    """One epoch. Languages are balanced by the number of conversations, or by the amount of text of a corpus."""
    amount: Callable[[Record], int] = (lambda _: 1) if isinstance(config, MpeftConfig) else text_amount
    return mix(records, config.weights, balance=config.balance_languages, amount=amount, seed=config.seed)


def _why(loaded: Loaded) -> str:
    counts = loaded.counts()
    return f" ({', '.join(f'{name}: {count:,}' for name, count in counts.items())})" if counts else ""
