"""Energy that a run used, where the machine counts it: NVIDIA's library, or the processor's own counters (RAPL).

The counters are those of whole devices, so that what else runs on them is counted too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

POWERCAP = Path("/sys/class/powercap")


@dataclass(frozen=True)
class Counter:
    name: str
    read: Callable[[], float]
    """Joules since some moment. Raises OSError or ValueError if it cannot be read."""
    wraps_at: float = 0.0
    """Joules at which it begins again at 0; 0: never."""


class Meter:
    """Sums up counters that begin again; `update` must be called more often than they do (RAPL: every hour or so)."""

    def __init__(self, counters: list[Counter], before: Mapping[str, float] | None = None) -> None:
        """`before` are the joules of the processes that this one goes on from."""
        self._counters = counters
        self._last: dict[str, float] = {}
        self.joules: dict[str, float] = dict(before or {})
        self.update()

    def update(self) -> None:
        for counter in self._counters:
            try:
                now = counter.read()
            except (OSError, ValueError):
                continue
            used = now - self._last.get(counter.name, now)
            self._last[counter.name] = now
            if used < 0:
                used = max(used + counter.wraps_at, 0.0)
            self.joules[counter.name] = self.joules.get(counter.name, 0.0) + used


def find_counters(powercap: Path = POWERCAP) -> list[Counter]:
    return [*_rapl(powercap), *_nvml()]


def _rapl(powercap: Path) -> list[Counter]:
    """Whole packages (`intel-rapl:0`, AMD's too), which their parts (`intel-rapl:0:0`) are counted in.

    Most systems let only root read them (CVE-2020-8694). Format: Documentation/power/powercap in the Linux kernel.
    """
    counters = []
    for folder in sorted(powercap.glob("intel-rapl:*")):
        if folder.name.count(":") != 1:
            continue
        try:
            name = (folder / "name").read_text("ascii", "replace").strip()
            most = float((folder / "max_energy_range_uj").read_text("ascii")) / 1e6
            float((folder / "energy_uj").read_text("ascii"))
        except (OSError, ValueError):
            continue
        counters.append(Counter(f"{name} (RAPL)", _reader(folder / "energy_uj"), most))
    return counters


def _reader(path: Path) -> Callable[[], float]:
    return lambda: float(path.read_text("ascii")) / 1e6


def _nvml() -> list[Counter]:
    """The GPUs that torch uses, through NVIDIA's bindings where they are installed (the package nvidia-ml-py)."""
    import torch

    if not torch.cuda.is_available():
        return []
    try:
        import pynvml  # type: ignore[import-not-found,unused-ignore]

        pynvml.nvmlInit()
        return [_gpu(pynvml, number) for number in range(torch.cuda.device_count())]
    except Exception:  # noqa: BLE001 - a driver without the counter must not end a run
        return []


def _gpu(nvml: Any, number: int) -> Counter:
    import torch

    handle = nvml.nvmlDeviceGetHandleByUUID(f"GPU-{torch.cuda.get_device_properties(number).uuid}")

    def read() -> float:
        try:
            return float(nvml.nvmlDeviceGetTotalEnergyConsumption(handle)) / 1000
        except nvml.NVMLError as error:
            raise OSError(str(error)) from error

    read()
    return Counter(f"GPU {number} (NVML)", read)
