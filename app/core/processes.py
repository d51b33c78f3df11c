"""What this machine says of Inro's processes: network sockets and memory."""

from __future__ import annotations

from collections.abc import Iterable

# psutil is imported when it is first asked: a tenth of what the start of the window may take.


def open_connections(pids: Iterable[int]) -> int:
    """Internet sockets of these processes, listening ones included; a process that is gone has none."""
    return sum(_of(pid) for pid in pids)


def resident_bytes(pid: int) -> int:
    """Physical memory of a process; 0 if it is gone."""
    import psutil

    try:
        return int(psutil.Process(pid).memory_info().rss)
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0


def _of(pid: int) -> int:
    import psutil

    try:
        return len(psutil.Process(pid).net_connections(kind="inet"))
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0
