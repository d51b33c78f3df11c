"""A read-only text that is as tall as what it holds, so that the page scrolls and the text does not."""

from __future__ import annotations

from math import ceil

from PySide6.QtCore import QSize, QSizeF, Qt, QUrl
from PySide6.QtGui import QTextCursor, QTextOption, QWheelEvent
from PySide6.QtWidgets import QFrame, QSizePolicy, QTextEdit

from app.ui.answer_document import set_line_height, show_markdown
from app.ui.theme import Theme

# Both sides of the border that the style sheet gives `#text`. Measuring it would depend on whether it was applied yet.
_BORDERS = 4


class GrowingText(QTextEdit):
    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self.setObjectName("text")
        self.ensurePolished()  # the style sheet's font, by which a text shown before the window is measured
        self.setReadOnly(True)
        self.setUndoRedoEnabled(False)
        self.setTabChangesFocus(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWordWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        self.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.document().setDocumentMargin(0)
        self.document().documentLayout().documentSizeChanged.connect(self._grow)

    def show_plain(self, text: str) -> None:
        self.setPlainText(text)
        set_line_height(self.document())

    def show_markdown(self, text: str, *, complete: bool, writing: bool) -> None:
        """Keeps what the reader has selected: the text before it does not move."""
        selected = self.textCursor()
        anchor, position = selected.anchor(), selected.position()
        show_markdown(self.document(), text, self._theme, complete=complete, writing=writing)
        end = self.document().characterCount() - 1
        if anchor != position and max(anchor, position) <= end:
            restored = self.textCursor()
            restored.setPosition(anchor)
            restored.setPosition(position, QTextCursor.MoveMode.KeepAnchor)
            self.setTextCursor(restored)

    def fit_width(self, limit: int) -> None:
        """Be as wide as the text needs, at most `limit` pixels."""
        document = self.document()
        document.setTextWidth(limit - _BORDERS)
        # One pixel more: the ideal width is rounded down and would push the last character to a line of its own.
        width = min(limit, ceil(document.idealWidth()) + _BORDERS + 1)
        self.setFixedWidth(width)
        document.setTextWidth(width - _BORDERS)

    def loadResource(self, kind: int, name: QUrl | str) -> object:
        """Nothing: a text from a model must not make the application read a file or an address."""
        return None

    def wheelEvent(self, event: QWheelEvent) -> None:
        event.ignore()  # to the page

    def sizeHint(self) -> QSize:
        return QSize(self.width(), self._wanted_height(self.document().size()))

    def minimumSizeHint(self) -> QSize:
        return QSize(self.fontMetrics().averageCharWidth() * 4, self._wanted_height(self.document().size()))

    def _grow(self, size: QSizeF) -> None:
        height = self._wanted_height(size)
        if height != self.height():
            self.setFixedHeight(height)

    def _wanted_height(self, size: QSizeF) -> int:
        return ceil(size.height()) + _BORDERS
