"""What the engine is doing while no question can be sent: loading with its progress, or what failed and Restart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, Qt
from PySide6.QtWidgets import QLabel, QProgressBar, QVBoxLayout, QWidget

from app.ui.controls import FailurePanel, plain_line
from app.ui.failures import code_sentence, failure_sentence
from app.ui.theme import Theme

if TYPE_CHECKING:
    from app.services.inference import InferenceService

# What an administrator needs to know of these is in the engine's own words only.
_WITH_DETAILS = ("bad_model", "bad_template", "model_crashed", "worker_unusable")


class EngineNotice(QWidget):
    def __init__(self, inference: InferenceService, theme: Theme) -> None:
        super().__init__()
        self._inference = inference
        self.label = QLabel()
        self.label.setProperty("role", "muted")
        self.label.setTextFormat(Qt.TextFormat.PlainText)
        self.label.setWordWrap(True)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.failure = FailurePanel(theme)
        self.failure.action.clicked.connect(lambda: inference.restart())
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(theme.px(8))
        for part in (self.label, self.bar, self.failure):
            layout.addWidget(part)
        inference.state_changed.connect(self.retranslate)
        self.retranslate()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self.retranslate()

    def retranslate(self) -> None:
        state = self._inference.state
        loading = state.phase in ("starting", "loading")
        self.label.setVisible(loading)
        self.bar.setVisible(loading)
        self.failure.setVisible(state.phase == "failed")
        self.setVisible(state.phase != "ready")
        if loading:
            text = self._loading_text()
            self.label.setText(text)
            self.bar.setAccessibleName(text)
            # A bar without an end while nothing can be measured.
            self.bar.setMaximum(0 if state.phase == "starting" else 100)
            self.bar.setValue(int(state.load_fraction * 100))
        if state.phase == "failed":
            self.failure.show_failure(self._failure_text(), self.tr("Restart"))

    def _failure_text(self) -> str:
        failure = self._inference.state.failure
        if failure is None:
            return code_sentence("worker_died")
        sentence = failure_sentence(failure)
        if failure.code in _WITH_DETAILS:
            details = self.tr("Details: {message}").format(message=failure.message)
            return f"{sentence}\n{details}"
        return sentence

    def _loading_text(self) -> str:
        state = self._inference.state
        if state.phase == "starting":
            return self.tr("Starting the engine…")
        return self.tr("Loading {model}: {percent} %").format(
            model=plain_line(state.model_name) or self.tr("the model"), percent=int(state.load_fraction * 100)
        )
