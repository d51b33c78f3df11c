"""Progress for a person at a terminal: a bar with bytes and time left on stderr, and nothing anywhere else."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any


class Progress:
    """Steps one after the other; a step of unknown size is a line, the others are bars of bytes."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()
        self._bar: Any = None

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def start(self, what: str, total: int = 0) -> None:
        """Begin a step of `total` bytes."""
        self._close()
        if not self._shown:
            return
        if total:
            from tqdm import tqdm

            self._bar = tqdm(desc=what, total=total, unit="B", unit_scale=True, unit_divisor=1000)
        else:
            sys.stderr.write(f"{what} …\n")

    def advance(self, count: int) -> None:
        if self._bar is not None:
            self._bar.update(count)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
