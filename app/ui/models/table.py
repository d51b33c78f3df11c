"""The table of models: sortable, read by screen readers cell by cell, its last column opens a menu."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import (
    QAbstractTableModel,
    QEvent,
    QItemSelectionModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QPoint,
    QSize,
    QSortFilterProxyModel,
    Qt,
    Signal,
)
from PySide6.QtGui import QContextMenuEvent, QKeyEvent, QMouseEvent, QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableView

from app.ui import quantities
from app.ui.controls import plain_line, plain_tooltip
from app.ui.models import texts
from app.ui.models.cells import Cells
from app.ui.models.columns import Column, Role
from app.ui.theme import Theme

if TYPE_CHECKING:
    from app.core.models.manifest import ScoredRun
    from app.core.models.overview import Entry
    from app.ui.panels import Tone

_NAME_WIDTH = 150
_WIDEST = 200
_MOST_RUNS = 20

_SORTING = {Qt.Key.Key_Up: Qt.SortOrder.AscendingOrder, Qt.Key.Key_Down: Qt.SortOrder.DescendingOrder}

_Index = QModelIndex | QPersistentModelIndex


class ModelRows(QAbstractTableModel):
    """Args: speed: tokens a second that a model had here, if it answered."""

    def __init__(self, speed: Callable[[Entry], float | None], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._speed = speed
        self._entries: Sequence[Entry] = ()
        self._shown: list[tuple[object, ...]] = []

    def show(self, entries: Sequence[Entry]) -> bool:
        """Whether anything is shown otherwise than before."""
        shown = [self._what_is_shown(entry) for entry in entries]
        if shown == self._shown:
            self._entries = entries
            return False
        self.beginResetModel()
        self._entries, self._shown = entries, shown
        self.endResetModel()
        return True

    def retranslate(self) -> None:
        self.headerDataChanged.emit(Qt.Orientation.Horizontal, 0, len(Column) - 1)
        if self._entries:
            self.dataChanged.emit(self.index(0, 0), self.index(len(self._entries) - 1, len(Column) - 1))

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008 - Qt's signature
        return 0 if parent.isValid() else len(self._entries)

    def columnCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008 - Qt's signature
        return 0 if parent.isValid() else len(Column)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> str | None:
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.ToolTipRole and section != Column.MENU:
            return self.tr("Click to sort by it; by keyboard, Ctrl+↑ or Ctrl+↓ in a cell of the column")
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        names = {
            Column.NAME: self.tr("Model"),
            Column.STATE: self.tr("State"),
            Column.SIZE: self.tr("Size"),
            Column.LICENCE: self.tr("Licence"),
            Column.SCORE: self.tr("Score (%)"),
            Column.SPEED: self.tr("Speed here"),
            Column.MENU: "",
        }
        return names[Column(section)]

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid():
            return None
        entry, column = self._entries[index.row()], Column(index.column())
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return self._text(entry, column)
            case Qt.ItemDataRole.AccessibleTextRole if column is Column.MENU:
                return self.tr("Actions for {model}").format(model=plain_line(entry.name))
            case Qt.ItemDataRole.ToolTipRole:
                return self._explanation(entry, column)
            case Role.ENTRY:
                return entry
            case Role.CHIPS if column is Column.STATE:
                return chips(entry)
            case Qt.ItemDataRole.AccessibleTextRole:
                return " ".join(filter(None, (self._text(entry, column), self._second_line(entry, column))))
            case Role.SECOND_LINE:
                return self._second_line(entry, column)
            case Role.SORT:
                return self._sorted_by(entry, column)
        return None

    def _text(self, entry: Entry, column: Column) -> str:
        match column:
            case Column.NAME:
                return plain_line(entry.name)
            case Column.STATE:
                return " · ".join(text for text, _ in chips(entry))
            case Column.SIZE:
                return quantities.size(entry.file_bytes)
            case Column.LICENCE:
                return plain_line(entry.licence) or "–"
            case Column.SCORE:
                return next(iter(scores(entry)), "–")
            case Column.SPEED:
                speed = self._speed(entry)
                return "–" if speed is None else self.tr("{speed} tok/s").format(speed=f"{speed:.1f}")
            case Column.MENU:
                return "···"

    def _second_line(self, entry: Entry, column: Column) -> str:
        match column:
            case Column.NAME:
                return plain_line(entry.manifest.base.name) if entry.manifest and entry.manifest.base else ""
            case Column.SIZE:
                return plain_line(entry.quantization)
            case Column.SCORE:
                return " · ".join(scores(entry)[1:])
        return ""

    def _explanation(self, entry: Entry, column: Column) -> str | None:
        if column in (Column.NAME, Column.LICENCE):
            # Where the column is too narrow for them.
            return plain_tooltip("\n".join(filter(None, self._whole(entry, column))))
        if column is Column.SCORE and (runs := scored_runs(entry)):
            lines = (
                self.tr("{task} ({language}): {correct} of {n} right, {low}–{high} % (95 % interval)").format(
                    task=plain_line(run.task),
                    language=run.language,
                    correct=run.correct,
                    n=run.n,
                    low=f"{run.interval_95[0] * 100:.1f}",
                    high=f"{run.interval_95[1] * 100:.1f}",
                )
                for run in runs
            )
            return plain_tooltip("\n".join(lines))
        return None

    def _whole(self, entry: Entry, column: Column) -> tuple[str, ...]:
        if column is Column.LICENCE:
            return (entry.licence,)
        return entry.name, entry.manifest.base.name if entry.manifest and entry.manifest.base else ""

    def _what_is_shown(self, entry: Entry) -> tuple[object, ...]:
        """All that the row of an entry depends on. Not the entry: its header holds the model's whole vocabulary."""
        examined = entry.examined
        papers = None if examined is None else (examined.manifest_bytes, examined.signature)
        standing = (entry.standing, entry.marks, entry.in_use)
        return entry.model.path, entry.sha256, entry.file_bytes, standing, papers, self._speed(entry)

    def _sorted_by(self, entry: Entry, column: Column) -> str | float:
        match column:
            case Column.SIZE:
                return float(entry.file_bytes)
            case Column.SPEED:
                return self._speed(entry) or -1.0
            case Column.SCORE:
                runs = scored_runs(entry)
                return runs[0].accuracy if runs else -1.0
        return self._text(entry, column).casefold()


