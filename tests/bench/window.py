"""Opens a window and ends as soon as it is painted and takes typing: `window.py inro|bare`."""

from __future__ import annotations

import os
import sys

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")


def bare() -> None:
    """The least that one can write in: a question box and an answer box."""
    from PySide6.QtWidgets import QApplication, QMainWindow, QPlainTextEdit, QTextBrowser, QVBoxLayout, QWidget

    qt = QApplication([])
    window, page = QMainWindow(), QWidget()
    layout = QVBoxLayout(page)
    layout.addWidget(QTextBrowser())
    layout.addWidget(QPlainTextEdit())
    window.setCentralWidget(page)
    window.resize(1180, 780)
    window.show()
    qt.processEvents()
    window.grab()
    os._exit(0)


def inro() -> None:
    """What the command `inro` does, up to the first picture."""
    from app.__main__ import Application, open_window

    def end(application: Application) -> None:
        application.window.grab()
        assert application.window.ask_page.isVisible()
        os._exit(0)

    open_window(None, end)


if __name__ == "__main__":
    {"bare": bare, "inro": inro}[sys.argv[1]]()
