"""The page of benchmarks for the pictures: real runs of tiny models, made once and copied for every picture."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec
from PySide6.QtCore import QEventLoop, QTimer

from app.core.engine.patient import PatientEngine
from app.core.engine.tool_client import ToolClient
from app.core.engine.turns import Turns
from app.core.files import sha256_file
from app.core.paths import Paths, demonstration_model, user_paths
from app.services.benchmark import running, speed
from app.services.benchmark.orders import OrderBook, order
from app.services.benchmark.views import Wanted
from app.ui.benchmark.page import BenchmarkPage
from app.ui.main_window import BENCHMARK
from app.ui.panels import ScrollPage
from tests.tiny_models import tiny_gguf
from tests.ui.benches import choice, write_questions
from tests.ui.stage import Stage

_MADE: list[tuple[Path, Path]] = []
"""The home with results, and the folder of models and questions: made for the first picture."""


def page(stage: Stage) -> BenchmarkPage:
    stage.window.show_page(BENCHMARK)
    shown = stage.window.findChild(BenchmarkPage)
    assert shown is not None
    return shown


def bench_empty(stage: Stage) -> None:
    shown = page(stage)
    _until(lambda: shown.accuracy.form.model.count() > 0)


def bench_order(stage: Stage) -> None:
    bench_empty(stage)
    shown = page(stage)
    shown.new_button.click()
    shown.accuracy.form.task.setCurrentIndex(1)


def bench_running(stage: Stage) -> None:
    files = _furnished()
    shown = page(stage)
    many = write_questions(files / "many.jsonl", 1500)
    stage.benchmark.start([Wanted(choice(files / "jmed-7b-v2.gguf"), "jsonl", "ja", str(many))])
    _until(lambda: stage.benchmark.state.progress.done > 60)
    _until(lambda: len(shown.accuracy.table.texts()) > 4)


def bench_done(stage: Stage) -> None:
    _furnished()
    shown = page(stage)
    _until(lambda: shown.accuracy.run is not None)


def bench_demonstration(stage: Stage) -> None:
    bench_done(stage)
    view = page(stage).accuracy
    runs = [run for run in view._runs if run.task == "demo"]
    view.table.choose(runs[0].id)


def bench_wrong_folder(stage: Stage) -> None:
    _furnished()
    shown = page(stage)
    stage.benchmark.start([Wanted(choice(demonstration_model()), "igakuqa", "ja", "/media/usb/IgakuQA")])
    _until(lambda: bool(stage.benchmark.state.failure))
    _until(lambda: shown.accuracy.run is not None)


def bench_comparing(stage: Stage) -> None:
    bench_done(stage)
    shown = page(stage)
    shown.switches["compare"].click()
    _until(lambda: shown.compare.found is not None)


def bench_comparing_question(stage: Stage) -> None:
    bench_comparing(stage)
    view = page(stage).compare
    view.differing.selectRow(1)
    _wait(100)
    scrolled = next(area for area in page(stage).findChildren(ScrollPage) if area.isAncestorOf(view))
    scrolled.verticalScrollBar().setValue(scrolled.verticalScrollBar().maximum())


def bench_speed(stage: Stage) -> None:
    bench_done(stage)
    page(stage).switches["speed"].click()


def bench_speed_empty(stage: Stage) -> None:
    bench_empty(stage)
    page(stage).switches["speed"].click()


SCENES: tuple[Callable[[Stage], None], ...] = (
    bench_empty,
    bench_order,
    bench_running,
    bench_done,
    bench_demonstration,
    bench_wrong_folder,
    bench_comparing,
    bench_comparing_question,
    bench_speed,
    bench_speed_empty,
)


def _furnished() -> Path:
    here = Path(os.environ["INRO_HOME"])
    if not _MADE:
        home, files = Path(tempfile.mkdtemp()), Path(tempfile.mkdtemp())
        os.environ["INRO_HOME"] = str(home)
        _make(user_paths(), files)
        os.environ["INRO_HOME"] = str(here)
        _MADE.append((home, files))
    home, files = _MADE[0]
    shutil.copytree(home / "data" / "benchmarks", here / "data" / "benchmarks", dirs_exist_ok=True)
    return files


def _make(paths: Paths, files: Path) -> None:
    questions = write_questions(files / "questions.jsonl", 240)
    models = [
        tiny_gguf(files / f"{name}.gguf", context_length=4096, seed=seed, name=name)
        for seed, name in enumerate(("jmed-7b-v1", "jmed-7b-v2"))
    ]
    book = OrderBook(paths.benchmarks)
    _run(book, paths, Wanted(choice(demonstration_model()), "demo", "ja"))
    for model in models:
        _run(book, paths, Wanted(choice(model), "jsonl", "ja", str(questions)))
    _measure(book, models[0])


def _run(book: OrderBook, paths: Paths, wanted: Wanted) -> None:
    kept, path = book.add(order(wanted)), Path(wanted.model.path)
    engine = PatientEngine(ToolClient(), Turns(), shared=False)
    running.run(kept, path, lambda tell: running.load(engine, path, None, tell), lambda _: None)
    engine.close()


def _measure(book: OrderBook, model: Path) -> None:
    engine = PatientEngine(ToolClient(), Turns(), shared=False)
    subject = speed.Subject("jmed-7b-v1", model, (sha256_file(model),), 1)
    record = speed.measure(subject, engine, "2026-11-27T14:02:00+09:00", (300.0, 900.0), lambda _: None)
    engine.close()
    book.add_speed(subject.digests[0], msgspec.json.encode(record))


def _wait(milliseconds: int) -> None:
    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()


def _until(true: Callable[[], bool]) -> None:
    for _ in range(1000):
        if true():
            return
        _wait(20)
    raise TimeoutError
