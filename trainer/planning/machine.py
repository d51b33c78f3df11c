"""What this machine has: the memory that a training would run in, and the disk."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Machine:
    """One device. Memory in bytes."""

    name: str
    cuda: bool
    memory: int
    """All of a GPU's; of the machine's, what is free now, control groups included."""


def this_machine() -> Machine:
    """The first GPU that torch sees, or else the processor."""
    import torch

    from app.core.engine.hardware import free_memory, processor_name

    if torch.cuda.is_available():
        properties = torch.cuda.get_device_properties(torch.cuda.current_device())
        return Machine(properties.name, True, int(properties.total_memory))
    return Machine(processor_name(), False, free_memory())


def free_disk(output: Path) -> int:
    """Of the disk that `output` will lie on."""
    return shutil.disk_usage(existing(output)).free


def existing(output: Path) -> Path:
    """The nearest folder above `output` that is there already."""
    folder = output.absolute()
    while not folder.is_dir():
        folder = folder.parent
    return folder
