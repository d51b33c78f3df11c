"""Two runs side by side, as the page shows them: the paired tests are evaluation's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from app.core.errors import InputError
from app.services.benchmark.orders import Kept
from app.services.benchmark.views import DEMONSTRATION_TASK, ComparisonView, Differing, Paired, RunView, Share
from evaluation import comparison
from evaluation.comparison import Comparison, Outcome
from evaluation.demo.results import Result, read_results
from evaluation.demo.runner import place, results_path
from evaluation.labels import written
from evaluation.reporting.comparing import compare_runs
from evaluation.reporting.pairs import SEED
from evaluation.runs.records import Record
from evaluation.runs.store import Run, read_run
from evaluation.statistics import wilson

MAIN_SPLIT = "second_wordings"
"""Of the demonstration task's parts, the one that shows most: its parts are never pooled."""


def compare(a: tuple[Kept, RunView], b: tuple[Kept, RunView]) -> ComparisonView:
    """Raises InputError for runs that cannot be compared, and for what cannot be read."""
    if a[1].task != b[1].task:
        raise InputError("Runs of different questions cannot be compared: choose two of the same.")
    if a[1].task == DEMONSTRATION_TASK:
        return _demonstration(a, b)
    return _benchmark(a, b)


def _benchmark(a: tuple[Kept, RunView], b: tuple[Kept, RunView]) -> ComparisonView:
    runs = read_run(a[0].folder), read_run(b[0].folder)
    report = compare_runs(*runs, SEED)
    result = report.comparison
    return ComparisonView(
        a=a[1],
        b=b[1],
        main=_paired("", result.accuracy),
        groups=_groups(result),
        detectable=result.detectable,
        kinki=_paired("", result.prohibited) if result.prohibited else None,
        differing=tuple(_differing(*runs, frozenset(report.other_questions))),
        unlike=tuple(dict.fromkeys(one.group for one in report.differences)),
        only_in_one=len(result.only_in_a) + len(result.only_in_b) + len(report.other_questions),
    )


def _differing(a: Run, b: Run, others: frozenset[str]) -> Iterator[Differing]:
    answered = {record.item.id: record for record in b.records}
    for one in a.records:
        other = answered.get(one.item.id)
        if other and one.correct != other.correct and one.item.id not in others:
            item = one.item
            yield Differing(
                id=item.id,
                category=item.category or "",
                question=item.question,
                options=item.options,
                right=written(item.answers, len(item.options)),
                a=_chose(one),
                b=_chose(other),
                better="A" if one.correct else "B",
            )


def _chose(record: Record) -> str:
    """Letters; empty where nothing was chosen."""
    if record.status != "answered" or not record.chosen:
        return ""
    return written(record.chosen, len(record.item.options))


def _demonstration(a: tuple[Kept, RunView], b: tuple[Kept, RunView]) -> ComparisonView:
    if a[0].folder == b[0].folder:
        raise InputError("A run cannot be compared with itself: choose two.")
    (one, left), (other, right) = (read_results(results_path(kept.folder)) for kept, _ in (a, b))
    main = comparison.compare(_outcomes(left, MAIN_SPLIT), _outcomes(right, MAIN_SPLIT), SEED)
    whole = comparison.compare(_outcomes(left), _outcomes(right), SEED)
    facts = {
        "the model": (one.model_sha256, other.model_sha256),
        "the engine": (one.llama_cpp_commit, other.llama_cpp_commit),
        "the language": (one.language, other.language),
    }
    return ComparisonView(
        a=a[1],
        b=b[1],
        main=_paired(MAIN_SPLIT, main.accuracy),
        groups=_groups(whole),
        detectable=main.detectable,
        kinki=None,
        differing=tuple(_differing_texts(left, right)),
        unlike=tuple(name for name, (first, second) in facts.items() if first != second),
        only_in_one=len(whole.only_in_a) + len(whole.only_in_b),
    )


def _outcomes(results: Sequence[Result], split: str | None = None) -> list[Outcome]:
    return [
        Outcome("/".join(place(result)), result.right, result.split)
        for result in results
        if split is None or result.split == split
    ]


def _differing_texts(a: Sequence[Result], b: Sequence[Result]) -> Iterator[Differing]:
    answered = {place(result): result for result in b}
    for one in a:
        other = answered.get(place(one))
        if other and one.right != other.right:
            yield Differing(
                id=one.id,
                category=one.split,
                question=one.question,
                options=(),
                right=one.reference,
                a=one.answer,
                b=other.answer,
                better="A" if one.right else "B",
            )


def _groups(result: Comparison) -> tuple[Paired, ...]:
    return tuple(_paired(one.name, one.result, one.p_holm) for one in result.categories)


def _paired(name: str, found: comparison.Paired, p: float | None = None) -> Paired:
    return Paired(
        name=name,
        n=found.n,
        a=_share(found.a, found.n),
        b=_share(found.b, found.n),
        only_a=found.only_a,
        only_b=found.only_b,
        difference=found.difference,
        interval=(found.interval.low, found.interval.high) if found.interval else None,
        p=found.p if p is None else p,
    )


def _share(count: int, n: int) -> Share:
    interval = wilson(count, n)
    return Share(count, n, interval.low, interval.high) if interval else Share(0, 0, 0.0, 1.0)
