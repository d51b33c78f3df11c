"""The record of changes: who did what to the models of this PC, whether it is sound, and what that cannot show."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QAbstractTableModel, QDateTime, QEvent, QLocale, QModelIndex, QPersistentModelIndex, Qt
from PySide6.QtGui import QGuiApplication, QHideEvent, QShowEvent
from PySide6.QtWidgets import QAbstractItemView, QHBoxLayout, QHeaderView, QLabel, QTableView, QVBoxLayout, QWidget

from app.core.errors import CheckRefused
from app.ui import quantities
from app.ui.controls import Button, FailurePanel, plain_line, plain_text, plain_tooltip
from app.ui.file_dialogs import FileDialogs
from app.ui.models import texts
from app.ui.panels import Card
from app.ui.theme import Theme

if TYPE_CHECKING:
    from app.core.models.chain import Contents
    from app.core.models.events import Line
    from app.services.deeds import Failure
    from app.services.library import LibraryService

_LONGEST_LINE = 300
_LONGEST_DETAILS = 3000
_LEAST_HEIGHT = 260

_Index = QModelIndex | QPersistentModelIndex


class RecordView(QWidget):
    """Reads the record when it is shown, and after everything that was done meanwhile.

    `_exported` is the file that the record went to, `_not_exported` why it did not, `_unread` why it cannot be shown.
    """

    def __init__(self, library: LibraryService, dialogs: FileDialogs, theme: Theme) -> None:
        super().__init__()
        self._library, self._dialogs = library, dialogs
        self._contents: Contents | None = None
        self._unread: Failure | None = None
        self._exported = ""
        self._not_exported: Failure | None = None
        self.verdict = QLabel()
        self.limits = QLabel()
        self.failure = FailurePanel(theme)
        self.failure.hide()
        self.export = Button(theme, "chip")
        self.copy_hash = Button(theme, "chip", "copy", icon_pixels=13)
        self.lines = _Lines()
        self.table = QTableView()
        self.details = QLabel()
        self._lay_out(theme)
        self.export.clicked.connect(self._export)
        self.copy_hash.clicked.connect(self._copy)
        self.table.selectionModel().currentRowChanged.connect(self._show_details)
        library.overview_changed.connect(self._reload_if_visible)
        self.retranslate()

    def reload(self) -> None:
        self._library.record(self._show, self._cannot_show)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._fit()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        if not event.spontaneous():
            self._export_ended("", None)  # It was seen.

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self.retranslate()

    def retranslate(self) -> None:
        self.export.setText(self.tr("Export…"))
        self.copy_hash.setText(self.tr("Copy last hash"))
        self.table.setAccessibleName(self.tr("Record of changes"))
        self.limits.setText(
            self.tr(
                "Changes, gaps, another order and cuts are found. What cannot be found: that someone who may write "
                "these files wrote all of them anew. Note the last hash elsewhere, on paper or in another system, and "
                "compare it later."
            )
        )
        self.lines.retranslate()
        self._fit()
        self._show_details()
        self._show_outcome()

    def _lay_out(self, theme: Theme) -> None:
        card = Card(theme)
        self.verdict.setProperty("role", "title")
        self.limits.setProperty("role", "muted")
        for label in (self.verdict, self.limits, self.details):
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setWordWrap(True)
        for label in (self.verdict, self.details):
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        for label in (self.verdict, self.limits):
            card.body.addWidget(label)
        buttons = QHBoxLayout()
        buttons.setSpacing(theme.px(8))
        for button in (self.export, self.copy_hash):
            buttons.addWidget(button)
        buttons.addStretch(1)
        card.body.addLayout(buttons)
        card.body.addWidget(self.failure)
        self.table.setModel(self.lines)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setShowGrid(False)
        self.table.setTabKeyNavigation(False)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setWordWrap(False)
        self.table.setMinimumHeight(theme.px(_LEAST_HEIGHT))
        self.table.verticalHeader().hide()
        # Not by what the rows hold: a record has thousands, and all of them would be measured.
        self.table.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        header = self.table.horizontalHeader()
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setHighlightSections(False)
        header.setSectionResizeMode(_Lines.WHAT, QHeaderView.ResizeMode.Stretch)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(theme.px(14))
        layout.addWidget(card)
        layout.addWidget(self.table, 1)
        layout.addWidget(self.details)

    def _fit(self) -> None:
        """Rows of one line, and columns for what is usual in them."""
        self.table.ensurePolished()
        metrics, header = self.table.fontMetrics(), self.table.horizontalHeader()
        room = metrics.averageCharWidth() * 4
        self.table.verticalHeader().setDefaultSectionSize(metrics.height() * 5 // 3)
        usual = {_Lines.NUMBER: "00000", _Lines.TIME: "0000-00-00 00:00", _Lines.USER: "m" * 12}
        for column, text in usual.items():
            header.resizeSection(column, max(metrics.horizontalAdvance(text) + room, header.sectionSizeHint(column)))

    def _reload_if_visible(self) -> None:
        if self.isVisible():
            self.reload()

    def _show(self, contents: Contents) -> None:
        if self._contents is None or contents.hashes != self._contents.hashes:
            number = self.lines.number(self.table.currentIndex())
            self.lines.show(contents.lines)
            if number is not None:
                self.table.selectRow(self.lines.row(number))
            self._show_details()
        self._contents, self._unread = contents, None
        self._show_outcome()

    def _cannot_show(self, error: Failure) -> None:
        self._contents, self._unread = None, error
        self.lines.show(())
        self._show_details()
        self._show_outcome()

    def _show_outcome(self) -> None:
        known = self._contents is not None and bool(self._contents.lines)
        self.export.setEnabled(known)
        self.copy_hash.setEnabled(known)
        self.verdict.setText("\n".join(filter(None, (self._verdict(), self._exported_text()))))
        if self._unread is not None:
            sentence, error = self.tr("Nothing of it is shown."), self._unread
        elif self._not_exported is not None:
            sentence, error = self.tr("The record could not be exported."), self._not_exported
        else:
            self.failure.hide()
            return
        self.failure.show_failure(texts.with_details(sentence, error), "")

    def _verdict(self) -> str:
        contents = self._contents
        if isinstance(self._unread, CheckRefused):
            return self.tr("The record is not sound.")
        if self._unread is not None:
            return self.tr("The record cannot be read.")
        if contents is None:
            return self.tr("Reading the record…")
        if not contents.lines:
            return self.tr("There is no record yet: nothing was done to models on this PC.")
        return self.tr("The record is sound: {count} lines. Last hash {hash}…").format(
            count=quantities.number(len(contents.lines)), hash=contents.last[:16]
        )

    def _exported_text(self) -> str:
        return self.tr("Exported to {file}").format(file=plain_line(self._exported)) if self._exported else ""

    def _show_details(self) -> None:
        text = self.lines.details(self.table.currentIndex())
        self.details.setText(text)
        self.details.setVisible(bool(text))

    def _export(self) -> None:
        file = self._dialogs.new_file(self, self.tr("Export the record"), "inro-record.jsonl")
        if file is not None:
            self._export_ended("", None)
            self._library.export_record(
                file, lambda: self._export_ended(file.name, None), lambda error: self._export_ended("", error)
            )

    def _export_ended(self, file: str, error: Failure | None) -> None:
        self._exported, self._not_exported = file, error
        self._show_outcome()

    def _copy(self) -> None:
        if self._contents is not None:
            QGuiApplication.clipboard().setText(self._contents.last)


class _Lines(QAbstractTableModel):
    """The latest first."""

    NUMBER, TIME, USER, WHAT = range(4)

    def __init__(self) -> None:
        super().__init__()
        self._lines: Sequence[Line] = ()

    def show(self, lines: Sequence[Line]) -> None:
        self.beginResetModel()
        self._lines = lines[::-1]
        self.endResetModel()

    def retranslate(self) -> None:
        self.headerDataChanged.emit(Qt.Orientation.Horizontal, 0, self.WHAT)
        if self._lines:
            self.dataChanged.emit(self.index(0, 0), self.index(len(self._lines) - 1, self.WHAT))

    def number(self, index: _Index) -> int | None:
        """Of the line at `index`, which stays when lines are added."""
        return self._lines[index.row()].number if index.isValid() else None

    def row(self, number: int) -> int:
        """Of the line with this number; none, -1, when it is not there."""
        return next((row for row, line in enumerate(self._lines) if line.number == number), -1)

    def details(self, index: _Index) -> str:
        """All of a line, which its row has no room for. Empty without one."""
        if not index.isValid():
            return ""
        line = self._lines[index.row()]
        when = f"{line.number} · {_local(line.time)} · {plain_line(line.user)}"
        return f"{when}\n{plain_text(texts.happened(line.event), _LONGEST_DETAILS, most_lines=60)}"

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008 - Qt's signature
        return 0 if parent.isValid() else len(self._lines)

    def columnCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008 - Qt's signature
        return 0 if parent.isValid() else 4

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> str | None:
        if orientation != Qt.Orientation.Horizontal or role != Qt.ItemDataRole.DisplayRole:
            return None
        return (self.tr("No."), self.tr("Time"), self.tr("User"), self.tr("What was done"))[section]

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid():
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return plain_line(self._text(index), _LONGEST_LINE)
        if role == Qt.ItemDataRole.ToolTipRole:
            return plain_tooltip(self._text(index))
        return None

    def _text(self, index: _Index) -> str:
        line = self._lines[index.row()]
        match index.column():
            case self.NUMBER:
                return str(line.number)
            case self.TIME:
                return _local(line.time)
            case self.USER:
                return line.user
            case _:
                return texts.happened(line.event)


def _local(time: str) -> str:
    """A time of the record, which is UTC, as this PC's clock showed it."""
    moment = datetime.datetime.strptime(time, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.UTC)
    return QLocale().toString(QDateTime.fromSecsSinceEpoch(int(moment.timestamp())), "yyyy-MM-dd HH:mm")
