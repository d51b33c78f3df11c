"""Does llama.cpp's fast path survive on this processor? Found out once, in a child process, and remembered.

Some builds die at the first batch of a quantized model on some processors (AMX: ggml-org/llama.cpp#20824), beyond any
exception. Rearranging the weights ("repacking") is what leads into those kernels, so when the child dies with it, the
engine goes without, at about half the reading speed.
"""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from app.core.engine.hardware import processor_name
from app.core.files import write_atomically
from app.core.paths import resources

if TYPE_CHECKING:
    from app.core.engine.llama import Build

SECONDS = 20.0
_PROMPT_TOKENS = 64


class Verdict(msgspec.Struct, frozen=True):
    """What the self-test found for one processor and one build."""

    key: str
    repack: bool
    sentence: str


@dataclass(frozen=True)
class Outcome:
    """How the child ended."""

    exit_code: int | None
    """Negative for a signal, None when it had to be ended after `SECONDS`."""

    @property
    def survived(self) -> bool:
        return self.exit_code == 0

    @property
    def crashed(self) -> bool:
        """Whether the child ended itself, rather than by a full memory, a missing file or a slow disk."""
        return self.exit_code is not None and self.exit_code < 0 and self.exit_code != -signal.SIGKILL

    def __str__(self) -> str:
        if self.exit_code is None:
            return f"it did not end within {SECONDS:g} seconds"
        if self.exit_code < 0:
            return f"the processor or llama.cpp ended it with signal {-self.exit_code}"
        return f"it ended with code {self.exit_code}"


def verdict(build: Build, remembered: Path) -> Verdict:
    """The remembered verdict for this processor and build, or that of a test made now and remembered."""
    key = _key(build)
    known = read_verdict(remembered)
    if known is not None and known.key == key:
        return known
    outcome = run(repack=True)
    found = decide(key, outcome)
    # What may have been a busy or cold machine counts for this process and is tested again at the next.
    if not outcome.survived and not (outcome.crashed and run(repack=False).survived):
        return found
    try:
        write(remembered, found)
    except OSError as error:
        print(f"the self-test's result cannot be kept: {error}", file=sys.stderr)  # noqa: T201 - the worker's log
    return found


def read_verdict(path: Path) -> Verdict | None:
    """None when nothing, or nothing readable, is remembered: then the test is made again."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Verdict)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def write(path: Path, found: Verdict) -> None:
    write_atomically(path, msgspec.json.encode(found))


def decide(key: str, outcome: Outcome) -> Verdict:
    if outcome.survived:
        return Verdict(key, True, "The self-test passed: weights are rearranged for this processor.")
    sentence = f"The self-test failed ({outcome}): weights are not rearranged, and reading a prompt takes longer."
    return Verdict(key, False, sentence)


def run(*, repack: bool) -> Outcome:
    command = [sys.executable, "-P", "-m", "app.core.engine.selftest", "repack" if repack else "plain"]
    try:
        child = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=2, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return Outcome(None)
    return Outcome(child.returncode)


def _key(build: Build) -> str:
    described = "\n".join((processor_name(), *build.cpu_features, build.version, build.commit))
    return hashlib.sha256(described.encode()).hexdigest()[:16]


def main() -> None:
    """The child: read a batch and choose tokens on a quantized model of one layer."""
    from app.core.engine import llama
    from app.core.engine.protocol import Sampling

    llama.start(lambda text: None)
    model = llama.Model(
        resources() / "selftest.gguf",
        context_length=128,
        threads=2,
        gpu_layers=0,
        repack=sys.argv[1:] != ["plain"],
        ubatch=_PROMPT_TOKENS,
        on_progress=lambda fraction: True,
    )
    model.evaluate([index % model.vocabulary for index in range(_PROMPT_TOKENS)], lambda: False)
    sampler = model.sampler(Sampling())
    for _ in range(4):
        model.evaluate((sampler.next(),), lambda: False)


if __name__ == "__main__":
    main()
