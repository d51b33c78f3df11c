"""Things that have a date as a list grouped by day: a heading, then those of that day, the latest first."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import IntEnum
from itertools import groupby
from typing import Protocol

from PySide6.QtCore import QAbstractListModel, QCoreApplication, QDate, QLocale, QModelIndex, QPersistentModelIndex, Qt

Index = QModelIndex | QPersistentModelIndex


class Summary(Protocol):
    """What the list needs of each; `updated_at` is aware of its time zone."""

    @property
    def id(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def updated_at(self) -> datetime: ...


@dataclass(frozen=True)
class Heading:
    day: date


@dataclass(frozen=True)
class Entry:
    id: str
    title: str


class Role(IntEnum):
    ID = Qt.ItemDataRole.UserRole.value + 1
    """None for a heading."""


class DatedRows(QAbstractListModel):
    def __init__(self, today: Callable[[], date] = date.today) -> None:
        super().__init__()
        self._today = today
        self._rows: tuple[Heading | Entry, ...] = ()

    def show(self, summaries: Iterable[Summary]) -> None:
        self.beginResetModel()
        self._rows = group_by_day(summaries)
        self.endResetModel()

    def retranslate(self) -> None:
        if self._rows:
            self.dataChanged.emit(self.index(0), self.index(len(self._rows) - 1))

    def row_of(self, id_: str | None) -> int:
        """-1 if it is not in the list."""
        found = (i for i, row in enumerate(self._rows) if isinstance(row, Entry) and row.id == id_)
        return next(found, -1)

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - Qt's signature
        return 0 if parent.isValid() else len(self._rows)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        row = self._rows[index.row()]
        if role == Role.ID:
            return row.id if isinstance(row, Entry) else None
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            return row.title if isinstance(row, Entry) else day_name(row.day, self._today())
        if role == Qt.ItemDataRole.ToolTipRole and isinstance(row, Entry):
            return row.title
        return None

    def flags(self, index: Index) -> Qt.ItemFlag:
        if isinstance(self._rows[index.row()], Heading):
            return Qt.ItemFlag.NoItemFlags
        return Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable


def group_by_day(summaries: Iterable[Summary]) -> tuple[Heading | Entry, ...]:
    """Days are those of this PC's clock."""
    latest_first = sorted(summaries, key=lambda summary: summary.updated_at, reverse=True)
    rows: list[Heading | Entry] = []
    for day, of_day in groupby(latest_first, key=lambda summary: summary.updated_at.astimezone().date()):
        rows.append(Heading(day))
        rows.extend(Entry(summary.id, summary.title) for summary in of_day)
    return tuple(rows)


def day_name(day: date, today: date) -> str:
    if day == today:
        return QCoreApplication.translate("History", "Today")
    if day == today - timedelta(days=1):
        return QCoreApplication.translate("History", "Yesterday")
    # The pattern is a translation of its own: the order of day, month and year belongs to the language.
    pattern = QCoreApplication.translate("History", "d MMMM yyyy", "a date as QLocale writes it")
    return QLocale().toString(QDate(day.year, day.month, day.day), pattern)
