"""`inro` without a command: the window, or, where there is no display, a sample answer in the terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

_SAMPLE = "アナフィラキシーの第一選択薬は何ですか？"


def window_or_terminal(named: Path | None) -> int:
    if has_display(os.environ, sys.platform):
        from app.__main__ import open_window

        return open_window(named)
    return _answer_a_sample(named)


def _answer_a_sample(named: Path | None) -> int:
    # Not at the top: the window must not wait for what only the terminal needs.
    from app.commands.ask import answer
    from app.core.asking import DEFAULT_OPTIONS
    from app.core.models.selection import select
    from app.core.paths import user_paths
    from app.core.settings import read_settings

    print("There is no display, so the window cannot open. A sample question is answered here instead;")
    print('ask your own with: inro ask "…"', end="\n\n")
    paths = user_paths()
    manifest = select(named, read_settings(paths.settings), paths).manifest
    examples = manifest.examples if manifest else {}
    question = next((texts[0] for texts in examples.values() if texts), _SAMPLE)
    print(f"> {question}", flush=True)
    return answer(named, question, DEFAULT_OPTIONS, as_json=False)


def has_display(environment: Mapping[str, str], platform: str) -> bool:
    """Whether Qt can open a window. Asked before Qt is: it ends the process when a display does not answer."""
    if platform != "linux" or environment.get("QT_QPA_PLATFORM"):
        return True
    if wayland := environment.get("WAYLAND_DISPLAY"):
        return Path(environment.get("XDG_RUNTIME_DIR", "/"), wayland).exists()
    return bool(environment.get("DISPLAY")) and _x_server_answers()


def _x_server_answers() -> bool:
    import ctypes

    try:
        xcb = ctypes.CDLL("libxcb.so.1")
    except OSError:
        return True  # Qt has a library of its own, or says what is missing.
    xcb.xcb_connect.restype = ctypes.c_void_p
    connection = ctypes.c_void_p(xcb.xcb_connect(None, None))
    refused = xcb.xcb_connection_has_error(connection) != 0
    xcb.xcb_disconnect(connection)
    return not refused
