"""What `inro-train check-data` prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from app.core.language import Language
from evaluation.leakage.questions import TaskQuestions, broken_records
from trainer.data.checking import DataReport, LeakageReport
from trainer.data.lengths import Lengths

_SHOWN = 5
_FILES = 20
_BAR = 40
_EIGHTHS = " ▏▎▍▌▋▊▉"
_LANGUAGES = {"ja": "Japanese", "en": "English", "other": "neither"}
_STEPS = {
    "changed_by_normalising": "documents changed by Unicode normalisation",
    "joined_lines": "line breaks taken out",
    "page_numbers": "page numbers left out",
    "too_short": "documents left out as too short",
    "too_long": "documents left out as too long",
    "exact_duplicates": "equal documents left out",
    "near_duplicates": "nearly equal documents left out",
}


def text(report: DataReport) -> str:
    """For a terminal; what comes from the files in it is not yet made printable."""
    lines: list[str] = []
    for part in (_amount, _cleaning, _languages, _lengths, _faults, _repeats, _personal, _leakage, _warnings):
        lines += part(report)
    return "\n".join(lines)


def _line(name: str, value: str) -> str:
    return f"{name:<14}{value}"


def _amount(report: DataReport) -> Iterator[str]:
    files = len(report.files)
    yield _line(
        "data",
        f"{report.records:,} records in {files:,} file{'s' if files > 1 else ''}, {report.characters:,} characters",
    )
    for file in report.files[:_FILES]:
        formats = ", ".join(f"{name} {count:,}" for name, count in file.formats.items()) or "no usable record"
        yield f"  {file.name}: {formats}"
    if files > _FILES:
        yield f"  and {files - _FILES:,} more files"
    if report.epoch != report.kept:
        yield _line("an epoch", f"{report.epoch:,} records{_repeated(report.repeated)}")


def _repeated(repeated: Mapping[Language, float]) -> str:
    more = [f"{_LANGUAGES[name]} {times:.2f} times" for name, times in repeated.items() if times > 1]
    return f" ({', '.join(more)})" if more else ""


def _cleaning(report: DataReport) -> Iterator[str]:
    for reason, count in report.left_out.items():
        yield _line("left out", f"{count:,} records: {reason}")
    for name, count in report.cleaning.items():
        yield _line("cleaning", f"{count:,} {_STEPS[name]}")


def _languages(report: DataReport) -> Iterator[str]:
    total = max(1, sum(share.characters for share in report.languages.values()))
    shares = (
        f"{_LANGUAGES[name]} {share.records:,} records, {share.characters / total:.0%} of the text"
        for name, share in report.languages.items()
    )
    yield _line("languages", "; ".join(shares) or "none")


def _lengths(report: DataReport) -> Iterator[str]:
    lengths = report.lengths
    if lengths is None:
        return
    sampled = f"; from {lengths.measured:,} records drawn by chance" if lengths.measured < lengths.records else ""
    yield _line(
        "lengths",
        f"{lengths.total:,} {lengths.unit}; half of the records have up to {lengths.median:,}, 90 % {lengths.most:,}, "
        f"99 % {lengths.nearly_all:,}, the longest {lengths.longest:,}{sampled}",
    )
    yield from _bars(lengths)
    if lengths.unit == "tokens":
        yield _line("truncation", _truncation(lengths))


def _bars(lengths: Lengths) -> Iterator[str]:
    most = max((bar.records for bar in lengths.histogram), default=1)
    for bar in lengths.histogram:
        eighths = max(1, round(bar.records / most * _BAR * 8)) if bar.records else 0
        drawn = "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()
        beyond = " over the limit" if lengths.unit == "tokens" and bar.first > lengths.limit else ""
        yield f"  {bar.first:>9,}-{bar.last:<9,} {bar.records:>9,}  {drawn}{beyond}"


def _truncation(lengths: Lengths) -> str:
    if not lengths.longer:
        return f"none: every record has at most {lengths.limit:,} tokens"
    share = f"{lengths.longer:,} of {lengths.measured:,} records have more than {lengths.limit:,} tokens"
    if not lengths.without_answer:
        return share
    return f"{share} and lose what is beyond; of {lengths.without_answer:,} no answer is learned at all"


def _faults(report: DataReport) -> Iterator[str]:
    total = sum(report.faults.values())
    kinds = ", ".join(f"{kind} {count:,}" for kind, count in report.faults.items())
    yield _line("unusable", f"{total:,} records ({kinds})" if total else "none")
    yield from _some(report.faults_first, total)


def _repeats(report: DataReport) -> Iterator[str]:
    yield _line("duplicates", f"{report.duplicates:,} records say what an earlier one says")
    yield from _some([f"{pair.place} as {pair.earlier}" for pair in report.duplicates_first], report.duplicates)
    yield _line("contradictory", f"{report.contradictory:,} records answer an earlier question otherwise")
    yield from _some(
        [f"{pair.place} against {pair.earlier}" for pair in report.contradictory_first], report.contradictory
    )


def _personal(report: DataReport) -> Iterator[str]:
    total = sum(report.personal.values())
    kinds = ", ".join(f"{kind} {count:,}" for kind, count in report.personal.items())
    yield _line("personal", f"suspected in {total:,} places ({kinds}); look at them:" if total else "nothing suspected")
    yield from _some([f"{one.place}: {one.kind} {one.masked}" for one in report.personal_first], total)


def _leakage(report: DataReport) -> Iterator[str]:
    leakage = report.leakage
    if leakage is None:
        return
    leaks = leakage.held_out + leakage.benchmarks
    of = ", ".join(f"{task} {count:,}" for task, count in _by_task(leakage).items())
    what = f"{leakage.searched:,} questions were looked for{f' ({of})' if of else ''}"
    found = f"{leaks:,} ARE IN THE DATA" if leaks else "none is in the data"
    yield _line("leakage", f"{what}, {found}; {leakage.overlapping:,} have some words in common with it")
    yield from _some(leakage.first, leaks)
    for task in leakage.tasks:
        if task.by_text or task.lost:
            yield f"  {task.task} ({task.language}): {_broken(task)}"
    if leakage.with_options:
        yield (
            f"  {leakage.with_options:,} are so short that they are found only as a message of a conversation, or in a "
            "text with all their options beside them"
        )
    if leakage.not_searched:
        yield f"  {leakage.not_searched:,} could not be looked for: too short, or nothing but common phrases"


def _by_task(leakage: LeakageReport) -> Mapping[str, int]:
    """How many questions of each were looked for, in both languages."""
    counts: Counter[str] = Counter()
    for one in leakage.tasks:
        counts[one.task] += one.questions
    return counts


def _broken(task: TaskQuestions) -> str:
    """What was done with records of a benchmark that are no usable questions."""
    parts = [f"looked for by the text alone {broken_records(task.by_text)}"] if task.by_text else []
    if task.lost:
        parts.append(f"NOT LOOKED FOR {broken_records(task.lost)}, such as {task.lost_first}")
    return "; ".join(parts)


def _warnings(report: DataReport) -> Iterator[str]:
    for warning in report.warnings:
        yield _line("note", warning)


def _some(named: Sequence[str], total: int) -> Iterator[str]:
    """The first of those that are named, and how many of the total are not among them."""
    shown = named[:_SHOWN]
    yield from (f"  {one}" for one in shown)
    if total > len(shown):
        yield f"  and {total - len(shown):,} more"
