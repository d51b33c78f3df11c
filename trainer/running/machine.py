"""What a run was made on and with: the machine, and the state of the checkout that the program came from."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from trainer.records import Git

_SECONDS = 20


def describe_machine(processes: int = 1) -> dict[str, str | int]:
    """Names and sizes; memory in bytes. GPUs are those that torch sees."""
    import psutil

    machine: dict[str, str | int] = {
        "system": platform.system(),
        "machine": platform.machine(),
        "cpus": os.cpu_count() or 0,
        "memory": int(psutil.virtual_memory().total),
        "processes": processes,
    }
    if model := _processor():
        machine["processor"] = model
    return machine | _gpus()


def peak_memory() -> dict[str, str | int]:
    """The most that this process held so far, in bytes: of the machine's memory, and of each GPU's that it used."""
    import torch

    found: dict[str, str | int] = {}
    if sys.platform != "win32":
        import resource

        unit = 1 if sys.platform == "darwin" else 1024
        found["peak_memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    if torch.cuda.is_available():
        found["peak_gpu_memory"] = torch.cuda.max_memory_allocated()
        found["peak_gpu_memory_reserved"] = torch.cuda.max_memory_reserved()
    return found


def git_state(package: Path | None = None) -> Git | None:
    """Of the checkout that holds this package; None where it was installed, or git is not there."""
    root = (package or Path(__file__).resolve().parents[1]).parent
    git = shutil.which("git")
    if git is None or not (root / ".git").exists():
        return None
    # Read only: no index is refreshed, so that a checkout of somebody else's can be described.
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}

    def ask(*arguments: str) -> str:
        command = [git, "-C", str(root), *arguments]
        done = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=_SECONDS, check=True
        )
        return done.stdout.decode("utf-8", "replace").strip()

    try:
        return Git(commit=ask("rev-parse", "HEAD"), dirty=bool(ask("status", "--porcelain")))
    except (OSError, subprocess.SubprocessError):
        return None


def _processor() -> str | None:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        return platform.processor() or None
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), None)


def _gpus() -> dict[str, str | int]:
    import torch

    if not torch.cuda.is_available():
        return {}
    properties = torch.cuda.get_device_properties(torch.cuda.current_device())
    return {
        "gpu": properties.name,
        "gpu_memory": int(properties.total_memory),
        "gpus": torch.cuda.device_count(),
        "cuda": str(torch.version.cuda),
    }
