"""How fast a model answers here: with how many threads it is fastest, and what longer prompts cost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from app.core.engine.hardware import MAX_DEFAULT_CONTEXT, physical_cores
from app.core.engine.patient import PatientEngine
from app.core.errors import InputError
from app.core.files import read_bounded
from app.core.models.gguf_header import read_header
from app.services.benchmark.views import Progress, SpeedPoint, SpeedView, Spread
from evaluation import stopwatch
from evaluation.measured_model import MeasuredModel, measured
from evaluation.speed import SpeedAt, SpeedReport
from evaluation.speed import Spread as Measured

LENGTHS = (128, 384, 896, 1920, 3968)
"""Tokens of a prompt. The last fills the context that answers usually have, with an answer behind it."""
REPEATS = 3
MUCH = 1.03
"""Threads that gain less than this factor are within what a machine varies by itself."""

_LARGEST_RECORD = 4 * 1024 * 1024


class SpeedRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A measurement as it is kept: reports as `inro-eval speed` makes them."""

    format: Literal["inro-benchmark-speed/1"] = "inro-benchmark-speed/1"
    model: str
    """Its name, for a person."""
    created: str
    used: int
    """Threads that questions were answered with when it was made."""
    best: int
    by_threads: Annotated[tuple[SpeedReport, ...], msgspec.Meta(min_length=1)]
    """One length, for each number of threads."""
    by_length: SpeedReport
    """All lengths, with `best` threads."""
    expected: tuple[float, float] | None = None
    """Tokens of an answer a second that the bandwidth of the memory allows; None where it was not measured."""


@dataclass(frozen=True)
class Subject:
    """What is measured. `digests` are the SHA-256 of its parts."""

    name: str
    path: Path
    digests: tuple[str, ...]
    used_threads: int


def thread_counts(cores: int, used: int) -> tuple[int, ...]:
    """What is tried: powers of two up to the physical cores, those, and what is in use."""
    powers = {2**power for power in range(cores.bit_length()) if 2**power <= cores}
    return tuple(sorted(powers | {cores, used}))


def measure(
    subject: Subject,
    engine: PatientEngine,
    created: str,
    expected: tuple[float, float] | None,
    tell: Callable[[Progress], None],
) -> SpeedRecord:
    """Measure with each number of threads, then each length with the best; the model is loaded anew for each number.

    `expected` is of the processor alone, in tokens a second. A question in between is answered, and what it disturbed
    is measured again. Raises InputError, EngineError, Stopped.
    """
    lengths = _lengths(subject.path)
    counts = thread_counts(physical_cores(), subject.used_threads)
    total = (len(counts) + len(lengths)) * REPEATS
    done = 0

    def advance(steps: int) -> None:
        nonlocal done
        done += steps
        tell(Progress("measuring", min(done, total), total))

    tell(Progress("measuring", 0, total))
    bench = _Bench(subject, engine, max(lengths), advance)
    by_threads = tuple(bench.report(count, lengths[:1]) for count in counts)
    best = fastest(by_threads, subject.used_threads)
    by_length = bench.report(best, lengths)
    return SpeedRecord(
        model=subject.name,
        created=created,
        used=subject.used_threads,
        best=best,
        by_threads=by_threads,
        by_length=by_length,
        expected=expected if by_length.machine.gpu_layers == 0 else None,
    )


def fastest(reports: Sequence[SpeedReport], used: int) -> int:
    """The number of threads that writes fastest; the one in use, unless another gains clearly."""
    rates = {report.machine.threads: report.contexts[0].decode_per_second.median for report in reports}
    best = max(rates, key=lambda count: rates[count])
    return best if used not in rates or rates[best] > MUCH * rates[used] else used


def _lengths(path: Path) -> tuple[int, ...]:
    """Those that fit into the context that answers have. Raises InputError where none does."""
    whole = min(read_header(path).number("context_length"), MAX_DEFAULT_CONTEXT)
    fitting = tuple(length for length in LENGTHS if length + stopwatch.NEW_TOKENS <= whole)
    if not fitting:
        raise InputError(f"{path.name} was made for {whole:,} tokens: too few to measure its speed.")
    return fitting


@dataclass(frozen=True)
class _Bench:
    subject: Subject
    engine: PatientEngine
    longest: int
    advance: Callable[[int], None]

    def report(self, threads: int, lengths: Sequence[int]) -> SpeedReport:
        hello = self.engine.start()
        # The context that answers have: a question that comes meanwhile must fit.
        info = self.engine.load(self.subject.path, threads=threads)
        subject: MeasuredModel = measured(self.subject.path, self.subject.digests, info)
        return stopwatch.report(self.engine, hello, info, subject, lengths, REPEATS, self.advance)


# --- for the page -----------------------------------------------------------------------------------------------------


def read_speed(path: Path) -> SpeedView | None:
    """None for a file that is no measurement of this version."""
    try:
        record = msgspec.json.decode(read_bounded(path, _LARGEST_RECORD, "a measurement"), type=SpeedRecord)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, InputError, OSError):
        return None
    machine, model = record.by_length.machine, record.by_length.model
    return SpeedView(
        id=f"{path.parent.name}/{path.name}",
        model=record.model,
        sha256=model.sha256,
        created=record.created,
        processor=machine.processor,
        cores=machine.cores,
        file_bytes=model.file_bytes,
        resident_bytes=record.by_length.resident_bytes,
        threads=tuple(point for report in record.by_threads for point in _points(report)),
        contexts=tuple(_points(record.by_length)),
        used=record.used,
        best=record.best,
        expected=record.expected,
    )


def _points(report: SpeedReport) -> Iterator[SpeedPoint]:
    for at in report.contexts:
        yield _point(report.machine.threads, at)


def _point(threads: int, at: SpeedAt) -> SpeedPoint:
    return SpeedPoint(
        threads=threads,
        prompt_tokens=at.prompt_tokens,
        read=_spread(at.prompt_per_second),
        written=_spread(at.decode_per_second),
        first=_spread(at.first_token_s),
    )


def _spread(spread: Measured) -> Spread:
    return Spread(spread.median, spread.low, spread.high)
