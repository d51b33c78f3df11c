"""The list of earlier conversations in the side bar."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.ui.dated_list import DatedList
from app.ui.theme import Theme

if TYPE_CHECKING:
    from app.services.chat import ChatService


class HistoryView(DatedList):
    def __init__(self, chat: ChatService, theme: Theme) -> None:
        super().__init__(theme)
        self._chat = chat
        chat.conversations_changed.connect(self.reload)
        self.reload()
        self.retranslate()

    def reload(self) -> None:
        self.show_summaries(self._chat.conversations())

    def retranslate(self) -> None:
        super().retranslate()
        self.setAccessibleName(self.tr("Earlier questions"))
