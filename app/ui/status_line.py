"""The line at the bottom of the window: the network, the model and what the machine is doing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QTimer
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QWidget

from app.ui.controls import ElidedLabel
from app.ui.failures import gigabytes
from app.ui.theme import Theme

if TYPE_CHECKING:
    from app.core.history.store import Message
    from app.services.chat import ChatService
    from app.services.inference import EngineState, InferenceService

POLL_MS = 5000
FIRST_POLL_MS = 300


class StatusLine(QFrame):
    """`open_connections` counts the sockets of the application and its worker; it is asked every few seconds."""

    def __init__(
        self, inference: InferenceService, chat: ChatService, theme: Theme, open_connections: Callable[[], int]
    ) -> None:
        super().__init__()
        self.setObjectName("statusLine")
        self._inference = inference
        self._open_connections = open_connections
        self._connections: int | None = None
        self._speed: float | None = None
        self._note: QLabel | None = None
        self._notes = QHBoxLayout()
        self._dot = _Dot(theme)
        self.network = QLabel()
        self.model = ElidedLabel()
        self.speed = QLabel()
        self.memory = QLabel()
        self.threads = QLabel()
        self._lay_out(theme)
        inference.state_changed.connect(self.retranslate)
        chat.answer_finished.connect(self._answer_finished)
        self._poll_timer = QTimer(self)
        self._poll_timer.setInterval(POLL_MS)
        self._poll_timer.timeout.connect(self.poll)
        self._poll_timer.start()
        # Not while the window is being built: counting takes milliseconds that the first picture should not wait for.
        QTimer.singleShot(FIRST_POLL_MS, self.poll)
        self.retranslate()

    def show_note(self, note: QLabel | None) -> None:
        """A label of the page that is open."""
        if self._note is not None and self._note is not note:
            self._note.hide()
        self._note = note
        if note is not None:
            self._notes.addWidget(note)
            note.show()

    def poll(self) -> None:
        self._connections = self._open_connections()
        self.retranslate()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self.retranslate()

    def retranslate(self) -> None:
        state = self._inference.state
        self._show_network()
        self.model.setText(self._model_text(state))
        speed = self.tr("{speed} tok/s").format(speed=f"{self._speed:.1f}") if self._speed is not None else ""
        _show(self.speed, speed)
        _show(self.memory, self._memory_text(state.resident_bytes))
        _show(self.threads, self._threads_text(state))

    def _lay_out(self, theme: Theme) -> None:
        layout = QHBoxLayout(self)
        layout.setContentsMargins(theme.px(16), theme.px(6), theme.px(16), theme.px(6))
        layout.setSpacing(theme.px(18))
        network = QHBoxLayout()
        network.setSpacing(theme.px(6))
        network.addWidget(self._dot)
        network.addWidget(self.network)
        layout.addLayout(network)
        layout.addWidget(self.model, 1)
        for label in (self.speed, self.memory, self.threads):
            layout.addWidget(label)
        layout.addLayout(self._notes)

    def _show_network(self) -> None:
        count = self._connections
        alarm = bool(count)
        if count is None:
            text = self.tr("Checking connections…")
        elif count == 0:
            text = self.tr("Offline · 0 connections")
        elif count == 1:
            text = self.tr("1 connection open")
        else:
            text = self.tr("{count} connections open").format(count=count)
        self.network.setText(text)
        self.network.setToolTip(self.tr("Inro needs no network. Tell your administrator.") if alarm else "")
        self._dot.set_role("muted" if count is None else "amber" if alarm else "green")
        if bool(self.network.property("alarm")) != alarm:
            self.network.setProperty("alarm", alarm)
            self.network.style().polish(self.network)

    def _model_text(self, state: EngineState) -> str:
        name = state.model_name or self.tr("Model")
        match state.phase:
            case "starting":
                return self.tr("{model} · starting the engine…").format(model=name)
            case "loading":
                return self.tr("{model} · loading {percent} %").format(
                    model=name, percent=int(state.load_fraction * 100)
                )
            case "failed":
                return self.tr("{model} · not available").format(model=name)
            case "ready":
                return self.tr("{model} · ready").format(model=name)

    def _memory_text(self, resident: int) -> str:
        if resident <= 0:
            return ""
        amount = f"{gigabytes(resident)} GB" if resident >= 1e9 else f"{resident / 1e6:.0f} MB"
        return self.tr("Memory {amount}").format(amount=amount)

    def _threads_text(self, state: EngineState) -> str:
        if state.model is None:
            return ""
        threads = state.model.threads
        return self.tr("1 thread") if threads == 1 else self.tr("{count} threads").format(count=threads)

    def _answer_finished(self, answer: Message) -> None:
        if answer.tokens_per_second is not None:
            self._speed = answer.tokens_per_second
            self.retranslate()


def _show(label: QLabel, text: str) -> None:
    label.setText(text)
    label.setVisible(bool(text))


class _Dot(QWidget):
    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._role = "muted"
        self.setFixedSize(theme.px(8), theme.px(8))
        theme.changed.connect(self.update)

    def set_role(self, role: str) -> None:
        if role != self._role:
            self._role = role
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        color = QColor(getattr(self._theme.colors, self._role))
        painter.setPen(color)
        painter.setBrush(color)
        painter.drawEllipse(self.rect().adjusted(0, 0, -1, -1))
