"""Copying and hashing a file as an import does, against `cp` and `sha256sum` of the same file started together.

Before each of them the file is either read once, so that all of it is in the page cache, or dropped from the cache,
so that none is; what the one before has written is on the disk by then. Ours ends when the copy is on the disk, theirs
when both commands have ended; a second figure lets `cp` be followed by `sync`, as an import needs it.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from app.core.models.copying import copy_hashing

FILE_BYTES = 1_000_000_000
_CHUNK = 8 * 1024 * 1024

Run = Callable[[Path, Path], None]


def bench_import(folder: Path, rounds: int) -> None:
    folder.mkdir()
    source, target = folder / "source", folder / "target"
    _write(source)
    print(f"a file of {FILE_BYTES / 1e9:.0f} GB copied and hashed, ours against cp and sha256sum together")
    for state, prepare in (("in the page cache", _warm), ("not in the page cache", _cool)):
        seconds = _interleaved(source, target, prepare, rounds)
        ours = seconds[_import]
        print(f"  source {state}: {FILE_BYTES / statistics.median(ours) / 1e6:.0f} MB/s")
        for peer, run in (("theirs", _commands), ("theirs with the copy flushed", _flushed_commands)):
            ratios = [their / our for our, their in zip(ours, seconds[run], strict=True)]
            print(
                f"    speed of ours / {peer}: median {statistics.median(ratios):.2f} "
                f"(min {min(ratios):.2f}, max {max(ratios):.2f}, {rounds} rounds)   target >= 0.9"
            )


def _interleaved(source: Path, target: Path, prepare: Callable[[Path], None], rounds: int) -> dict[Run, list[float]]:
    """Seconds of each, in turn; which is first changes from round to round."""
    runs: tuple[Run, ...] = (_import, _commands, _flushed_commands)
    seconds: dict[Run, list[float]] = {run: [] for run in runs}
    for number in range(rounds):
        first = number % len(runs)
        for run in runs[first:] + runs[:first]:
            os.sync()
            prepare(source)
            start = time.perf_counter()
            run(source, target)
            seconds[run].append(time.perf_counter() - start)
            target.unlink()
    return seconds


def _import(source: Path, target: Path) -> None:
    for _ in copy_hashing(source, target):
        pass


def _commands(source: Path, target: Path, *, flushed: bool = False) -> None:
    with subprocess.Popen(["sha256sum", source], stdout=subprocess.DEVNULL) as hashing:
        subprocess.run(["cp", source, target], check=True)
        if flushed:
            subprocess.run(["sync", target], check=True)
    assert hashing.returncode == 0


def _flushed_commands(source: Path, target: Path) -> None:
    _commands(source, target, flushed=True)


def _warm(source: Path) -> None:
    with source.open("rb", buffering=0) as file:
        while file.read(_CHUNK):
            pass


def _cool(source: Path) -> None:
    descriptor = os.open(source, os.O_RDONLY)
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


def _write(path: Path) -> None:
    """Random bytes, so that no disk compresses them."""
    with path.open("wb") as file:
        for start in range(0, FILE_BYTES, _CHUNK):
            file.write(os.urandom(min(_CHUNK, FILE_BYTES - start)))
