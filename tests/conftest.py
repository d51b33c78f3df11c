"""What every test may use: a home of its own, tiny model files, and an engine."""

from __future__ import annotations

import gc
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.core.engine.client import EngineClient
from app.core.history.store import HistoryStore
from app.core.paths import Paths, user_paths
from tests.tiny_models import tiny_gguf

# A build server may start the tests with Ctrl-C ignored, as a shell does in the background; children would inherit it.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_sessionstart(session: pytest.Session) -> None:
    """With several processes at work, each has its own processor: engines of two that share two wait for each other."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if worker and hasattr(os, "sched_setaffinity"):
        processors = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {processors[int(worker.removeprefix("gw")) % len(processors)]})


def pytest_collection_finish() -> None:
    """Thousands of tests and what they import are no garbage: libraries that collect often need not look at them."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One layer, answers in milliseconds, never ends its answer by itself."""
    return tiny_gguf(tmp_path_factory.mktemp("models") / "tiny.gguf", context_length=4096)


@pytest.fixture(scope="session")
def slower_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """About 50 MB: long enough in loading, reading and answering to be caught in the act."""
    path = tmp_path_factory.mktemp("models") / "slower.gguf"
    return tiny_gguf(path, layers=4, hidden=640, context_length=4096, name="slower")


@pytest.fixture(scope="session")
def engine_state(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    """The self-test's verdict, found out once, so that each test's new home need not."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INRO_HOME", str(home))
        with EngineClient() as engine:
            engine.load(tiny_model)
        return user_paths().engine_state


@pytest.fixture(autouse=True)
def home(tmp_path: Path, engine_state: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """A home without history, models or settings."""
    monkeypatch.setenv("INRO_HOME", str(tmp_path / "home"))
    paths = user_paths()
    paths.state.mkdir(parents=True)
    shutil.copy(engine_state, paths.engine_state)
    return paths


@pytest.fixture
def engine() -> Iterator[EngineClient]:
    with EngineClient() as client:
        yield client


@pytest.fixture
def store(home: Paths) -> Iterator[HistoryStore]:
    history = HistoryStore(home.history)
    yield history
    history.close()
