"""A list in the side bar, grouped by day: earlier conversations, runs of benchmarks."""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import QEvent, QModelIndex, QPersistentModelIndex, QSize, Qt, Signal
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QListView, QStyledItemDelegate, QStyleOptionViewItem

from app.ui.dated_rows import DatedRows, Role, Summary
from app.ui.theme import Theme


class DatedList(QListView):
    """`opened` tells the id of what a person chose."""

    opened = Signal(str)

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.setObjectName("datedList")
        self._rows = DatedRows()
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

    def show_summaries(self, summaries: Iterable[Summary]) -> None:
        self._rows.show(summaries)
        self.mark(self._current)

    def mark(self, id_: str | None) -> None:
        """Show which one is open, without opening it."""
        self._current = id_
        row = self._rows.row_of(id_)
        self.setCurrentIndex(self._rows.index(row) if row >= 0 else QModelIndex())
        if row < 0:
            self.clearSelection()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self.retranslate()

    def retranslate(self) -> None:
        """Name the days in the language in use."""
        self._rows.retranslate()

    def _open(self, index: QModelIndex) -> None:
        id_ = index.data(Role.ID)
        # Some desktops report one click as a click and as an activation.
        if id_ is not None and id_ != self._current:
            self.opened.emit(id_)


class _Delegate(QStyledItemDelegate):
    """Headings are smaller and quieter than what stands under them."""

    def __init__(self, theme: Theme, parent: DatedList) -> None:
        super().__init__(parent)
        self._theme = theme

    def initStyleOption(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> None:
        super().initStyleOption(option, index)
        font = option.font
        heading = index.data(Role.ID) is None
        font.setPixelSize(self._theme.px(12 if heading else 14))
        option.font = font
        if heading:
            color = QColor(self._theme.colors.muted)
            for group in (QPalette.ColorGroup.Disabled, QPalette.ColorGroup.Normal, QPalette.ColorGroup.Inactive):
                option.palette.setColor(group, QPalette.ColorRole.Text, color)
            option.displayAlignment = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignBottom

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        heading = index.data(Role.ID) is None
        return QSize(0, self._theme.px(28 if heading else 34))
