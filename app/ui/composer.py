"""Where the question is written: a growing text field with Send, or Stop while an answer is written."""

from __future__ import annotations

from math import ceil

from PySide6.QtCore import QEvent, QLocale, Qt, QTimer, Signal
from PySide6.QtGui import QFocusEvent, QInputMethodEvent, QKeyEvent, QTextOption
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QTextEdit, QVBoxLayout

from app.core.limits import MAX_QUESTION_CHARACTERS
from app.ui.controls import Button
from app.ui.theme import Theme

_ENTER = (Qt.Key.Key_Return, Qt.Key.Key_Enter)
_CONFIRMING_MS = 80
_LINES = 8


class Composer(QFrame):
    """Emits `submitted` with a question that is neither blank nor blocked; the text stays until `clear`."""

    submitted = Signal(str)
    stop_requested = Signal()

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.setObjectName("composer")
        self.text = QuestionField(theme)
        self.hint = QLabel()
        self.hint.setProperty("role", "small")
        self.hint.setTextFormat(Qt.TextFormat.PlainText)
        self.hint.setWordWrap(True)
        self.send_button = Button(theme, "primary", "send")
        self.stop_button = Button(theme, "plain", "stop", icon_pixels=13)
        self._busy = False
        self._blocked = ""
        self._lay_out(theme)
        self.text.enter_pressed.connect(self.submit)
        self.text.focus_changed.connect(self._show_focus)
        self.text.textChanged.connect(self._update)
        self.send_button.clicked.connect(self.submit)
        self.stop_button.clicked.connect(self.stop_requested)
        self.setFocusProxy(self.text)
        self.retranslate()

    def set_state(self, *, busy: bool, blocked: str) -> None:
        """`blocked` is the reason, for the person, why nothing can be sent now; typing stays possible."""
        self._busy = busy
        self._blocked = blocked
        self._update()

    def submit(self) -> None:
        if self._can_send():
            self.submitted.emit(self.text.toPlainText().strip())

    def clear(self) -> None:
        self.text.clear()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self.retranslate()

    def retranslate(self) -> None:
        self.text.setPlaceholderText(self.tr("Write a question"))
        self.text.setAccessibleName(self.tr("Question"))
        self.send_button.setText(self.tr("Send"))
        self.send_button.setAccessibleName(self.tr("Send the question"))
        self.stop_button.setText(self.tr("Stop"))
        self.stop_button.setAccessibleName(self.tr("Stop the answer"))
        self._update()

    def _lay_out(self, theme: Theme) -> None:
        row = QHBoxLayout()
        row.setSpacing(theme.px(10))
        row.addWidget(self.hint, 1)
        row.addWidget(self.send_button)
        row.addWidget(self.stop_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(theme.px(14), theme.px(10), theme.px(10), theme.px(10))
        layout.setSpacing(theme.px(6))
        layout.addWidget(self.text)
        layout.addLayout(row)

    def _can_send(self) -> bool:
        return not self._busy and not self._reason() and bool(self.text.toPlainText().strip())

    def _reason(self) -> str:
        if len(self.text.toPlainText()) > MAX_QUESTION_CHARACTERS:
            longest = QLocale().toString(MAX_QUESTION_CHARACTERS)
            return self.tr("A question has at most {count} characters.").format(count=longest)
        return self._blocked

    def _update(self) -> None:
        reason = self._reason()
        idle = reason or self.tr("Enter sends, Shift+Enter breaks the line")
        self.hint.setText(self.tr("Answering… Esc stops.") if self._busy else idle)
        self.send_button.setVisible(not self._busy)
        self.stop_button.setVisible(self._busy)
        self.send_button.setEnabled(self._can_send())
        self.send_button.setToolTip(reason)
        self.send_button.setAccessibleDescription(reason)

    def _show_focus(self, focused: bool) -> None:
        self.setProperty("focused", focused)
        self.style().polish(self)


class QuestionField(QTextEdit):
    """Plain text; as tall as what is written in it, up to eight lines."""

    enter_pressed = Signal()
    focus_changed = Signal(bool)

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.setObjectName("composerText")
        self.setAcceptRichText(False)
        self.setTabChangesFocus(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWordWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.document().setDocumentMargin(theme.px(2))
        self._converting = False
        self._confirming = False
        self._confirming_over = QTimer(self)
        self._confirming_over.setSingleShot(True)
        self._confirming_over.setInterval(_CONFIRMING_MS)
        self._confirming_over.timeout.connect(self._end_confirming)
        self.document().documentLayout().documentSizeChanged.connect(self._grow)

    def inputMethodEvent(self, event: QInputMethodEvent) -> None:
        was_converting = self._converting
        self._converting = bool(event.preeditString())
        if was_converting and not self._converting:
            # Some input methods pass the Enter that confirmed the conversion on as a key. It belongs to the conversion:
            # ignore it until it is let go of, or until nobody can have pressed it a second time.
            self._confirming = True
            self._confirming_over.start()
        super().inputMethodEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() not in _ENTER:
            super().keyPressEvent(event)
        elif self._converting or self._confirming:
            event.accept()
        elif event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            super().keyPressEvent(event)
            self.ensureCursorVisible()
        else:
            event.accept()
            if not event.isAutoRepeat():
                self.enter_pressed.emit()

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        if event.key() in _ENTER and not event.isAutoRepeat():
            self._end_confirming()
        super().keyReleaseEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self.focus_changed.emit(True)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self._converting = False
        self.focus_changed.emit(False)

    def _end_confirming(self) -> None:
        self._confirming = False
        self._confirming_over.stop()

    def _grow(self) -> None:
        margins = round(2 * self.document().documentMargin())
        most = self.fontMetrics().lineSpacing() * _LINES + margins
        height = min(ceil(self.document().size().height()), most)
        if height != self.height():
            self.setFixedHeight(height)
