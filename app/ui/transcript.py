"""The conversation in a column for reading. It follows the answer only while the reader is at its end."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from PySide6.QtCore import QMargins, Qt, Signal
from PySide6.QtWidgets import QFrame, QScrollArea, QVBoxLayout, QWidget

from app.ui.controls import centred_column
from app.ui.theme import Theme

if TYPE_CHECKING:
    from app.core.history.store import Message
    from app.ui.message import AnswerView, QuestionView

COLUMN_WIDTH = 760
SCROLL_BAR_WIDTH = 12
_AT_END = 24


class Transcript(QScrollArea):
    """`empty` is shown while there is no message; `notices` stand below the last one."""

    ask_again = Signal(str)

    def __init__(self, theme: Theme, empty: QWidget, notices: Iterable[QWidget]) -> None:
        super().__init__()
        self._theme = theme
        self._empty = empty
        self._questions: list[QuestionView] = []
        self._answers: dict[str, AnswerView] = {}
        self._following = False
        self.setObjectName("transcript")
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._messages = QVBoxLayout()
        self._messages.setSpacing(theme.px(20))
        self._lay_out(notices)
        # Always there, drawn only when there is something to scroll: the column must not move when it appears.
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
        bar = self.verticalScrollBar()
        bar.setEnabled(False)
        bar.valueChanged.connect(self._scrolled)
        bar.rangeChanged.connect(self._grown)

    def clear(self) -> None:
        for view in (*self._questions, *self._answers.values()):
            self._messages.removeWidget(view)
            view.hide()
            view.deleteLater()
        self._questions, self._answers = [], {}
        self._following = False
        self._empty.show()

    def show_messages(self, messages: Iterable[Message]) -> None:
        self.clear()
        for message in messages:
            self.add(message)

    def add(self, message: Message) -> None:
        """Add a message at the end, and go there."""
        # Imported with the first message: an empty window opens without the modules that draw answers.
        from app.ui.message import AnswerView, QuestionView

        view: QWidget
        if message.role == "user":
            view = question_view = QuestionView(message, self._theme)
            self._questions.append(question_view)
        else:
            view = answer_view = AnswerView(message, self._theme)
            question = self._last_question()
            answer_view.ask_again.connect(lambda: self.ask_again.emit(question))
            self._answers[message.id] = answer_view
        self._messages.addWidget(view)
        self._empty.hide()
        self._following = True

    def answer(self, message_id: str) -> AnswerView | None:
        return self._answers.get(message_id)

    def answer_being_written(self) -> AnswerView | None:
        return next((view for view in self._answers.values() if view.writing), None)

    def _last_question(self) -> str:
        return self._questions[-1].text.toPlainText() if self._questions else ""

    def _lay_out(self, notices: Iterable[QWidget]) -> None:
        px = self._theme.px
        column = QWidget()
        column.setObjectName("column")
        inside = QVBoxLayout(column)
        inside.setContentsMargins(0, px(22), 0, px(22))
        inside.setSpacing(px(20))
        inside.addWidget(self._empty)
        inside.addLayout(self._messages)
        for notice in notices:
            inside.addWidget(notice)
        inside.addStretch(1)
        area = QWidget()
        area.setObjectName("transcriptArea")
        area.setLayout(centred_column(column, px(COLUMN_WIDTH), QMargins(px(24), 0, px(24), 0)))
        self.setWidget(area)

    def _scrolled(self, value: int) -> None:
        self._following = value >= self.verticalScrollBar().maximum() - self._theme.px(_AT_END)

    def _grown(self, _least: int, most: int) -> None:
        self.verticalScrollBar().setEnabled(most > 0)
        if self._following:
            self.verticalScrollBar().setValue(most)
