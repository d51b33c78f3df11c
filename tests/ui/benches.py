"""The application as it opens, with a real worker and a tiny model, for tests of the benchmark."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PySide6.QtCore import QEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.__main__ import Application
from app.core.asking import Options
from app.core.files import sha256_file
from app.core.paths import user_paths
from app.services.benchmark.service import BenchmarkService
from app.services.benchmark.views import ComparisonView, How, ModelChoice, RunView, Wanted

PATIENCE = 60_000
"""Milliseconds; no test waits so long unless something is wrong."""

ORGANS = ("heart", "lung", "liver", "kidney", "spleen")


CATEGORIES = ("循環器", "呼吸器", "消化器", "内分泌・代謝")


def write_questions(path: Path, count: int) -> Path:
    """Questions in the schema for one's own ones, of several categories; every sixth has a prohibited option."""
    path.write_text(
        "".join(json.dumps(_question(number), ensure_ascii=False) + "\n" for number in range(count)), encoding="utf-8"
    )
    return path


def _question(number: int) -> dict[str, Any]:
    more = "and more " * (number % 5)
    return {
        "problem_id": f"q{number}",
        "problem_text": f"Case {number}: which organ is meant by {ORGANS[number % 5]} {more}?",
        "choices": [f"{organ} {number}" for organ in ORGANS],
        "answer": ["abcde"[number % 5]],
        "category": CATEGORIES[number % 4],
        **({"kinki": ["abcde"[(number + 2) % 5]]} if number % 6 == 0 else {}),
    }


class Bench:
    """One opened application."""

    def __init__(self, application: Application, qtbot: QtBot) -> None:
        self.application, self.qtbot = application, qtbot
        self.service: BenchmarkService = application.benchmark

    def until(self, true: Callable[[], bool]) -> None:
        self.qtbot.waitUntil(true, timeout=PATIENCE)

    def until_answered(self, count: int) -> None:
        """Until so many questions of the run that is going on are recorded."""
        self.until(lambda: self.service.state.progress.step == "asking" and self.service.state.progress.done >= count)

    def until_idle(self) -> None:
        self.until(lambda: self.service.state.phase == "idle" and not self.service.state.queued)

    def look_up(self) -> Any:
        """Models, tasks, runs and measurements."""
        return self._asked(self.service.look_up)

    def runs(self) -> list[RunView]:
        found: list[RunView] = self.look_up()[2]
        return found

    def compare(self, a: RunView, b: RunView) -> ComparisonView:
        found = self._asked(lambda done, failed: self.service.compare(a.id, b.id, done, failed))
        assert isinstance(found, ComparisonView)
        return found

    def _asked(self, ask: Callable[[Callable[[Any], None], Callable[[str], None]], None]) -> Any:
        found: list[Any] = []
        ask(found.append, found.append)
        self.until(lambda: bool(found))
        return found[0]


@contextmanager
def opened(qt: QApplication, qtbot: QtBot, named: Path | None) -> Iterator[Bench]:
    """The application with its model loaded; closed at the end as when a person closes the window."""
    application = Application(qt, user_paths(), named, Options(max_tokens=5))
    bench = Bench(application, qtbot)
    try:
        application.inference.start()
        bench.until(lambda: application.inference.state.phase == "ready")
        yield bench
    finally:
        application.close()
        application.window.close()
        # Every later window would style this one anew.
        application.window.deleteLater()
        qt.sendPostedEvents(application.window, QEvent.Type.DeferredDelete)


def choice(model: Path) -> ModelChoice:
    return ModelChoice(model.stem, str(model), sha256_file(model), in_use=False)


def order(model: Path, data: Path, *, how: How = "letter", limit: int | None = None, seed: int = 0) -> Wanted:
    return Wanted(choice(model), "jsonl", "en", str(data), how, limit, seed)
