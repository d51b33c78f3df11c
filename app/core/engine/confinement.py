"""Limits that this process sets for itself, where the system knows them; where not, they change nothing."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

if sys.platform == "win32":

    def confine(memory_bytes: int, seconds: int) -> None: ...
else:
    import resource

    def confine(memory_bytes: int, seconds: int) -> None:
        """For good: what the process may write to, and processor time for each core; no core dump is written.

        Memory that is only mapped does not count: a model file is, and drivers reserve addresses they never use.
        """
        processor_seconds = seconds * (os.cpu_count() or 1)  # counts on all cores together
        for kind, limit in ((resource.RLIMIT_DATA, memory_bytes), (resource.RLIMIT_CPU, processor_seconds)):
            _, most = resource.getrlimit(kind)
            bound = min(limit, sys.maxsize if most == resource.RLIM_INFINITY else most)
            with contextlib.suppress(ValueError, OSError):
                resource.setrlimit(kind, (bound, bound))
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


@contextmanager
def memory_limit(further_bytes: int) -> Iterator[None]:
    """Meanwhile this process, all its threads together, may write to so many bytes more; beyond is a MemoryError."""
    if sys.platform != "linux":
        yield
        return
    import psutil

    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = int(psutil.Process().memory_info().data) + further_bytes
    if soft != resource.RLIM_INFINITY:
        limit = min(limit, soft)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
