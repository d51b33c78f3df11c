"""The page on which questions are asked."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from PySide6.QtCore import QDate, QEvent, QLocale, QMargins, Qt, Signal
from PySide6.QtGui import QKeySequence, QResizeEvent, QShortcut
from PySide6.QtWidgets import QFrame, QHBoxLayout, QVBoxLayout, QWidget

from app.ui.composer import Composer
from app.ui.controls import Banner, ElidedLabel, FailurePanel, centred_column
from app.ui.empty_state import EmptyState
from app.ui.engine_notice import EngineNotice
from app.ui.i18n import Translation
from app.ui.theme import Theme
from app.ui.transcript import COLUMN_WIDTH, SCROLL_BAR_WIDTH, Transcript

if TYPE_CHECKING:
    from app.core.history.store import Conversation, Message
    from app.services.chat import ChatService
    from app.services.inference import EngineState, InferenceService

_HEADER_FROM = 440


class AskPage(QWidget):
    """`conversation_shown` tells the id of the conversation on the page, or None for a new one."""

    conversation_shown = Signal(object)

    def __init__(self, inference: InferenceService, chat: ChatService, translation: Translation, theme: Theme) -> None:
        super().__init__()
        self.setObjectName("page")
        self._inference = inference
        self._chat = chat
        self._conversation: str | None = None
        self._asking: str | None = None
        self._unsaved = ""
        self._unasked = False
        self.advice = Banner(theme, "advice", "info", "amber")
        self.demonstration = Banner(theme, "demonstration", "alert", "amber")
        self.caution = Banner(theme, "demonstration", "alert", "amber")
        self.title = ElidedLabel()
        self.title.setProperty("role", "title")
        self._header = QFrame()
        self._header_from = theme.px(_HEADER_FROM)
        self.empty = EmptyState(inference, translation, theme)
        self.engine = EngineNotice(inference, theme)
        self.save_failure = FailurePanel(theme)
        self.transcript = Transcript(theme, self.empty, (self.engine, self.save_failure))
        self.composer = Composer(theme)
        self._lay_out(theme)
        self._connect()
        self.setFocusProxy(self.composer)
        self.retranslate()

    def begin_new(self) -> None:
        """An empty page with the cursor in the question box."""
        self._chat.new_conversation()
        self.composer.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        # With large text on a small screen the answer needs the room more than the title, which the history shows too.
        self._header.setVisible(event.size().height() >= self._header_from)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self.retranslate()

    def retranslate(self) -> None:
        self.advice.set_text(
            self.tr(
                "For reference only. Decisions on diagnosis and prescription are the physician's, "
                "after checking primary sources."
            )
        )
        self.demonstration.set_text(
            self.tr(
                "Demonstration model: not for clinical use. It knows only a small set of textbook facts, "
                "and what it answers to any other question can be wrong."
            )
        )
        self.transcript.setAccessibleName(self.tr("Conversation"))
        self._show_title()
        self._show_save_failure()
        self._update()

    def _lay_out(self, theme: Theme) -> None:
        px = theme.px
        self._header.setObjectName("header")
        title_row = QHBoxLayout(self._header)
        title_row.setContentsMargins(px(22), px(13), px(22), px(13))
        title_row.addWidget(self.title)
        foot = QFrame()
        foot.setObjectName("composerArea")
        margins = QMargins(px(24), px(14), px(24 + SCROLL_BAR_WIDTH), px(12))
        foot.setLayout(centred_column(self.composer, px(COLUMN_WIDTH), margins))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        for part in (self.demonstration, self.caution, self.advice, self._header):
            layout.addWidget(part)
        layout.addWidget(self.transcript, 1)
        layout.addWidget(foot)

    def _connect(self) -> None:
        self._inference.state_changed.connect(self._update)
        self._chat.conversation_opened.connect(self._conversation_opened)
        self._chat.question_saved.connect(self._question_saved)
        self._chat.answer_started.connect(self._answer_started)
        self._chat.reading.connect(self._reading)
        self._chat.answer_extended.connect(self._answer_extended)
        self._chat.answer_finished.connect(self._answer_finished)
        self._chat.conversations_changed.connect(self._show_title)
        self._chat.failed.connect(self._failed)
        self.composer.submitted.connect(self._ask)
        self.composer.stop_requested.connect(self._stop)
        self.empty.chosen.connect(self._ask)
        self.transcript.ask_again.connect(self._ask)
        stop = QShortcut(QKeySequence(Qt.Key.Key_Escape), self)
        stop.setContext(Qt.ShortcutContext.WindowShortcut)
        stop.activated.connect(self._stop)

    def _ask(self, text: str) -> None:
        if self._asking is None and not self._chat.busy and self._inference.state.phase == "ready":
            self._asking = text
            self._chat.ask(text)

    def _stop(self) -> None:
        if self._chat.busy:
            self._chat.stop()

    def _conversation_opened(self, conversation: Conversation) -> None:
        self.transcript.show_messages(conversation.messages)
        self._set_conversation(conversation.id or None)
        self._asking = None
        self._update()

    def _question_saved(self, question: Message) -> None:
        if self._conversation is None:
            self._set_conversation(question.conversation_id)
        if question.conversation_id != self._conversation:
            return
        self.transcript.add(question)
        # Only now: until the question is on the disk its only copy is in the question box.
        if self._asking is not None and self.composer.text.toPlainText().strip() == self._asking:
            self.composer.clear()
        self._asking = None
        self._unsaved = ""
        self._show_save_failure()

    def _answer_started(self, answer: Message) -> None:
        if answer.conversation_id == self._conversation:
            self.transcript.add(answer)
        self._update()

    def _reading(self, done: int, total: int) -> None:
        if view := self.transcript.answer_being_written():
            view.set_reading(done, total)

    def _answer_extended(self, message_id: str, text: str) -> None:
        if view := self.transcript.answer(message_id):
            view.append(text)

    def _answer_finished(self, answer: Message) -> None:
        if view := self.transcript.answer(answer.id):
            view.finish(answer, self._chat.last_failure)
        self._update()

    def _failed(self, sentence: str) -> None:
        self._unsaved = sentence
        self._unasked = self._asking is not None
        self._asking = None
        if view := self.transcript.answer_being_written():
            view.abandon()
        self._show_save_failure()
        self._update()

    def _set_conversation(self, conversation: str | None) -> None:
        self._conversation = conversation
        self._show_title()
        self.conversation_shown.emit(conversation)

    def _show_title(self) -> None:
        titles = (summary.title for summary in self._chat.conversations() if summary.id == self._conversation)
        self.title.setText(next(titles, self.tr("New question")))

    def _show_save_failure(self) -> None:
        if self._unsaved:
            unasked = self.tr(
                "The question could not be saved, so it was not asked. Make room on the disk and try again."
            )
            other = self.tr("The history could not be read or written. What was saved before is kept.")
            details = self.tr("Details: {message}").format(message=self._unsaved)
            self.save_failure.show_failure(f"{unasked if self._unasked else other}\n{details}", "")
        else:
            self.save_failure.hide()

    def _caution(self, state: EngineState) -> str:
        """What a person should know of the loaded model besides; empty if nothing."""
        if not state.model_name or state.demonstration:
            return ""
        sentences = []
        # Asked each time: a window may be open for days.
        if (expires := state.expires) is not None and expires < datetime.date.today():
            day = QLocale().toString(QDate(expires.year, expires.month, expires.day))
            sentences.append(
                self.tr("The maker of this model stood by it until {day}. Tell your administrator.").format(day=day)
            )
        if not state.scored:
            sentences.append(self.tr("This model has not passed a scoring: nobody has shown how often it is right."))
        return " ".join(sentences)

    def _update(self) -> None:
        state = self._inference.state
        self.demonstration.setVisible(state.demonstration)
        caution = self._caution(state)
        self.caution.setVisible(bool(caution))
        self.caution.set_text(caution)
        reasons = {
            "starting": self.tr("You can write already. The engine is starting."),
            "loading": self.tr("You can write already. The model is loading: {percent} %").format(
                percent=int(state.load_fraction * 100)
            ),
            "ready": "",
            "failed": self.tr("No model is loaded. The reason is shown above."),
        }
        self.composer.set_state(busy=self._chat.busy, blocked=reasons[state.phase])
