"""The desktop's own dialogs for choosing a file."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtWidgets import QFileDialog, QWidget


class FileDialogs:
    """A method returns None when the person chose nothing."""

    def existing_file(self, parent: QWidget, title: str, kinds: str) -> Path | None:
        """`kinds` as Qt writes them: `Model files (*.gguf)`."""
        chosen, _ = QFileDialog.getOpenFileName(parent, title, "", kinds)
        return Path(chosen) if chosen else None

    def existing_folder(self, parent: QWidget, title: str) -> Path | None:
        chosen = QFileDialog.getExistingDirectory(parent, title)
        return Path(chosen) if chosen else None

    def new_file(self, parent: QWidget, title: str, name: str) -> Path | None:
        """A file to be written, which is offered to be called `name`."""
        # What is there already is refused in the page, with a sentence.
        option = QFileDialog.Option.DontConfirmOverwrite
        chosen, _ = QFileDialog.getSaveFileName(parent, title, name, options=option)
        return Path(chosen) if chosen else None
