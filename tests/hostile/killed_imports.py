"""Kills imports at random moments, and says what is there afterwards and after the next start.

usage: killed_imports.py TEMPLATE_HOME FOLDER SOURCE FIRST LAST

Each kill is SIGKILL to a process of its own, which was forked from this one after the modules were imported: starting
200 interpreters would take most of the time. Every second time the processes that it started are killed with it, as
when the power goes. One JSON object a kill goes to standard output.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import random
import select
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from app import cli
from app.core.command import print_json
from app.core.errors import CheckRefused
from app.core.models.administration import Administration
from app.core.models.library import ModelLibrary
from app.core.models.record import Record
from app.core.paths import Paths, user_paths

_BECOME_REAPER = 36  # PR_SET_CHILD_SUBREAPER: what an import leaves behind becomes a child of this process
_ORPHAN_SECONDS = 30
_ATTEMPTS = 5


@dataclass
class Running:
    """A process that runs an import; `ticks` is where it writes a byte at its start and after each step."""

    pid: int
    ticks: int

    def wait_for_tick(self, count: int) -> bool:
        """Whether it came so far before it ended."""
        return all(os.read(self.ticks, 1) for _ in range(count))

    def wait(self, seconds: float) -> bool:
        """Whether it still runs after that time."""
        descriptor = os.pidfd_open(self.pid)
        try:
            return not select.select([descriptor], [], [], seconds)[0]
        finally:
            os.close(descriptor)


def forked(work: Callable[[], int]) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 99
    try:
        code = work()
    finally:
        os._exit(code)


@contextmanager
def importing(source: Path) -> Iterator[Running]:
    reading, writing = os.pipe()

    def work() -> int:
        os.close(reading)
        os.write(writing, b".")
        for _ in Administration(user_paths()).bring_in(source).steps():
            os.write(writing, b".")
        return 0

    pid = forked(work)
    os.close(writing)
    try:
        yield Running(pid, reading)
    finally:
        os.close(reading)


def run(*arguments: str) -> int:
    """The exit code of a command of `inro`, in a process of its own; what it says goes to the log."""

    def work() -> int:
        os.dup2(2, 1)
        return cli.main(arguments)

    return os.waitstatus_to_exitcode(os.waitpid(forked(work), 0)[1])


def durations(source: Path) -> list[float]:
    """Seconds from each tick of an undisturbed import to the next, and from the last to its end."""
    with importing(source) as child:
        times = []
        while os.read(child.ticks, 1):
            times.append(time.monotonic())
        assert os.waitstatus_to_exitcode(os.waitpid(child.pid, 0)[1]) == 0
        times.append(time.monotonic())
    return [end - start for start, end in itertools.pairwise(times)]


def kill_one(source: Path, tick: int, seconds: float, *, with_descendants: bool) -> bool:
    """Kill an import so long after its tick of that number; whether it still ran."""
    with importing(source) as child:
        alive = child.wait_for_tick(tick + 1) and child.wait(seconds)
        descendants: list[psutil.Process] = []
        if alive and with_descendants:
            with suppress(psutil.Error):
                descendants = psutil.Process(child.pid).children(recursive=True)
            for process in descendants:  # so that none of them sees that it is gone
                with suppress(psutil.Error):
                    process.suspend()
        os.kill(child.pid, signal.SIGKILL)
        for process in descendants:
            with suppress(psutil.Error):
                process.kill()
        return os.waitstatus_to_exitcode(os.waitpid(child.pid, 0)[1]) == -signal.SIGKILL


def reap_orphans() -> None:
    """Wait until everything that an import started has ended; a process that does not ends this one, by SIGALRM."""
    signal.alarm(_ORPHAN_SECONDS)
    with suppress(ChildProcessError):
        while True:
            os.wait()
    signal.alarm(0)


def found(paths: Paths) -> dict[str, object]:
    """The models, whether each is what its name says, and the deeds of the record."""
    models = ModelLibrary(paths.models).models()
    try:
        deeds = [line.event.__struct_config__.tag for line in Record(paths.record).read().lines]
    except CheckRefused as error:
        deeds = [str(error)]
    return {
        "models": [model.name for model in models],
        "sound": all(model.hashes() == (model.sha256,) for model in models),
        "deeds": deeds,
    }


def files(paths: Paths) -> list[str]:
    return sorted(str(path.relative_to(paths.data)) for path in paths.data.rglob("*") if path.is_file())


def main() -> None:
    template, folder, source = map(Path, sys.argv[1:4])
    ctypes.CDLL(None).prctl(_BECOME_REAPER, 1, 0, 0, 0)
    log = os.open(folder / f"log-{os.getpid()}", os.O_WRONLY | os.O_CREAT)
    os.dup2(log, 2)

    def new_home() -> Paths:
        home = folder / f"home-{os.getpid()}"
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(template, home)
        os.environ["INRO_HOME"] = str(home)
        return user_paths()

    new_home()
    durations(source)
    new_home()
    phases = durations(source)
    for number in range(int(sys.argv[4]), int(sys.argv[5])):
        rng = random.Random(number)
        for _ in range(_ATTEMPTS):
            paths = new_home()
            tick = rng.randrange(len(phases))
            killed = kill_one(source, tick, rng.random() * phases[tick], with_descendants=number % 2 == 1)
            reap_orphans()
            if killed:
                break
        before = found(paths)
        listed, verified = run("models", "list"), run("models", "audit", "verify")
        after = {"after": found(paths), "files": files(paths), "listed": listed, "verified": verified}
        print_json({"number": number, "tick": tick, "killed": killed, "before": before, **after})


if __name__ == "__main__":
    main()
