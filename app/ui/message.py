"""One message of the transcript: the question at the right, the answer over the whole column."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING

from PySide6.QtCore import QDateTime, QEvent, QLocale, Qt, QTimer, Signal
from PySide6.QtGui import QGuiApplication, QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QProgressBar, QVBoxLayout, QWidget

from app.ui.controls import Button, FailurePanel
from app.ui.failures import asking_again_helps, failure_sentence, saved_failure_sentence
from app.ui.growing_text import GrowingText
from app.ui.theme import Theme

if TYPE_CHECKING:
    from app.core.engine.protocol import Failed
    from app.core.history.store import Message

REPAINT_MS = 30
READING_SHOWN_MS = 400
_COPIED_MS = 1500
_BUBBLE_WIDTH = 640


class QuestionView(QWidget):
    def __init__(self, message: Message, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self.text = GrowingText(theme)
        self.text.show_plain(message.text)
        bubble = QFrame()
        bubble.setObjectName("question")
        self._padding = theme.px(14)
        inside = QVBoxLayout(bubble)
        inside.setContentsMargins(self._padding, theme.px(8), self._padding, theme.px(8))
        inside.addWidget(self.text)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addStretch(1)
        layout.addWidget(bubble)
        self.retranslate()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        widest = min(event.size().width(), self._theme.px(_BUBBLE_WIDTH))
        self.text.fit_width(widest - 2 * self._padding)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self.retranslate()

    def retranslate(self) -> None:
        self.text.setAccessibleName(self.tr("Your question"))


class AnswerView(QWidget):
    """Renders one answer while it is written and after. `ask_again` is emitted from the panel of a failed answer."""

    ask_again = Signal()

    def __init__(self, message: Message, theme: Theme) -> None:
        super().__init__()
        self._message = message
        self._written = message.text
        self._failed: Failed | None = None
        self._reading = (0, 0)
        self._theme = theme
        self.text = GrowingText(theme)
        self.reading_label = QLabel()
        self.reading_label.setProperty("role", "small")
        self._reading_bar = QProgressBar()
        self._reading_bar.setTextVisible(False)
        self.failure = FailurePanel(theme)
        self.failure.action.clicked.connect(self.ask_again)
        self.copy_button = Button(theme, "chip", "copy", icon_pixels=13)
        self.copy_button.clicked.connect(self.copy)
        self.facts = QLabel()
        self.facts.setProperty("role", "small")
        self.facts.setWordWrap(True)
        self.facts.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._lay_out()
        self._repaint_timer = _single_shot(self, REPAINT_MS, self._paint_text)
        self._reading_timer = _single_shot(self, READING_SHOWN_MS, self._show_reading)
        self._copied_timer = _single_shot(self, _COPIED_MS, self.retranslate)
        theme.changed.connect(self._paint_text)
        self._paint_text()
        self._show_state()

    @property
    def written(self) -> str:
        """The answer's Markdown so far."""
        return self._written

    @property
    def writing(self) -> bool:
        return self._message.state == "streaming"

    def append(self, text: str) -> None:
        self._written += text
        self._reading_timer.stop()
        self._set_reading_visible(False)
        if not self._repaint_timer.isActive():
            self._repaint_timer.start()

    def set_reading(self, done: int, total: int) -> None:
        """Progress of reading the question, in tokens; shown when it lasts."""
        self._reading = (done, total)
        if self.reading_label.isVisible():
            self._show_reading()
        elif not self._written and not self._reading_timer.isActive():
            self._reading_timer.start()

    def finish(self, message: Message, failure: Failed | None = None) -> None:
        """`failure` has the numbers that are not saved with the answer."""
        self._message = message
        self._failed = failure
        self._written = message.text
        self._repaint_timer.stop()
        self._reading_timer.stop()
        self._set_reading_visible(False)
        self._paint_text()
        self._show_state()

    def abandon(self) -> None:
        """No end of this answer will come: leave what is written, as stopped."""
        self.finish(replace(self._message, state="stopped", text=self._written))

    def copy(self) -> None:
        QGuiApplication.clipboard().setText(self._written)
        self.copy_button.setText(self.tr("Copied"))
        self.copy_button.set_icon("check")
        self._copied_timer.start()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self.retranslate()

    def retranslate(self) -> None:
        self.text.setAccessibleName(self.tr("Answer"))
        self.copy_button.setText(self.tr("Copy"))
        self.copy_button.set_icon("copy")
        self.copy_button.setAccessibleName(self.tr("Copy the answer"))
        self.facts.setText(self._facts_text())
        self.facts.setToolTip(self._origin_text())
        if self._message.state == "failed":
            saved = saved_failure_sentence(self._message.failure)
            sentence = failure_sentence(self._failed) if self._failed else saved
            again = self.tr("Ask again") if asking_again_helps(self._message.failure) else ""
            self.failure.show_failure(sentence, again)
        if self.reading_label.isVisible():
            self._show_reading()

    def _lay_out(self) -> None:
        px = self._theme.px
        footer = QHBoxLayout()
        footer.setSpacing(px(8))
        footer.addWidget(self.copy_button)
        footer.addWidget(self.facts, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(px(10))
        for part in (self.text, self.reading_label, self._reading_bar, self.failure):
            layout.addWidget(part)
        layout.addLayout(footer)
        self._set_reading_visible(False)
        self.failure.hide()

    def _paint_text(self) -> None:
        started = perf_counter()
        self.text.show_markdown(self._written, complete=self._message.state == "complete", writing=self.writing)
        # A long answer takes longer to lay out: leave the window at least three quarters of the time.
        spent_ms = (perf_counter() - started) * 1000
        self._repaint_timer.setInterval(max(REPAINT_MS, round(3 * spent_ms)))

    def _show_state(self) -> None:
        self.text.setVisible(self.writing or bool(self._written))
        self.copy_button.setVisible(not self.writing and bool(self._written))
        self.facts.setVisible(not self.writing)
        self.failure.setVisible(self._message.state == "failed")
        self.retranslate()

    def _show_reading(self) -> None:
        done, total = self._reading
        numbers = QLocale()
        self.reading_label.setText(
            self.tr("Reading the question: {done} of {total} tokens").format(
                done=numbers.toString(done), total=numbers.toString(total)
            )
        )
        self._reading_bar.setMaximum(max(1, total))
        self._reading_bar.setValue(done)
        self._set_reading_visible(True)

    def _set_reading_visible(self, visible: bool) -> None:
        self.reading_label.setVisible(visible)
        self._reading_bar.setVisible(visible)

    def _facts_text(self) -> str:
        message = self._message
        parts = []
        if message.completion_tokens == 1:
            parts.append(self.tr("1 token"))
        elif message.completion_tokens is not None:
            parts.append(self.tr("{count} tokens").format(count=QLocale().toString(message.completion_tokens)))
        if message.tokens_per_second is not None:
            parts.append(self.tr("{speed} tok/s").format(speed=f"{message.tokens_per_second:.1f}"))
        states = {
            "streaming": "",
            "complete": self.tr("complete"),
            "stopped": self.tr("stopped"),
            "failed": self.tr("not finished"),
        }
        cut = message.finish_reason == "length"
        parts.append(self.tr("cut off at its length limit") if cut else states[message.state])
        return " · ".join(part for part in parts if part)

    def _origin_text(self) -> str:
        created = QDateTime.fromSecsSinceEpoch(int(self._message.created_at.timestamp()))
        when = QLocale().toString(created, QLocale.FormatType.ShortFormat)
        return f"{self._message.model} · {when}" if self._message.model else when


def _single_shot(parent: AnswerView, interval: int, slot: Callable[[], None]) -> QTimer:
    timer = QTimer(parent)
    timer.setSingleShot(True)
    timer.setInterval(interval)
    timer.timeout.connect(slot)
    return timer
