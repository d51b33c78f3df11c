"""A table of text and numbers that sorts by any column, copies what is selected, and can be written as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import (
    QAbstractTableModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QPoint,
    QSize,
    QSortFilterProxyModel,
    Qt,
    Signal,
)
from PySide6.QtGui import QGuiApplication, QKeyEvent, QKeySequence, QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QMenu, QTableView

from app.ui.theme import Theme

_Index = QModelIndex | QPersistentModelIndex
_SORT = Qt.ItemDataRole.UserRole
KEY = Qt.ItemDataRole.UserRole + 1


@dataclass(frozen=True)
class Cell:
    """`sort` is what the column is sorted by; by default the text."""

    text: str
    sort: float | str | None = None
    right: bool = False
    """A number stands at the right."""


@dataclass(frozen=True)
class Row:
    cells: tuple[Cell, ...]
    key: str = ""
    """What the row is of."""


class _Rows(QAbstractTableModel):
    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.headings: Sequence[str] = ()
        self.rows: Sequence[Row] = ()

    def show(self, headings: Sequence[str], rows: Sequence[Row]) -> None:
        self.beginResetModel()
        self.headings, self.rows = headings, rows
        self.endResetModel()

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008 - Qt's signature
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008 - Qt's signature
        return 0 if parent.isValid() else len(self.headings)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> str | None:
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return self.headings[section]
        return None

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid():
            return None
        row = self.rows[index.row()]
        cell = row.cells[index.column()]
        match role:
            case Qt.ItemDataRole.DisplayRole:
                # One line: a text of several would make the row as tall as itself.
                return " ".join(cell.text.split())
            case Qt.ItemDataRole.ToolTipRole:
                return cell.text
            case Qt.ItemDataRole.TextAlignmentRole:
                side = Qt.AlignmentFlag.AlignRight if cell.right else Qt.AlignmentFlag.AlignLeft
                return side | Qt.AlignmentFlag.AlignVCenter
            case _ if role == _SORT:
                return cell.text.casefold() if cell.sort is None else cell.sort
            case _ if role == KEY:
                return row.key
        return None


class Table(QTableView):
    """`chosen` tells the key of the current row. Ctrl+C copies the selected rows, headings first, for a spreadsheet.

    Args:
        stretch: the column that takes what is left of the width.
        tallest: pixels at the base size of text, above which it scrolls by itself; None leaves that to the page.
    """

    chosen = Signal(str)

    def __init__(self, theme: Theme, stretch: int = 0, tallest: int | None = None) -> None:
        super().__init__()
        self._theme, self._stretch = theme, stretch
        self._tallest = None if tallest is None else theme.px(tallest)
        self._rows = _Rows(self)
        self._sorted = QSortFilterProxyModel(self)
        self._sorted.setSortRole(_SORT)
        self._sorted.setSourceModel(self._rows)
        self.setModel(self._sorted)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)
        if tallest is None:
            self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(self._open_menu)
        self.verticalHeader().hide()
        header = self.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setHighlightSections(False)
        header.setSortIndicatorClearable(True)
        header.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self.setSortingEnabled(True)
        self.selectionModel().currentRowChanged.connect(lambda current, _: self.chosen.emit(current.data(KEY) or ""))

    def show_rows(self, headings: Sequence[str], rows: Sequence[Row]) -> None:
        """The row that is current stays so, if it is still there."""
        key = self.current_key()
        self._rows.show(headings, rows)
        self._fit()
        if key:
            self.choose(key)

    def current_key(self) -> str:
        key: str | None = self.currentIndex().data(KEY)
        return key or ""

    def choose(self, key: str) -> bool:
        """Make the row of this key the current one; False where there is none."""
        for row in range(self._sorted.rowCount()):
            if self._sorted.index(row, 0).data(KEY) == key:
                self.selectRow(row)
                return True
        return False

    def texts(self) -> list[list[str]]:
        """Headings and all rows, as they are sorted now."""
        return [list(self._rows.headings), *(self._text_of(row) for row in range(self._sorted.rowCount()))]

    def copy(self) -> None:
        selected = sorted({index.row() for index in self.selectionModel().selectedRows()})
        rows = selected or range(self._sorted.rowCount())
        lines = [list(self._rows.headings), *(self._text_of(row) for row in rows)]
        QGuiApplication.clipboard().setText("\n".join("\t".join(line) for line in lines))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.matches(QKeySequence.StandardKey.Copy):
            self.copy()
        else:
            super().keyPressEvent(event)

    def sizeHint(self) -> QSize:
        # As tall as its rows, up to a limit: below that the page scrolls, not the table.
        rows = sum(self.rowHeight(row) for row in range(self._sorted.rowCount()))
        wide = self.horizontalHeader().length() > self.viewport().width()
        bar = self.horizontalScrollBar().sizeHint().height() if wide else 0
        height = self.horizontalHeader().sizeHint().height() + rows + bar + 2 * self.frameWidth()
        return QSize(self._theme.px(400), height if self._tallest is None else min(height, self._tallest))

    def minimumSizeHint(self) -> QSize:
        return QSize(self._theme.px(200), self.sizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def _text_of(self, row: int) -> list[str]:
        return [str(self._sorted.index(row, column).data() or "") for column in range(self._sorted.columnCount())]

    def _fit(self) -> None:
        """Every column as wide as what it holds; one takes what is left, or gives where there is too little."""
        header = self.horizontalHeader()
        columns = range(self._rows.columnCount())
        if not columns:
            return
        widths = {column: max(self.sizeHintForColumn(column), header.sectionSizeHint(column)) for column in columns}
        left = self.viewport().width() - sum(widths.values())
        least = min(widths[self._stretch], self._theme.px(220))
        widths[self._stretch] = max(widths[self._stretch] + left, least)
        for column, width in widths.items():
            header.resizeSection(column, width)
        self.resizeRowsToContents()
        self.updateGeometry()

    def _open_menu(self, where: QPoint) -> None:
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addAction(self.tr("Copy"), self.copy)
        menu.popup(self.viewport().mapToGlobal(where))


def csv_text(tables: Sequence[Sequence[Sequence[str]]]) -> str:
    """Tables below each other, with an empty line between them; no cell is a formula to a spreadsheet."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    for number, table in enumerate(tables):
        if number:
            writer.writerow([])
        writer.writerows([_defused(cell) for cell in row] for row in table)
    return out.getvalue()


def _defused(cell: str) -> str:
    # As evaluation's export does it (OWASP, "CSV Injection"); a signed number stays one.
    signed = cell[:1] in ("+", "-") and cell[1:].replace(".", "", 1).isdigit()
    return (
        f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")) and not signed else cell
    )
