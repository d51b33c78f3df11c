"""`inro` without a command: the window, or, where there is no display, a sample answer in the terminal."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from app.commands.ask import answer
from app.core.asking import DEFAULT_OPTIONS
from app.core.models.selection import select
from app.core.paths import user_paths
from app.core.settings import read_settings

_SAMPLE = "アナフィラキシーの第一選択薬は何ですか？"


def window_or_terminal(named: Path | None) -> int:
    if has_display(os.environ, sys.platform):
        from app.__main__ import open_window

        return open_window(named)
    print("There is no display, so the window cannot open. A sample question is answered here instead;")
    print('ask your own with: inro ask "…"', end="\n\n")
    paths = user_paths()
    manifest = select(named, read_settings(paths.settings), paths).manifest
    examples = manifest.examples if manifest else {}
    question = next((texts[0] for texts in examples.values() if texts), _SAMPLE)
    print(f"> {question}", flush=True)
    return answer(named, question, DEFAULT_OPTIONS, as_json=False)


def has_display(environment: dict[str, str] | os._Environ[str], platform: str) -> bool:
    """Whether Qt can open a window; on Linux a display server must be named, unless a Qt platform is chosen."""
    if platform != "linux":
        return True
    return any(environment.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"))
