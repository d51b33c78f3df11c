"""What stands in the page before the first question: questions that the loaded model can answer, one click each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from app.ui.controls import ExampleButton, IconLabel
from app.ui.i18n import Translation
from app.ui.theme import Theme

if TYPE_CHECKING:
    from app.services.inference import InferenceService

_MOST_EXAMPLES = 4


class EmptyState(QWidget):
    chosen = Signal(str)

    def __init__(self, inference: InferenceService, translation: Translation, theme: Theme) -> None:
        super().__init__()
        self._inference = inference
        self._translation = translation
        self._theme = theme
        self._headline = QLabel()
        self._headline.setProperty("role", "headline")
        self._headline.setWordWrap(True)
        self._introduction = QLabel()
        self._introduction.setProperty("role", "muted")
        self._introduction.setWordWrap(True)
        self._list = QVBoxLayout()
        self._list.setSpacing(theme.px(8))
        self.examples: list[ExampleButton] = []
        self._lay_out()
        inference.state_changed.connect(self._update)
        self.retranslate()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self.retranslate()

    def retranslate(self) -> None:
        self._headline.setText(self.tr("What would you like to know?"))
        self._introduction.setText(self.tr("The loaded model can answer these questions, among others:"))
        self._update()

    def _lay_out(self) -> None:
        px = self._theme.px
        title = QHBoxLayout()
        title.setSpacing(px(12))
        title.addWidget(IconLabel(self._theme, "ask", "accent_text", pixels=28), 0, Qt.AlignmentFlag.AlignVCenter)
        title.addWidget(self._headline, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, px(40), 0, px(16))
        layout.setSpacing(px(8))
        layout.addLayout(title)
        layout.addSpacing(px(8))
        layout.addWidget(self._introduction)
        layout.addLayout(self._list)

    def _update(self) -> None:
        state = self._inference.state
        questions = tuple(state.examples.get(self._translation.language, ()))[:_MOST_EXAMPLES]
        if questions != tuple(button.question for button in self.examples):
            self._show(questions)
        self._introduction.setVisible(bool(questions))
        for button in self.examples:
            button.setEnabled(state.phase == "ready")

    def _show(self, questions: tuple[str, ...]) -> None:
        for button in self.examples:
            self._list.removeWidget(button)
            button.hide()
            button.deleteLater()
        self.examples = [ExampleButton(self._theme, question) for question in questions]
        for button in self.examples:
            button.clicked.connect(lambda _=False, question=button.question: self.chosen.emit(question))
            self._list.addWidget(button)
