"""A folder for what is half done, beside where the result will lie; nothing of it outlives the process."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Reads until the process that started it is gone, however that ended, then removes the folder named to it; again if a
# worker that is ending too wrote to it meanwhile.
_SWEEPER = """
import os, shutil, sys, time
sys.stdin.read()
for attempt in range(100):
    shutil.rmtree(sys.argv[1], ignore_errors=True)
    if not os.path.lexists(sys.argv[1]):
        break
    time.sleep(0.1)
"""

# Whose it is: process id, and when that process began, since numbers are given again; then what makes it unique.
_OWNER = re.compile(r"(\d+)-(\d+)-[0-9a-f]{8}\.partial", re.ASCII)


@contextmanager
def scratch_folder(beside: Path) -> Iterator[Path]:
    """Yield a new folder on the same file system as `beside`; it is removed when the block is left.

    A process that is killed cannot clean up after itself, so that a small second one does it. What a power cut leaves
    is removed by the next call for the same `beside`, or by `sweep`.
    """
    sweep(beside)
    owner = f"{os.getpid()}-{_began(os.getpid())}-{os.urandom(4).hex()}"
    folder = beside.with_name(f"{_prefix(beside)}{owner}.partial")
    command = [sys.executable, "-I", "-S", "-c", _SWEEPER, str(folder.absolute())]
    # A session of its own, so that Ctrl-C and the end of a terminal do not reach it before its work is done.
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ):
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def sweep(beside: Path) -> None:
    """Remove the scratch folders for `beside` whose processes are gone, both of them: after a power cut."""
    prefix = _prefix(beside)
    for old in beside.parent.iterdir():
        if old.name.startswith(prefix) and _is_left_over(old.name.removeprefix(prefix)):
            shutil.rmtree(old, ignore_errors=True)


def _prefix(beside: Path) -> str:
    return f".{beside.name}."


def _is_left_over(rest: str) -> bool:
    owner = _OWNER.fullmatch(rest)
    return owner is not None and _began(int(owner[1])) != int(owner[2])


def _began(process: int) -> int | None:
    import psutil

    try:
        return int(psutil.Process(process).create_time())
    except (psutil.Error, OverflowError):
        return None
