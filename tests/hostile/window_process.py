"""What the window's process does with a file that a person chose, until the file is copied: in a process with limits.

usage: window_process.py GOOD_FILE MEGABYTES SECONDS

Paths of files come on standard input, one a line; each is answered with one JSON object. A file that takes more
processor time than that ends the process by SIGPROF, one that takes more memory gives a MemoryError.
"""

from __future__ import annotations

import datetime
import resource
import signal
import sys
import traceback
from collections.abc import Set
from contextlib import closing
from pathlib import Path

import psutil

from app.commands.examining import described
from app.commands.expectation import facts, sentences
from app.core.command import json_text, print_json
from app.core.engine.gauge import Gauge
from app.core.engine.protocol import Gpu, Measured
from app.core.errors import UserFacingError
from app.core.models.examination import examine, objections
from app.core.models.importing import Import, MemoryCompared, Prepared
from app.core.models.library import ModelLibrary
from app.core.models.probe import limited_worker, usual_limits

TODAY = datetime.date(2026, 1, 1)
NEVER_HERE = ("jinja2", "llama_cpp", "gguf")
"""What renders templates and what opens model files."""


class OnceMeasured(Gauge):
    """A machine that was measured before; what it can do is not what is asked here."""

    def measured(self, types: Set[str]) -> Measured:
        rates, gpu = dict.fromkeys(types, 1e10), Gpu("GPU", 8 * 10**9, 8 * 10**9)
        return Measured(id=0, threads=2, read_bytes_per_second=1e10, product_bytes_per_second=rates, gpus=(gpu,))


def look_at(path: Path) -> None:
    """Raises UserFacingError for a file that is refused, and nothing else."""
    with closing(
        Import(ModelLibrary(path.parent / "library"), path, {}, _nothing, gauge=OnceMeasured()).steps()
    ) as steps:
        compared = next(step for step in steps if isinstance(step, MemoryCompared))
    sentences(compared)
    json_text(facts(compared))
    examined = examine(path, {})
    json_text(described(examined, TODAY))
    objections(examined, TODAY, unsigned_allowed=False)
    limited_worker(usual_limits(examined.header))


def _nothing(_prepared: Prepared) -> None:
    pass


def main() -> None:
    good, megabytes, seconds = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    look_at(good)  # so that what is imported at first use does not count
    most = psutil.Process().memory_info().data + megabytes * 1_000_000
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    before, slowest = _most_resident(), 0.0
    for line in sys.stdin:
        signal.setitimer(signal.ITIMER_PROF, seconds)
        answer = {"refused": "", "raised": ""}
        try:
            look_at(Path(line.removesuffix("\n")))
        except UserFacingError as error:
            answer["refused"] = str(error)
        except BaseException:  # noqa: BLE001 - it is the test's to judge
            answer["raised"] = traceback.format_exc()
        slowest = max(slowest, seconds - signal.setitimer(signal.ITIMER_PROF, 0)[0])
        print_json(answer)
    imported = [name for name in NEVER_HERE if name in sys.modules]
    print_json({"slowest": slowest, "grown": _most_resident() - before, "imported": imported})


def _most_resident() -> int:
    """Bytes of memory that this process has had at once."""
    (line,) = (line for line in Path("/proc/self/status").read_text("ascii").splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main()
