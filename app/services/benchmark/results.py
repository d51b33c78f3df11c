"""Runs and measurements as the page shows them, read from their folders."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from app.core.errors import UserFacingError
from app.services.benchmark.orders import Kept, OrderBook
from app.services.benchmark.speed import read_speed
from app.services.benchmark.views import (
    DEMONSTRATION_TASK,
    Bin,
    Group,
    RunView,
    Share,
    SpeedView,
    TaskChoice,
)
from evaluation import calibration, tally
from evaluation.demo.facts import DemoTask, default_corpus_folder, read_corpus
from evaluation.demo.results import read_results
from evaluation.demo.runner import results_path
from evaluation.demo.score_card import SplitScore, split_score
from evaluation.reporting.summary import RunSummary, summarise
from evaluation.runs.store import ITEMS, read_run
from evaluation.statistics import wilson
from evaluation.tasks.registry import BENCHMARKS

_NOTHING = (0, 0)


class ResultReader:
    """Args: book: where the results are kept. What was read once is read again only after its file has changed."""

    def __init__(self, book: OrderBook) -> None:
        self._book = book
        self._known: dict[str, tuple[tuple[int, int], RunView]] = {}
        self._task: DemoTask | None = None

    def runs(self, sha256: str | None = None) -> list[RunView]:
        """Of one model or all, the newest first; one whose file was damaged says so."""
        return [self.run(kept) for kept in self._book.all(sha256)]

    def run(self, kept: Kept) -> RunView:
        stamp = _stamp(kept.folder / ITEMS)
        known = self._known.get(kept.id)
        if known is None or known[0] != stamp:
            known = stamp, self._read(kept, begun=stamp != _NOTHING)
            self._known[kept.id] = known
        return known[1]

    def speeds(self, sha256: str | None = None) -> list[SpeedView]:
        """Of one model or all, the newest first; a file that is no measurement is left out."""
        found = (read_speed(path) for path in self._book.speeds(sha256))
        return [view for view in found if view is not None]

    def _read(self, kept: Kept, *, begun: bool) -> RunView:
        order = kept.order
        plain = RunView(
            id=kept.id,
            model=order.model,
            sha256=order.model_sha256,
            task=order.task,
            language=order.language,
            how=order.how,
            limit=order.limit,
            created=order.created,
            done=0,
            total=None,
        )
        if not begun:
            return plain
        try:
            if order.task == DEMONSTRATION_TASK:
                return self._demonstration(plain, kept.folder)
            return _benchmark(plain, summarise(read_run(kept.folder)))
        except (UserFacingError, OSError) as error:
            return replace(plain, damaged=str(error))

    def _demonstration(self, plain: RunView, folder: Path) -> RunView:
        if self._task is None:
            self._task = DemoTask(read_corpus(default_corpus_folder()))
        identity, results = read_results(results_path(folder))
        splits = [split_score(split, results) for split in self._task.splits]
        held_out = next((one for one in self._task.splits if one.name == "choices_held_out"), None)
        return replace(
            plain,
            done=len(results),
            total=len(self._task.items(plain.language)),
            groups=tuple(Group(one.name, _split_share(one)) for one in splits if one.n),
            chance=held_out.chance if held_out else None,
            engine=identity.llama_cpp_commit,
            data_sha256=self._task.fingerprint(plain.language),
        )


def tasks() -> tuple[TaskChoice, ...]:
    """Everything that can be asked, the built-in task first."""
    built_in = TaskChoice(DEMONSTRATION_TASK, "", ("ja", "en"), "", "")
    return (built_in, *(TaskChoice(one.name, one.title, one.languages, one.size, one.source) for one in BENCHMARKS))


def _benchmark(plain: RunView, summary: RunSummary) -> RunView:
    score = summary.score
    view = replace(
        plain,
        done=summary.recorded,
        total=summary.run.items,
        engine=summary.run.engine.commit,
        data_sha256=summary.run.data_sha256,
        chance=summary.chance,
    )
    if score is None:
        return view
    confidence = summary.confidence
    return replace(
        view,
        share=group_share(tally.whole(score)),
        groups=tuple(Group(one.name, group_share(one)) for one in score.categories),
        bins=tuple(bin_ for one in confidence.bins if (bin_ := _bin(one))) if confidence else (),
        ece=confidence.ece if confidence else None,
        kinki=(score.kinki.chosen, score.kinki.items) if score.kinki.items else None,
        unanswered=score.n - score.answered,
    )


def group_share(group: tally.Group) -> Share:
    low, high = group.interval_95
    return Share(group.correct, group.n, low, high)


def _split_share(split: SplitScore) -> Share:
    low, high = split.interval_95 or (0.0, 1.0)
    return Share(split.right, split.n, low, high)


def _bin(one: calibration.Bin) -> Bin | None:
    """None for an empty one."""
    if one.confidence is None or one.accuracy is None:
        return None
    right = round(one.accuracy * one.n)
    interval = wilson(right, one.n)
    return Bin(one.confidence, Share(right, one.n, interval.low, interval.high)) if interval else None


def _stamp(path: Path) -> tuple[int, int]:
    """What changes when something is added to a file; `_NOTHING` where there is none."""
    try:
        status = path.stat()
    except OSError:
        return _NOTHING
    return status.st_mtime_ns, status.st_size
