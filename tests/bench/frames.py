"""How long the window takes from frame to frame while a model is imported from a slow source.

usage: frames.py MODEL.gguf MEGABYTES_A_SECOND        prints one JSON object: milliseconds by stage of the import
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

FRAME_MILLISECONDS = 16
IDLE_FRAMES = 200


class SlowPath(type(Path())):  # type: ignore[misc]
    """A file that is read no faster than a stick."""

    rate = 0.0
    """Bytes a second."""

    def open(self, *arguments: Any, **options: Any) -> Any:
        file = super().open(*arguments, **options)
        return _Slow(file, self.rate) if options.get("buffering") == 0 else file


class _Slow:
    def __init__(self, file: Any, rate: float) -> None:
        self._file, self._rate = file, rate
        self._began, self._read = time.monotonic(), 0

    def __enter__(self) -> _Slow:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def readinto(self, buffer: Any) -> int:
        count: int = self._file.readinto(buffer)
        self._read += count
        # As a read that waits for a device: without the interpreter's lock.
        time.sleep(max(0.0, self._began + self._read / self._rate - time.monotonic()))
        return count


def main(model: Path, rate: float) -> None:
    with tempfile.TemporaryDirectory(dir=model.parent) as home:
        os.environ["INRO_HOME"] = home
        from app.__main__ import Application, open_window

        SlowPath.rate = rate * 1e6
        frames: dict[str, list[float]] = {}
        failures: list[str] = []

        def begin(application: Application) -> None:
            from PySide6.QtCore import Qt, QTimer
            from PySide6.QtWidgets import QApplication

            window, imports = application.window, application.imports
            window.show_page("models")
            timer = QTimer(window, interval=FRAME_MILLISECONDS)
            timer.setTimerType(Qt.TimerType.PreciseTimer)
            last = 0.0

            def frame() -> None:
                nonlocal last
                window.status_line.update()
                now, progress = time.perf_counter(), imports.progress
                stage = "idle" if progress is None else progress.stage
                if last and application.inference.state.phase == "ready":
                    frames.setdefault(stage, []).append((now - last) * 1000)
                last = now
                if progress is None and len(frames.get("idle", ())) >= IDLE_FRAMES:
                    imports.bring_in([SlowPath(model)])
                elif progress is not None and not progress.running:
                    timer.stop()
                    failures.append(str(progress.error or ""))
                    QApplication.quit()

            timer.timeout.connect(frame)
            timer.start()

        open_window(None, begin)
        if failures != [""]:
            sys.exit(f"the import failed: {failures}")
        print(json.dumps({stage: _figures(values) for stage, values in frames.items()}))


def _figures(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {
        "frames": len(ordered),
        "median": ordered[len(ordered) // 2],
        "p99": ordered[int(len(ordered) * 0.99)],
        "longest": ordered[-1],
        "over_50": sum(value > 50 for value in ordered),
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