def chips(entry: Entry) -> list[tuple[str, Tone]]:
    """The state, and what a person should know besides."""
    return [texts.state(entry), *map(texts.mark, entry.marks)]


def scored_runs(entry: Entry) -> list[ScoredRun]:
    """The runs behind the verdict, of the task that was scored in most languages."""
    if entry.manifest is None or entry.manifest.verdict is None:
        return []
    runs = entry.manifest.verdict.runs
    by_task: dict[str, list[ScoredRun]] = {}
    for run in runs:
        by_task.setdefault(run.task, []).append(run)
    best = max(by_task.values(), key=lambda runs: len({run.language for run in runs}), default=[])
    return sorted(best, key=lambda run: run.language, reverse=True)[:_MOST_RUNS]


def scores(entry: Entry) -> list[str]:
    """`ja 52.5 ± 2.6`: percent with half of the 95 % interval, for each language."""
    return [f"{run.language} {_percent(run)}" for run in scored_runs(entry)]


def _percent(run: ScoredRun) -> str:
    low, high = run.interval_95
    return f"{run.accuracy * 100:.1f} ± {(high - low) * 50:.1f}"


class _Sorted(QSortFilterProxyModel):
    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.setSortRole(Role.SORT)


class ModelTable(QTableView):
    """`menu_wanted` tells the entry and where on the screen; `chosen` the entry of the current row, or None."""

    menu_wanted = Signal(object, QPoint)
    chosen = Signal(object)

    def __init__(self, theme: Theme, speed: Callable[[Entry], float | None]) -> None:
        super().__init__()
        self.setObjectName("models")
        self._theme = theme
        self.rows = ModelRows(speed, self)
        self._sorted = _Sorted(self)
        self._sorted.setSourceModel(self.rows)
        self.setModel(self._sorted)
        self.setItemDelegate(Cells(theme, self))
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setTabKeyNavigation(False)
        self.verticalHeader().hide()
        header = self.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        header.setMinimumSectionSize(theme.px(44))
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setHighlightSections(False)
        header.setSortIndicatorClearable(True)
        header.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self.setSortingEnabled(True)
        self.selectionModel().currentRowChanged.connect(self._tell_chosen)
        self.retranslate()

    def show_entries(self, entries: Sequence[Entry]) -> None:
        current, column = self.current(), self.currentIndex().column()
        if not self.rows.show(entries):
            return
        self._fit()
        if current is not None:
            flags = QItemSelectionModel.SelectionFlag
            cell = self.index_of(current.sha256, Column(column))
            self.selectionModel().setCurrentIndex(cell, flags.ClearAndSelect | flags.Rows)

    def current(self) -> Entry | None:
        entry: Entry | None = self.currentIndex().data(Role.ENTRY)
        return entry

    def choose(self, sha256: str) -> None:
        for row in range(self._sorted.rowCount()):
            if self._sorted.index(row, 0).data(Role.ENTRY).sha256 == sha256:
                self.selectRow(row)

    def index_of(self, sha256: str, column: Column) -> QModelIndex:
        for row in range(self._sorted.rowCount()):
            if self._sorted.index(row, 0).data(Role.ENTRY).sha256 == sha256:
                return self._sorted.index(row, column)
        return QModelIndex()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self.retranslate()

    def retranslate(self) -> None:
        self.setAccessibleName(self.tr("Models of this PC"))
        self.rows.retranslate()
        self._fit()

    def sizeHint(self) -> QSize:
        # As tall as its rows: the page scrolls, not the table.
        rows = sum(self.rowHeight(row) for row in range(self._sorted.rowCount()))
        wide = self.horizontalHeader().length() > self.viewport().width()
        bar = self.horizontalScrollBar().sizeHint().height() if wide else 0
        frame = 2 * self.frameWidth()
        return QSize(self._theme.px(600), self.horizontalHeader().sizeHint().height() + rows + frame + bar)

    def minimumSizeHint(self) -> QSize:
        return QSize(self._theme.px(200), self.sizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        super().mouseReleaseEvent(event)
        index = self.indexAt(event.position().toPoint())
        if index.isValid() and index.column() == Column.MENU and event.button() == Qt.MouseButton.LeftButton:
            self._open_menu(index)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        index = self.currentIndex()
        if event.reason() == QContextMenuEvent.Reason.Mouse:
            index = self.indexAt(event.pos())
        if index.isValid():
            self._open_menu(index.siblingAtColumn(Column.MENU))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space) and self.currentIndex().isValid():
            self._open_menu(self.currentIndex().siblingAtColumn(Column.MENU))
        elif event.key() in _SORTING and event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            if self.currentIndex().isValid():
                self.sortByColumn(self.currentIndex().column(), _SORTING[Qt.Key(event.key())])
        else:
            super().keyPressEvent(event)

    def _fit(self) -> None:
        """Every column as wide as what it holds; the name takes what is left."""
        header = self.horizontalHeader()
        widest = self._theme.px(_WIDEST)
        widths = {column: max(self.sizeHintForColumn(column), header.sectionSizeHint(column)) for column in Column}
        # Texts from outside end in … where they are too long; chips and numbers do not.
        for column in (Column.NAME, Column.SIZE, Column.LICENCE):
            widths[column] = min(widths[column], widest)
        left = self.viewport().width() - sum(widths.values())
        widths[Column.NAME] = max(widths[Column.NAME] + left, min(widths[Column.NAME], self._theme.px(_NAME_WIDTH)))
        for column, width in widths.items():
            header.resizeSection(column, width)
        self.resizeRowsToContents()
        self.updateGeometry()

    def _open_menu(self, index: QModelIndex) -> None:
        corner = self.visualRect(index).bottomLeft()
        self.menu_wanted.emit(index.data(Role.ENTRY), self.viewport().mapToGlobal(corner))

    def _tell_chosen(self, current: QModelIndex) -> None:
        self.chosen.emit(current.data(Role.ENTRY))
