"""The list of earlier conversations in the side bar."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QModelIndex, QPersistentModelIndex, QSize, Qt, Signal
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QListView, QStyledItemDelegate, QStyleOptionViewItem

from app.ui.history_model import HistoryModel, Role
from app.ui.theme import Theme

if TYPE_CHECKING:
    from app.services.chat import ChatService


class HistoryView(QListView):
    opened = Signal(str)

    def __init__(self, chat: ChatService, theme: Theme) -> None:
        super().__init__()
        self.setObjectName("history")
        self._chat = chat
        self._rows = HistoryModel()
        self._current: str | None = None
        self.setModel(self._rows)
        self.setItemDelegate(_Delegate(theme, self))
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.setEditTriggers(QListView.EditTrigger.NoEditTriggers)
        self.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.setMouseTracking(True)
        self.clicked.connect(self._open)
        self.activated.connect(self._open)
        chat.conversations_changed.connect(self.reload)
        self.reload()
        self.retranslate()

    def reload(self) -> None:
        self._rows.show(self._chat.conversations())
        self.mark(self._current)

    def mark(self, conversation: str | None) -> None:
        """Show which conversation is open, without opening it."""
        self._current = conversation
        row = self._rows.row_of(conversation)
        self.setCurrentIndex(self._rows.index(row) if row >= 0 else QModelIndex())
        if row < 0:
            self.clearSelection()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self.retranslate()

    def retranslate(self) -> None:
        self.setAccessibleName(self.tr("Earlier questions"))
        self._rows.retranslate()

    def _open(self, index: QModelIndex) -> None:
        conversation = index.data(Role.CONVERSATION)
        # Some desktops report one click as a click and as an activation.
        if conversation is not None and conversation != self._current:
            self.opened.emit(conversation)


class _Delegate(QStyledItemDelegate):
    """Headings are smaller and quieter than conversations."""

    def __init__(self, theme: Theme, parent: HistoryView) -> None:
        super().__init__(parent)
        self._theme = theme

    def initStyleOption(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> None:
        super().initStyleOption(option, index)
        font = option.font
        heading = index.data(Role.CONVERSATION) is None
        font.setPixelSize(self._theme.px(12 if heading else 14))
        option.font = font
        if heading:
            color = QColor(self._theme.colors.muted)
            for group in (QPalette.ColorGroup.Disabled, QPalette.ColorGroup.Normal, QPalette.ColorGroup.Inactive):
                option.palette.setColor(group, QPalette.ColorRole.Text, color)
            option.displayAlignment = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignBottom

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        heading = index.data(Role.CONVERSATION) is None
        return QSize(0, self._theme.px(28 if heading else 34))
