"""An import that is killed at any moment, or interrupted by a person, leaves a complete model or nothing at all."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import termios
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from app.core.files import sha256_file
from app.core.models.library import ModelLibrary
from app.core.models.record import Record
from app.core.paths import Paths
from tests.manifests import describe
from tests.tiny_models import tiny_gguf

KILLS, SIDE_BY_SIDE = 200, 2
COPIED_BYTES = 12_000_000
"""Three chunks, so that there is a copy to be killed in; behind the weights lies a hole, which is copied as zeros."""

linux = pytest.mark.skipif(sys.platform != "linux", reason="finds what a process left behind by Linux's own means")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tiny_gguf(tmp_path / "model.gguf", quant="Q8_0")
    with path.open("r+b") as file:
        file.truncate(COPIED_BYTES)
    describe(path)
    return path


@linux
@pytest.mark.timeout(1200)
def test_killed_at_200_random_moments_it_is_there_with_its_line_or_leaves_nothing(
    home: Paths, tmp_path: Path, source: Path
) -> None:
    home.data.mkdir()
    reports = list(killed_imports(home.data.parent, tmp_path, source))
    assert sorted(report["number"] for report in reports) == list(range(KILLS))
    sha256 = sha256_file(source)
    complete = {f"models/{sha256}/model.gguf", f"models/{sha256}/model.manifest.json"}
    record = {"record/head.json", "record/lock", "record/record.jsonl"}
    for report in reports:
        assert report["killed"], report
        for moment in ("before", "after"):
            found = report[moment]
            assert found["sound"], report
            assert (found["models"], found["deeds"]) in (
                ([], []),
                ([], ["begun"]),
                ([], ["begun", "imported"]),
                (["named"], ["begun", "imported"]),
            ), report
        # The next start changes nothing, finds the record sound, and leaves no byte of what was half done.
        assert report["after"] == report["before"], report
        assert (report["listed"], report["verified"]) == (0, 0), report
        expected = record & set(report["files"]) | (complete if report["after"]["models"] else set())
        assert set(report["files"]) == expected, report
    # They did hit different moments: before, while and after the model gets its place.
    outcomes = Counter((len(report["after"]["models"]), len(report["after"]["deeds"])) for report in reports)
    assert outcomes[0, 0] > KILLS / 4
    assert len({report["tick"] for report in reports}) > 8


def killed_imports(template: Path, folder: Path, source: Path) -> Iterator[dict[str, Any]]:
    each = KILLS // SIDE_BY_SIDE
    ranges = [(first, first + each) for first in range(0, KILLS, each)]
    command = [sys.executable, "-m", "tests.hostile.killed_imports", str(template), str(folder), str(source)]
    running = [
        subprocess.Popen([*command, str(first), str(last)], stdout=subprocess.PIPE, text=True) for first, last in ranges
    ]
    try:
        for process in running:
            said, _ = process.communicate()
            logs = "\n".join(log.read_text("utf-8", "replace")[-3000:] for log in folder.glob("log-*"))
            assert process.returncode == 0, logs
            yield from map(json.loads, said.splitlines())
    finally:
        for process in running:
            process.kill()
            process.wait()


# --- Ctrl-C -----------------------------------------------------------------------------------------------------------

STEPS = ("of memory are free", "free on the disk are needed", "copying", "manifest: ", "trying it", "4 of 4")
"""What a person sees on the terminal when the import comes so far."""


class Terminal:
    """A command on a terminal of its own, as the foreground group: what is typed there reaches it as signals."""

    def __init__(self, process: subprocess.Popen[bytes], descriptor: int) -> None:
        self.process, self._descriptor, self.shown = process, descriptor, ""

    def read_until(self, words: str) -> None:
        while words not in self.shown and self._read():
            pass
        assert words in self.shown, self.shown

    def type(self, keys: bytes) -> None:
        os.write(self._descriptor, keys)

    def finish(self) -> int:
        while self._read():
            pass
        return self.process.wait(60)

    def _read(self) -> bool:
        try:
            data = os.read(self._descriptor, 65536)
        except OSError:  # EIO: nobody has the terminal open any more
            return False
        self.shown += data.decode("utf-8", "replace")
        return bool(data)


@contextmanager
def terminal(*arguments: str) -> Iterator[Terminal]:
    inro = str(Path(sys.executable).with_name("inro"))
    ours, theirs = os.openpty()
    try:
        process = subprocess.Popen(
            [inro, *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(theirs)
        with process:
            try:
                yield Terminal(process, ours)
            finally:
                process.kill()
    finally:
        os.close(ours)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such terminals")
@pytest.mark.parametrize("step", STEPS)
def test_ctrl_c_ends_an_import_with_one_sentence_and_leaves_nothing(home: Paths, source: Path, step: str) -> None:
    with terminal("models", "import", str(source)) as shown:
        shown.read_until(step)
        children = psutil.Process(shown.process.pid).children(recursive=True)
        shown.type(b"\x03")
        code = shown.finish()
    lines = shown.shown.replace("\r\n", "\n").replace("\r", "\n").splitlines()
    if code == 0:
        # Behind the last step it may be in place already: then it says so.
        assert step == STEPS[-1]
        assert ModelLibrary(home.models).models()
        return
    assert code == 130
    assert [line for line in lines if "error" in line] == [lines[-1]]
    assert lines[-1].endswith("error: The import was cancelled; nothing of it is kept.")
    psutil.wait_procs(children, timeout=10)
    assert not any(child.is_running() for child in children)
    assert not home.models.exists() or list(home.models.iterdir()) == []
    assert [line.event for line in Record(home.record).read().lines] == []
