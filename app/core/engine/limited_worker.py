"""The worker, within limits that it sets for itself before it opens a file that nobody has tried yet.

usage: python -m app.core.engine.limited_worker MEMORY_BYTES SECONDS
"""

from __future__ import annotations

import sys

from app.core.engine.confinement import confine


def main() -> None:
    confine(int(sys.argv[1]), int(sys.argv[2]))
    from app.core.engine import worker

    worker.main()


if __name__ == "__main__":
    main()
