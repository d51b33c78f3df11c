"""Names and texts of facts, as a table that a page can be laid out with quickly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

from PySide6.QtCore import QCoreApplication, QEvent, QSize, Qt
from PySide6.QtGui import (
    QAction,
    QColor,
    QGuiApplication,
    QKeyEvent,
    QKeySequence,
    QPainter,
    QPaintEvent,
    QResizeEvent,
)
from PySide6.QtWidgets import QLabel, QSizePolicy, QWidget

from app.ui.panels import Tone
from app.ui.theme import Theme

translate = QCoreApplication.translate

_MOST_WIDTHS = 8
"""That are remembered: while a window is resized, each is another one."""


@dataclass(frozen=True)
class Fact:
    name: str
    text: str
    tone: Tone = "plain"


class FactTable(QWidget):
    """Names at the left, texts that can be selected and wrap at the right.

    For the keyboard it is one stop, not one for each fact: a screen reader reads them all there, and Copy takes all.
    It places its labels itself: in a QGridLayout, each text that wraps costs the page milliseconds at every change.
    """

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._facts: tuple[Fact, ...] = ()
        self._rows: list[tuple[QLabel, QLabel]] = []
        self.copy = QAction(self)
        self.copy.triggered.connect(self._copy)
        self.addAction(self.copy)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)
        self._gap, self._between = theme.px(16), theme.px(5)
        self._least = theme.px(120)
        self._column = 0
        """Pixels of the column of names."""
        self._known: dict[int, list[int]] = {}
        """Pixels of each row, by the width of the whole. A page asks for several widths, each many times."""
        policy = QSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)

    def show_facts(self, facts: Sequence[Fact]) -> None:
        if tuple(facts) == self._facts:
            return
        # An import adds facts to those that are shown, many times while the window must stay smooth.
        same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(facts, self._facts, strict=False)))
        self._facts = tuple(facts)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus if facts else Qt.FocusPolicy.NoFocus)
        self.copy.setText(translate("Facts", "Copy all"))
        self.setAccessibleName(translate("Facts", "What is known of the model"))
        self.setAccessibleDescription(self._all())
        for labels in self._rows[same:]:
            for label in labels:
                label.hide()
                label.deleteLater()
        del self._rows[same:]
        for fact in facts[same:]:
            name = QLabel(fact.name)
            name.setProperty("role", "muted")
            name.setAlignment(Qt.AlignmentFlag.AlignTop)
            text = QLabel(fact.text)
            text.setProperty("fact", fact.tone)
            text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            text.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
            text.setAccessibleName(f"{fact.name}: {fact.text}")
            for label in (name, text):
                label.setTextFormat(Qt.TextFormat.PlainText)
            text.setWordWrap(True)
            for label in (name, text):
                label.setParent(self)
                label.ensurePolished()
                label.show()
            self._rows.append((name, text))
        self._measure()

    def heightForWidth(self, width: int) -> int:
        rows = self._heights(width)
        return sum(rows) + self._between * max(0, len(rows) - 1)

    def sizeHint(self) -> QSize:
        return QSize(self._column + self._gap + self._least, self.heightForWidth(self.width()))

    def minimumSizeHint(self) -> QSize:
        return QSize(self._column + self._gap + self._least, 0)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._place()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self._measure()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        # No shortcut: a fact in which a part is selected by the mouse copies that part.
        if event.matches(QKeySequence.StandardKey.Copy):
            self._copy()
        else:
            super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if self.hasFocus():
            painter = QPainter(self)
            painter.setPen(QColor(self._theme.colors.accent))
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))

    def _measure(self) -> None:
        """Anew, since texts or their looks have changed."""
        self._known.clear()
        self._column = max((name.sizeHint().width() for name, _ in self._rows), default=0)
        self._place()
        self.updateGeometry()

    def _left(self, width: int) -> int:
        """What of a width the texts have."""
        return max(1, width - self._column - self._gap)

    def _heights(self, width: int) -> list[int]:
        if width not in self._known:
            if len(self._known) >= _MOST_WIDTHS:
                self._known.clear()
            left = self._left(width)
            self._known[width] = [max(name.sizeHint().height(), text.heightForWidth(left)) for name, text in self._rows]
        return self._known[width]

    def _place(self) -> None:
        left, top = self._left(self.width()), 0
        for (name, text), height in zip(self._rows, self._heights(self.width()), strict=True):
            name.setGeometry(0, top, self._column, height)
            text.setGeometry(self._column + self._gap, top, left, height)
            top += height + self._between

    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(self._all())

    def _all(self) -> str:
        return "\n".join(f"{fact.name}: {fact.text}" for fact in self._facts)
