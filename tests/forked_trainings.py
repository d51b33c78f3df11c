"""Trainings in processes of their own that can be killed at any moment, without importing torch for each of them.

One helper process imports what is heavy and forks a child for every training. A child counts what it does to files by
Python's audit events (PEP 578), so that "killed while the second checkpoint gets its name" is a place in the program
and not a matter of time.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import resource
import signal
import subprocess
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
NO_NAMESPACES = 99
"""What a training with a small disk ends with where no such disk can be made."""


@dataclass(frozen=True)
class Moment:
    """The `count`-th time that `event` concerns a path with `path` in it; then `signal` arrives, or a limit is set.

    `limit` is one of the resource module's, with its value; for RLIMIT_AS, what may be added to what is in use now.
    With `spoil` every weight of the model in training stops being a number.
    """

    event: str
    path: str
    count: int = 1
    signal: int = 0
    limit: tuple[str, int] | None = None
    spoil: bool = False


@dataclass(frozen=True)
class Training:
    arguments: Sequence[str]
    moments: Sequence[Moment] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    sharded: bool = False
    """Spread the model by FSDP although there is no GPU, which accelerate does not do by itself."""
    largest_part: int | None = None
    """Logits that are computed at once, where a tiny model should compute them in parts."""
    small_disk: tuple[str, int] | None = None
    """A folder that is a file system of its own, of so many bytes; what it holds at the end is listed on stdout."""


@dataclass(frozen=True)
class Ended:
    code: int
    """As subprocess has it: minus the signal that ended it."""
    out: str
    err: str


class Trainings:
    """The helper process."""

    def __init__(self, process: subprocess.Popen[str], scratch: Path) -> None:
        self._process, self._scratch = process, scratch

    def run(self, folder: Path, *trainings: Training) -> list[Ended]:
        """All at once, in `folder`."""
        request = {
            "folder": str(folder),
            "scratch": str(self._scratch),
            "trainings": [asdict(training) for training in trainings],
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        codes = json.loads(self._process.stdout.readline())
        return [
            Ended(code, *((self._scratch / f"{number}.{name}").read_text("utf-8") for name in ("out", "err")))
            for number, code in enumerate(codes)
        ]

    def one(self, folder: Path, *arguments: str, moments: Sequence[Moment] = ()) -> Ended:
        return self.run(folder, Training(arguments, moments))[0]


@pytest.fixture(scope="session")
def trainings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trainings]:
    # One thread: nothing is faster with more here, and sums are in the same order.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-m", "tests.forked_trainings"]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Trainings(process, tmp_path_factory.mktemp("trainings"))
        assert process.stdin is not None
        process.stdin.close()


# --- in the helper process --------------------------------------------------------------------------------------------


def main() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    import accelerate  # type: ignore[import-untyped,unused-ignore]  # noqa: F401
    import peft  # noqa: F401
    import torch  # noqa: F401
    import transformers
    from transformers import Trainer  # noqa: F401

    assert transformers.Qwen2ForCausalLM
    assert transformers.AutoTokenizer
    import trainer.recipes.mfpt
    import trainer.recipes.mpeft  # noqa: F401

    # The children's many collections then pass over what was imported.
    gc.collect()
    gc.freeze()
    for line in sys.stdin:
        request = json.loads(line)
        children = [_fork(request, number) for number in range(len(request["trainings"]))]
        codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        sys.stdout.write(json.dumps(codes) + "\n")
        sys.stdout.flush()


def _fork(request: dict[str, Any], number: int) -> int:
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        code = _train(request, number)
    except BaseException:  # noqa: BLE001 - whatever it is, the parent's loop must not go on in the child
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _train(request: dict[str, Any], number: int) -> int:
    from trainer.cli import main as command

    scratch, training = Path(request["scratch"]), request["trainings"][number]
    for descriptor, name in ((1, "out"), (2, "err")):
        file = os.open(scratch / f"{number}.{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, descriptor)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.chdir(request["folder"])
    os.environ.update(training["environment"])
    if training["sharded"]:
        _shard_without_gpus()
    if training["largest_part"]:
        import trainer.loss

        trainer.loss.LARGEST_PART = training["largest_part"]
    if disk := training["small_disk"]:
        _mount(*disk)
    for moment in training["moments"]:
        _await(Moment(**moment))
    code = command(training["arguments"])
    if disk:
        sys.stdout.writelines(f"{path}\n" for path in sorted(Path(disk[0]).rglob("*")))
    return code


def _shard_without_gpus() -> None:
    """accelerate reads the settings of FSDP for GPUs only, though torch shards on any processor."""
    from accelerate.state import AcceleratorState, DistributedType  # type: ignore[import-untyped,unused-ignore]

    begin = AcceleratorState.__init__

    def begin_sharded(self: Any, *arguments: Any, fsdp_plugin: Any = None, **options: Any) -> None:
        begin(self, *arguments, fsdp_plugin=fsdp_plugin, **options)
        if fsdp_plugin is not None:
            self.fsdp_plugin = fsdp_plugin
        if getattr(self, "fsdp_plugin", None) is not None:
            self.distributed_type = DistributedType.FSDP

    AcceleratorState.__init__ = begin_sharded


def _mount(folder: str, size: int) -> None:
    """Only this process sees it: it moves to a namespace of its own, where it may mount. Ends with NO_NAMESPACES
    where the system does not allow that."""
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.getuid(), os.getgid()
    if libc.unshare(0x10000000 | 0x00020000):  # CLONE_NEWUSER | CLONE_NEWNS
        os._exit(NO_NAMESPACES)
    try:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    except OSError:
        os._exit(NO_NAMESPACES)
    if libc.mount(b"tmpfs", folder.encode(), b"tmpfs", 0, f"size={size}".encode()):
        os._exit(NO_NAMESPACES)


def _await(moment: Moment) -> None:
    left = moment.count

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal left
        if event == moment.event and any(moment.path in str(argument) for argument in arguments[:2]):
            left -= 1
            if left == 0:
                _act(moment)

    sys.addaudithook(hook)


def _act(moment: Moment) -> None:
    if moment.spoil:
        _spoil_weights()
    if moment.limit is not None:
        name, value = moment.limit
        if name == "RLIMIT_AS":
            pages = int(Path("/proc/self/statm").read_text().split()[0])
            value += pages * os.sysconf("SC_PAGE_SIZE")
        number = getattr(resource, name)
        resource.setrlimit(number, (value, resource.getrlimit(number)[1]))
    if moment.signal:
        os.kill(os.getpid(), moment.signal)


def _spoil_weights() -> None:
    """What too high a learning rate does, at a moment of one's choice."""
    import torch

    with torch.no_grad():
        for found in gc.get_objects():
            if isinstance(found, torch.nn.Parameter) and found.requires_grad:
                found.fill_(float("nan"))


if __name__ == "__main__":
    main()
