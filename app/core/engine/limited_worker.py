"""The worker, within limits that it sets for itself before it opens a file that nobody has tried yet.

usage: python -m app.core.engine.limited_worker MEMORY_BYTES SECONDS
"""

from __future__ import annotations

import contextlib
import os
import sys


def main() -> None:
    memory, seconds = int(sys.argv[1]), int(sys.argv[2])
    if sys.platform != "win32":
        import resource

        # What a process writes to, not what it maps: a model file is mapped, and drivers reserve addresses they never
        # use. Processor time counts on all cores together.
        for kind, limit in ((resource.RLIMIT_DATA, memory), (resource.RLIMIT_CPU, seconds * (os.cpu_count() or 1))):
            _, most = resource.getrlimit(kind)
            bound = limit if most == resource.RLIM_INFINITY else min(limit, most)
            with contextlib.suppress(ValueError, OSError):  # where the system does not know this limit
                resource.setrlimit(kind, (bound, bound))
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    from app.core.engine import worker

    worker.main()


if __name__ == "__main__":
    main()
