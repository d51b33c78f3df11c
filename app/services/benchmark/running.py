"""One run from its order to its summary, in the caller's thread; Qt-free.

The folder that comes of it is the one that `inro-eval run` writes for the same settings, so that everything the tools
do with a run (report, compare, export, gate) can be done with it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from msgspec import structs

from app.core.engine.patient import PatientEngine
from app.core.engine.protocol import Hello, ModelInfo
from app.core.errors import InputError, UserFacingError
from app.core.models.gguf_header import read_header
from app.services.benchmark.orders import Kept, Order
from app.services.benchmark.views import DEMONSTRATION_TASK, Culprit, Progress, Share
from evaluation.demo import scored as demo
from evaluation.demo.facts import DemoTask, default_corpus_folder, read_corpus
from evaluation.demo.results import Result
from evaluation.demo.score_card import ScoredModel, ScoringEngine
from evaluation.runs import scored
from evaluation.runs.engine_backend import EngineBackend
from evaluation.runs.records import Record, RunEngine, RunModel
from evaluation.runs.request import Prepared, Request, prepare
from evaluation.runs.store import check_folder, start_run
from evaluation.statistics import wilson

Tell = Callable[[Progress], None]


@dataclass(frozen=True)
class Ready:
    """A model that is loaded, and the engine that it is loaded into."""

    engine: PatientEngine
    hello: Hello
    info: ModelInfo


Open = Callable[[Tell], Ready]
"""Makes the model ready. It is called once the order is known to be possible, since it may take minutes."""


class RunFailed(UserFacingError):
    """Something other than the engine cannot be used; `culprit` says what."""

    def __init__(self, culprit: Culprit, sentence: str) -> None:
        super().__init__(sentence)
        self.culprit = culprit


@contextmanager
def blaming(culprit: Culprit) -> Iterator[None]:
    """What fails in the block is told as this one's failure."""
    try:
        yield
    except (UserFacingError, OSError) as error:
        raise RunFailed(culprit, str(error)) from error


def run(kept: Kept, path: Path, open_model: Open, tell: Tell) -> None:
    """Ask the model at `path` what is not recorded yet.

    Killed or stopped at any moment, it goes on from there to the same numbers.
    Raises RunFailed and other UserFacingErrors for what a person can change, and Stopped when it was stopped.
    """
    tell(Progress("preparing"))
    _Sitting(kept, path, tell).run(open_model)


def load(engine: PatientEngine, path: Path, threads: int | None, tell: Tell) -> Ready:
    """Load a model, whose hash was compared, into an engine of its own."""
    hello = engine.start()
    tell(Progress("loading", 0, 100))
    info = engine.load(path, threads=threads, on_progress=lambda part: tell(Progress("loading", int(100 * part), 100)))
    return Ready(engine, hello, info)


def loaded(engine: PatientEngine) -> Ready:
    """The model that answers in the window, in the engine that it is loaded into already."""
    hello = engine.start()
    info = engine.status().model
    if info is None:
        raise InputError("No model is loaded to answer questions. Wait until it is, and start the run again.")
    return Ready(engine, hello, info)


def request(order: Order) -> Request:
    """The order as `inro-eval run` would be given it."""
    if order.data is None:
        raise InputError(f"Choose the folder that holds the files of {order.task}.")
    return Request(
        task=order.task,
        data=Path(order.data),
        language=order.language,
        how=order.how,
        limit=order.limit,
        seed=order.seed,
    )


class _Sitting:
    """From the start of a run, or of its resumption, to its end."""

    def __init__(self, kept: Kept, path: Path, tell: Tell) -> None:
        self._order, self._folder, self._path, self._tell = kept.order, kept.folder, path, tell
        self._counter = Counter(tell)

    def run(self, open_model: Open) -> None:
        if self._order.task == DEMONSTRATION_TASK:
            self._demonstration(open_model)
        else:
            self._benchmark(open_model)

    def _benchmark(self, open_model: Open) -> None:
        with blaming("results"):
            check_folder(self._folder, resume=True)
        with blaming("questions"):
            prepared = prepare(request(self._order))
        with blaming("model"):
            if prepared.settings.chat and not read_header(self._path).chat_template:
                raise InputError(f"{self._path.name} has no chat template, so it cannot be asked as in a conversation.")
        ready = open_model(self._tell)
        backend = EngineBackend(
            ready.engine,
            ready.info,
            RunModel(file=self._path.name, sha256=self._order.model_sha256, description=ready.info.description),
            RunEngine(commit=ready.hello.llama_cpp_commit, version=ready.hello.llama_cpp_python),
        )
        self._tell(Progress("checking"))
        scored.settle_batching(self._folder, True, backend, prepared)
        found = structs.replace(prepared.settings, batched=backend.together, context_length=backend.context_length)
        self._ask(replace(prepared, settings=found), backend)

    def _ask(self, prepared: Prepared, backend: EngineBackend) -> None:
        identity = scored.identity(self._order.task, self._order.language, prepared, backend)
        with start_run(self._folder, identity, resume=True) as file:
            kept = {record.item.id for record in file.kept}
            self._counter.begin(len(prepared.items), len(kept), sum(record.correct for record in file.kept))

            def on_record(record: Record) -> None:
                if record.item.id not in kept:
                    self._counter.add(record.correct)

            scored.ask(prepared, backend, file, on_record)
        scored.sum_up(self._folder)

    def _demonstration(self, open_model: Open) -> None:
        task = DemoTask(read_corpus(default_corpus_folder()))
        ready = open_model(self._tell)
        order, commit = self._order, ready.hello.llama_cpp_commit
        earlier = demo.result_file(task, order.language, order.model_sha256, commit, self._folder).read()
        kept = {(result.split, result.id) for result in earlier}
        items = task.items(order.language)
        # Its parts are never pooled: no live accuracy is shown, only how far it is.
        self._counter.begin(len(items), len(kept), None)

        def on_result(result: Result) -> None:
            if (result.split, result.id) not in kept:
                self._counter.add(result.right)

        self._folder.mkdir(parents=True, exist_ok=True)
        demo.ask_all(
            task,
            order.language,
            ready.engine,
            ScoredModel(file=self._path.name, sha256=order.model_sha256, description=ready.info.description),
            ScoringEngine(llama_cpp_commit=commit, llama_cpp_python=ready.hello.llama_cpp_python),
            self._folder,
            on_result,
        )


class Counter:
    """Counts answers as they come, and from their pace says how long the rest will take."""

    def __init__(self, tell: Tell, clock: Callable[[], float] = time.monotonic) -> None:
        self._tell, self._clock = tell, clock
        self._total = self._done = self._new = 0
        self._right: int | None = None
        self._started = 0.0

    def begin(self, total: int, kept: int, right: int | None) -> None:
        """`right` of the `kept` answers; None where no accuracy is shown before the end."""
        self._total, self._done, self._right = total, kept, right
        self._started = self._clock()
        self._tell(self._progress())

    def add(self, correct: bool) -> None:
        self._done += 1
        self._new += 1
        if self._right is not None:
            self._right += correct
        self._tell(self._progress())

    def _progress(self) -> Progress:
        elapsed = self._clock() - self._started
        pace = self._new / elapsed if self._new and elapsed > 0 else None
        left = (self._total - self._done) / pace if pace else None
        return Progress("asking", self._done, self._total, self._share(), pace, left)

    def _share(self) -> Share | None:
        interval = wilson(self._right, self._done) if self._right is not None else None
        if self._right is None or interval is None:
            return None
        return Share(self._right, self._done, interval.low, interval.high)
