"""What the cells of the table of models are asked for."""

from __future__ import annotations

from enum import IntEnum

from PySide6.QtCore import Qt


class Column(IntEnum):
    NAME, STATE, SIZE, LICENCE, SCORE, SPEED, MENU = range(7)


class Role(IntEnum):
    """CHIPS are (text, tone); SORT is what a column is sorted by."""

    ENTRY = Qt.ItemDataRole.UserRole
    CHIPS = Qt.ItemDataRole.UserRole + 1
    SECOND_LINE = Qt.ItemDataRole.UserRole + 2
    SORT = Qt.ItemDataRole.UserRole + 3
