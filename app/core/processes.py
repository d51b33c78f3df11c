"""What this machine says of Inro's processes: network sockets, memory, and whose they are."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path

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


def user_name() -> str:
    """Who runs this process, as the system knows it and not as the environment says, for the record.

    On POSIX the number decides and stands beside the name. The name is looked up in /etc/passwd alone: asking the C
    library may open a socket to a name service; whom it does not list (a domain's users) is called as the session says.
    """
    if sys.platform == "win32":
        return os.getlogin()
    number = os.getuid()
    for line in _passwd().splitlines():
        fields = line.split(":")
        if len(fields) > 2 and fields[2] == str(number):
            return f"{fields[0]} ({number})"
    claimed = os.environ.get("LOGNAME") or os.environ.get("USER") or ""
    return f"{claimed} ({number})" if claimed.isprintable() and claimed else f"({number})"


def _passwd() -> str:
    try:
        return Path("/etc/passwd").read_text("utf-8", "replace")
    except OSError:
        return ""


def _of(pid: int) -> int:
    import psutil

    try:
        return len(psutil.Process(pid).net_connections(kind="inet"))
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0
