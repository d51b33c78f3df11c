"""The end of a process that is not a child: which may be a zombie for seconds, until its new parent looks."""

from __future__ import annotations

import os
import select

import psutil


def wait_for_end(process: psutil.Process, seconds: float = 10) -> None:
    """Raises TimeoutError where it has not ended by then."""
    if not hasattr(os, "pidfd_open"):
        process.wait(seconds)
        return
    try:
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return
    try:
        if not select.select([descriptor], [], [], seconds)[0]:
            raise TimeoutError(f"{process} is still there")
    finally:
        os.close(descriptor)
