"""The record of changes: who did what to the models of this PC, whether it is sound, and what that cannot show."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QAbstractTableModel, QDateTime, QEvent, QLocale, QModelIndex, QPersistentModelIndex, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QAbstractItemView, QHBoxLayout, QHeaderView, QLabel, QTableView, QVBoxLayout, QWidget

from app.ui.controls import Button, FailurePanel
from app.ui.file_dialogs import FileDialogs
from app.ui.models import texts
from app.ui.panels import Card
from app.ui.theme import Theme

if TYPE_CHECKING:
    from app.core.errors import UserFacingError
    from app.core.models.chain import Contents
    from app.core.models.events import Line
    from app.services.library import Deed, LibraryService

_Index = QModelIndex | QPersistentModelIndex


class RecordView(QWidget):
    """Reads the record when it is shown, and after everything that was done meanwhile."""

    def __init__(self, library: LibraryService, dialogs: FileDialogs, theme: Theme) -> None:
        super().__init__()
        self._library, self._dialogs = library, dialogs
        self._contents: Contents | None = None
        self._exported = ""
        self.verdict = QLabel()
        self.limits = QLabel()
        self.failure = FailurePanel(theme)
        self.failure.hide()
        self.export = Button(theme, "chip")
        self.copy_hash = Button(theme, "chip", "copy", icon_pixels=13)
        self.lines = _Lines()
        self.table = QTableView()
        self._lay_out(theme)
        self.export.clicked.connect(self._export)
        self.copy_hash.clicked.connect(self._copy)
        library.failed.connect(self._failed)
        library.done.connect(self._done)
        self.retranslate()

    def reload(self) -> None:
        self._library.record(self._show)

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
        self._show_verdict()

    def _lay_out(self, theme: Theme) -> None:
        card = Card(theme)
        for label, role in ((self.verdict, "title"), (self.limits, "muted")):
            label.setProperty("role", role)
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setWordWrap(True)
            card.body.addWidget(label)
        self.verdict.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
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
        self.table.setWordWrap(True)
        self.table.verticalHeader().hide()
        header = self.table.horizontalHeader()
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setHighlightSections(False)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(_Lines.WHAT, QHeaderView.ResizeMode.Stretch)
        header.sectionResized.connect(lambda: self.table.resizeRowsToContents())
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(theme.px(14))
        layout.addWidget(card)
        layout.addWidget(self.table, 1)

    def _show(self, contents: Contents) -> None:
        self._contents = contents
        self.failure.hide()
        self.lines.show(contents.lines)
        self.table.resizeRowsToContents()
        self._show_verdict()

    def _show_verdict(self) -> None:
        contents = self._contents
        known = contents is not None and bool(contents.lines)
        self.export.setEnabled(known)
        self.copy_hash.setEnabled(known)
        if contents is None:
            self.verdict.setText(self.tr("Reading the record…"))
        elif not contents.lines:
            self.verdict.setText(self.tr("There is no record yet: nothing was done to models on this PC."))
        else:
            text = self.tr("The record is sound: {count} lines. Last hash {hash}…").format(
                count=texts.number(len(contents.lines)), hash=contents.last[:16]
            )
            self.verdict.setText("\n".join(filter(None, (text, self._exported))))

    def _failed(self, deed: Deed, error: UserFacingError | OSError) -> None:
        if not self.isVisible():
            return
        if deed.name == "export":
            sentence = self.tr("The record could not be exported.")
        elif deed.name == "show":
            self._contents = None
            self.verdict.setText(self.tr("The record is not sound."))
            sentence = self.tr("The record was changed, or cannot be read.")
        else:
            return
        self.failure.show_failure(texts.with_details(sentence, error), "")

    def _done(self, deed: Deed) -> None:
        if self.isVisible() and deed.name not in ("show", "export"):
            self.reload()
        if deed.name == "export":
            self.failure.hide()
            self._show_verdict()

    def _export(self) -> None:
        file = self._dialogs.new_file(self, self.tr("Export the record"), "inro-record.jsonl")
        if file is not None:
            self._exported = self.tr("Exported to {file}").format(file=file.name)
            self._library.export_record(file)

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
        self.beginResetModel()
        self.endResetModel()

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
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop
        if not index.isValid() or role != Qt.ItemDataRole.DisplayRole:
            return None
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
