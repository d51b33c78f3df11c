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
    from PySide6.QtWidgets import QApplication

    from app.__main__ import Application
    from app.core.paths import user_paths

    qt = QApplication([])
    application = Application(qt, user_paths(), None)
    application.start()
    qt.processEvents()
    application.window.grab()
    application.engine.close()
    os._exit(0)


if __name__ == "__main__":
    {"bare": bare, "inro": inro}[sys.argv[1]]()
