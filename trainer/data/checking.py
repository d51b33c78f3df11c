"""What a person must know of training data before paying for a GPU: everything that `inro-train check-data` says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field

import msgspec

from app.core.errors import InputError, UserFacingError
from app.core.language import Language
from evaluation.leakage.questions import TaskQuestions
from trainer.config import TrainingConfig, searches
from trainer.data.cleaning import text_digest
from trainer.data.documents import Document, Record
from trainer.data.formats import FaultKind
from trainer.data.languages import language_of
from trainer.data.leakage import Leak, Leakage
from trainer.data.lengths import Lengths, measure
from trainer.data.lines import OnBytes
from trainer.data.loading import Loaded, mixed, read, searched
from trainer.data.mixture import MUCH_REPEATED
from trainer.data.personal import Detector

MOST_NAMED = 100
"""Records of one kind that are named with file and line; all of them are counted."""


class FileReport(msgspec.Struct, frozen=True):
    name: str
    formats: dict[str, int]
    """Usable records of each format."""


class Pair(msgspec.Struct, frozen=True):
    """A record, and an earlier one that it repeats or contradicts."""

    place: str
    earlier: str


class Suspected(msgspec.Struct, frozen=True):
    """Something that looks like personal information; letters and digits masked."""

    kind: str
    place: str
    masked: str


class LanguageShare(msgspec.Struct, frozen=True):
    records: int
    characters: int


class LeakageReport(msgspec.Struct, frozen=True, kw_only=True):
    searched: int
    tasks: tuple[TaskQuestions, ...]
    """What of each benchmark was looked for, and what could not be."""
    not_searched: int
    with_options: int
    """Found in a text only with all their options beside them; in a conversation also as a message."""
    held_out: int
    benchmarks: int
    overlapping: int
    first: tuple[str, ...]


class DataReport(msgspec.Struct, frozen=True, kw_only=True):
    format: str = "inro-data-check/1"
    files: tuple[FileReport, ...]
    records: int
    """Usable ones, before cleaning."""
    kept: int
    """After cleaning."""
    epoch: int
    """Read in one epoch, after weights and balancing."""
    repeated: dict[Language, float]
    """How often balancing repeats the records of each language."""
    characters: int
    languages: dict[str, LanguageShare]
    """ja, en, and other: mixtures, other scripts, no word at all."""
    cleaning: dict[str, int]
    left_out: dict[str, int]
    faults: dict[FaultKind, int]
    faults_first: tuple[str, ...]
    lengths: Lengths | None
    duplicates: int
    duplicates_first: tuple[Pair, ...]
    contradictory: int
    contradictory_first: tuple[Pair, ...]
    personal: dict[str, int]
    personal_first: tuple[Suspected, ...]
    leakage: LeakageReport | None
    """None where the configuration names nothing to look for."""
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Check:
    report: DataReport
    refusals: tuple[UserFacingError, ...]
    """Why the recipe would not train on it, the gravest first."""


def check(config: TrainingConfig, on_bytes: OnBytes = lambda _: None) -> Check:
    """Raises InputError where a file cannot be read at all; what is wrong with records is in the report.

    Memory: the records, as a recipe holds them, and about 100 bytes each.
    """
    loaded = read(config, on_bytes)
    records = loaded.records
    refusals: list[UserFacingError] = []
    if refusal := loaded.reading.refusal():
        refusals.append(refusal)
    leakage = searched(records, config) if searches(config) else None
    if leakage and not config.allow_leakage and (leaked := leakage.refusal()):
        refusals.append(leaked)
    lengths = measure(records, config) if records else None
    if lengths and lengths.refused:
        refusals.append(InputError(f"{lengths.refused:,} records cannot be rendered: {lengths.refused_first}"))
    if not records:
        refusals.append(InputError(f"{', '.join(config.data)}: there is no document in it."))
    return Check(_report(config, loaded, lengths, leakage, refusals), tuple(refusals))


def _report(
    config: TrainingConfig,
    loaded: Loaded,
    lengths: Lengths | None,
    leakage: Leakage | None,
    refusals: list[UserFacingError],
) -> DataReport:
    records, reading = loaded.records, loaded.reading
    repeated: dict[Language, float] = {}
    epoch = len(records)
    try:
        mixture = mixed(records, config)
        epoch, repeated = len(mixture.records), mixture.repeated
    except InputError as error:
        refusals.append(error)
    said = _Said.of(records)
    personal = _Personal.of(records)
    return DataReport(
        files=tuple(FileReport(name, dict(formats)) for name, formats in reading.formats.items()),
        records=sum(formats.total() for formats in reading.formats.values()),
        kept=len(records),
        epoch=epoch,
        repeated={language: round(times, 3) for language, times in repeated.items()},
        characters=sum(_characters(record.document) for record in records),
        languages=_languages(records),
        cleaning={name: count for name, count in asdict(loaded.cleaned).items() if count},
        left_out=dict(reading.left_out),
        faults=dict(reading.faulty),
        faults_first=tuple(map(str, reading.faults[:MOST_NAMED])),
        lengths=lengths,
        duplicates=said.duplicates,
        duplicates_first=tuple(said.duplicates_first),
        contradictory=said.contradictory,
        contradictory_first=tuple(said.contradictory_first),
        personal=dict(personal.counts),
        personal_first=tuple(personal.first),
        leakage=_leakage(leakage) if leakage else None,
        warnings=tuple(_warnings(config, lengths, repeated)),
    )


def _characters(document: Document) -> int:
    return sum(map(len, document.passages()))


def _languages(records: Iterable[Record]) -> dict[str, LanguageShare]:
    counts: Counter[str] = Counter()
    characters: Counter[str] = Counter()
    for record in records:
        language = language_of(record.document) or "other"
        counts[language] += 1
        characters[language] += _characters(record.document)
    return {name: LanguageShare(counts[name], characters[name]) for name in ("ja", "en", "other") if counts[name]}


def _leakage(leakage: Leakage) -> LeakageReport:
    leaks: Sequence[Leak] = leakage.leaks
    return LeakageReport(
        searched=leakage.searched,
        tasks=leakage.tasks,
        not_searched=leakage.not_searched,
        with_options=leakage.with_options,
        held_out=len(leakage.held_out),
        benchmarks=len(leakage.benchmarks),
        overlapping=leakage.overlapping,
        first=tuple(map(str, leaks[:MOST_NAMED])),
    )


def _warnings(config: TrainingConfig, lengths: Lengths | None, repeated: dict[Language, float]) -> Iterable[str]:
    if lengths and lengths.unit == "characters":
        base = getattr(config, "base", None)
        why = f"the base {base} is not here" if base else "a new model's tokenizer is made when it is trained"
        yield f"lengths are in characters, since {why}"
    if not config.leakage_tasks:
        yield "benchmarks were not looked for; set leakage_tasks to the folder that holds them"
    for language, times in repeated.items():
        if times > MUCH_REPEATED:
            yield f"balancing reads the records in {language} {times:.1f} times an epoch, which adds little beyond 4"


@dataclass
class _Said:
    """Which records say again what an earlier one says, or answer its question otherwise."""

    duplicates: int = 0
    contradictory: int = 0
    duplicates_first: list[Pair] = field(default_factory=list)
    contradictory_first: list[Pair] = field(default_factory=list)

    @classmethod
    def of(cls, records: Sequence[Record]) -> _Said:
        said = cls()
        first: dict[bytes, int] = {}
        asked: dict[bytes, int] = {}
        for number, record in enumerate(records):
            question, answer = _parts(record.document)
            whole = text_digest(*question, *answer)
            if (same := first.setdefault(whole, number)) != number:
                said.duplicates += 1
                _note(said.duplicates_first, record, records[same])
            elif question and (other := asked.setdefault(text_digest(*question), number)) != number:
                said.contradictory += 1
                _note(said.contradictory_first, record, records[other])
        return said


def _parts(document: Document) -> tuple[list[str], list[str]]:
    """What is asked, with everything before it, and the last answer; a text asks nothing."""
    texts = list(document.passages())
    return (texts[:-1], texts[-1:]) if document.messages else ([], texts)


def _note(noted: list[Pair], record: Record, earlier: Record) -> None:
    if len(noted) < MOST_NAMED:
        noted.append(Pair(record.place, earlier.place))


@dataclass
class _Personal:
    """Every suspicion is counted; of a record, the first of each kind is named."""

    counts: Counter[str] = field(default_factory=Counter)
    first: list[Suspected] = field(default_factory=list)

    @classmethod
    def of(cls, records: Iterable[Record]) -> _Personal:
        found = cls()
        detector = Detector()
        for record in records:
            named: set[str] = set()
            for passage in record.document.passages():
                for one in detector.suspicions(passage):
                    found.counts[one.kind] += 1
                    if one.kind not in named and len(found.first) < MOST_NAMED:
                        named.add(one.kind)
                        found.first.append(Suspected(one.kind, record.place_after(one.line_breaks), one.masked))
        return found
