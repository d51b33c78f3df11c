"""The small file of what was measured of a model, made of its runs and measurements."""

from __future__ import annotations

from app.core.models.local_results import LocalResults, LocalScore, LocalSpeed, write_local_results
from app.services.benchmark.orders import OrderBook
from app.services.benchmark.results import ResultReader
from app.services.benchmark.views import DEMONSTRATION_HEADLINE, DEMONSTRATION_TASK, RunView, SpeedView

_MOST = 200
"""Of each kind: the newest."""


def write_down(book: OrderBook, sha256: str) -> None:
    """Write anew what is known of a model. Raises OSError."""
    reader = ResultReader(book)
    scores = [found for run in reader.runs(sha256) if (found := _score(run)) is not None]
    speeds = [_speed(view) for view in reader.speeds(sha256)]
    results = LocalResults(sha256=sha256, scores=tuple(scores[:_MOST]), speeds=tuple(speeds[:_MOST]))
    write_local_results(book.folder, results)


def _score(run: RunView) -> LocalScore | None:
    share = run.headline
    if not run.complete or share is None:
        return None
    return LocalScore(
        run=run.id.partition("/")[2],
        task=run.task,
        part=DEMONSTRATION_HEADLINE if run.task == DEMONSTRATION_TASK else "",
        language=run.language,
        how=run.how,
        correct=share.correct,
        n=share.n,
        low=share.low,
        high=share.high,
        created=run.created,
        engine=run.engine,
        data_sha256=run.data_sha256,
    )


def _speed(view: SpeedView) -> LocalSpeed:
    point = view.contexts[0]
    return LocalSpeed(
        created=view.created,
        threads=view.best,
        prompt_tokens=point.prompt_tokens,
        written=point.written.median,
        read=point.read.median,
    )
