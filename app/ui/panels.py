"""Cards, chips and forms, which the pages for administrators share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from app.ui.controls import Button, FailurePanel
from app.ui.theme import Theme

Tone = Literal["plain", "good", "check", "bad"]
"""Quiet; in order; amber, look at this; red, refused or lost."""

_PIN_WIDTH = 360


class Card(QFrame):
    """A part of a page that belongs together; `body` holds what is in it."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.setObjectName("card")
        self.theme = theme
        self.body = QVBoxLayout(self)
        self.body.setContentsMargins(theme.px(18), theme.px(16), theme.px(18), theme.px(16))
        self.body.setSpacing(theme.px(10))


class ScrollPage(QScrollArea):
    """A view that scrolls up and down, and is never squeezed: texts that wrap need their height at this width."""

    def __init__(self, theme: Theme, view: QWidget) -> None:
        super().__init__()
        self.setObjectName("transcript")
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWidgetResizable(True)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._holder = QWidget()
        self._holder.setObjectName("column")
        self._column = QVBoxLayout(self._holder)
        self._column.setContentsMargins(theme.px(22), theme.px(20), theme.px(22), theme.px(20))
        self._column.addWidget(view)
        self._holder.installEventFilter(self)
        self.setWidget(self._holder)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() in (QEvent.Type.LayoutRequest, QEvent.Type.Resize):
            self._keep_height()
        return super().eventFilter(watched, event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._keep_height()

    def _keep_height(self) -> None:
        if self._column.hasHeightForWidth():
            needed = self._column.totalHeightForWidth(self.viewport().width())
            if needed != self._holder.minimumHeight():
                self._holder.setMinimumHeight(needed)


class Chip(QLabel):
    """A small fact; it wraps where there is no room."""

    def __init__(self, text: str = "", tone: Tone = "plain") -> None:
        super().__init__(text)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setWordWrap(True)
        self.setProperty("chip", tone)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.MinimumExpanding)

    def show_fact(self, text: str, tone: Tone) -> None:
        self.setText(text)
        if self.property("chip") != tone:
            self.setProperty("chip", tone)
            self.style().polish(self)


class ChipRow(QWidget):
    """Chips of one width in a row, or in several where they would be too narrow to read."""

    def __init__(self, theme: Theme, chips: Iterable[Chip], least_width: int = 120) -> None:
        super().__init__()
        self._chips = list(chips)
        self._least = theme.px(least_width)
        self._columns = 0
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(theme.px(8))
        self._place(len(self._chips))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        count = len(self._chips)
        fitting = max(1, (event.size().width() + self._grid.spacing()) // (self._least + self._grid.spacing()))
        rows = -(-count // min(count, fitting))
        self._place(-(-count // rows))

    def _place(self, columns: int) -> None:
        if columns == self._columns:
            return
        self._columns = columns
        for chip in self._chips:
            self._grid.removeWidget(chip)
        for number, chip in enumerate(self._chips):
            self._grid.addWidget(chip, number // columns, number % columns)
        for column in range(len(self._chips)):
            self._grid.setColumnStretch(column, 1 if column < columns else 0)


class Field(QWidget):
    """A name above an edit."""

    def __init__(self, theme: Theme, edit: QWidget) -> None:
        super().__init__()
        self.label = QLabel()
        self.label.setProperty("role", "muted")
        self.label.setTextFormat(Qt.TextFormat.PlainText)
        self.label.setWordWrap(True)
        self.label.setBuddy(edit)
        self._edit = edit
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(theme.px(4))
        layout.addWidget(self.label)
        layout.addWidget(edit)

    def set_name(self, name: str) -> None:
        self.label.setText(name)
        self._edit.setAccessibleName(name)


class PinEdit(QLineEdit):
    """Shows dots, and is not kept by an input method."""

    def __init__(self, theme: Theme) -> None:
        from app.core.models.pin import LONGEST  # Pages without a PIN share this module, and need nothing of models.

        super().__init__()
        self.setMaximumWidth(theme.px(_PIN_WIDTH))
        self.setEchoMode(QLineEdit.EchoMode.Password)
        self.setMaxLength(LONGEST)
        self.setInputMethodHints(
            Qt.InputMethodHint.ImhHiddenText
            | Qt.InputMethodHint.ImhSensitiveData
            | Qt.InputMethodHint.ImhNoPredictiveText
        )

    def take(self) -> str:
        """What was typed; the edit is empty afterwards."""
        text = self.text()
        self.clear()
        return text


class Form(Card):
    """A question to a person: a title, an explanation, fields, what went wrong, and two buttons."""

    def __init__(self, theme: Theme) -> None:
        super().__init__(theme)
        self.title = QLabel()
        self.title.setProperty("role", "title")
        self.explanation = QLabel()
        self.explanation.setProperty("role", "muted")
        for label in (self.title, self.explanation):
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setWordWrap(True)
        self.failure = FailurePanel(theme)
        self.failure.hide()
        self.confirm = Button(theme, "primary")
        self.cancel = Button(theme, "plain")
        self.fields = QVBoxLayout()
        self.fields.setSpacing(theme.px(10))
        buttons = QHBoxLayout()
        buttons.setSpacing(theme.px(8))
        buttons.addWidget(self.confirm)
        buttons.addWidget(self.cancel)
        buttons.addStretch(1)
        self.body.addWidget(self.title)
        self.body.addWidget(self.explanation)
        self.body.addLayout(self.fields)
        self.body.addWidget(self.failure)
        self.body.addLayout(buttons)

    def add_field(self, edit: QWidget) -> Field:
        """Tab comes to the fields first, in their order, then to the buttons, which were made before them."""
        field = Field(self.theme, edit)
        self.fields.addWidget(field)
        self.setTabOrder(edit, self.confirm)
        self.setTabOrder(self.confirm, self.cancel)
        return field
