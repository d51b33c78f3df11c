"""How the cells of the table of models are drawn: names over their bases, states as chips."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontMetrics, QPainter
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from app.ui.models.columns import Column, Role
from app.ui.theme import Theme

if TYPE_CHECKING:
    from app.ui.models.table import ModelTable
    from app.ui.palette import Palette
    from app.ui.panels import Tone

_CHIPS_WIDTH = 210

_Index = QModelIndex | QPersistentModelIndex


class Cells(QStyledItemDelegate):
    def __init__(self, theme: Theme, parent: ModelTable) -> None:
        super().__init__(parent)
        self._theme = theme

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._paint_ground(painter, option, index)
        room = option.rect.adjusted(self._theme.px(12), 0, -self._theme.px(12), 0)
        if (chips := self._chips(index)) is not None:
            self._paint_chips(painter, room, option, chips)
        else:
            self._paint_text(painter, room, option, index)
        painter.restore()

    def sizeHint(self, option: QStyleOptionViewItem, index: _Index) -> QSize:
        px = self._theme.px
        metrics = QFontMetrics(self._font(option, index))
        height = metrics.height() + px(18)
        if (chips := self._chips(index)) is not None:
            boxes = self._boxes(option, chips)
            right, bottom = max(box.right() for box in boxes), max(box.bottom() for box in boxes)
            return QSize(int(right) + px(25), max(height, int(bottom) + px(13)))
        text = str(index.data(Qt.ItemDataRole.DisplayRole) or "")
        width = metrics.horizontalAdvance(text) + px(25)
        if second := self._second_line(index):
            small = QFontMetrics(self._small(option))
            return QSize(max(width, small.horizontalAdvance(second) + px(25)), height + small.height())
        return QSize(width, height)

    def _paint_ground(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        colors = self._theme.colors
        selected = bool(option.state & QStyle.StateFlag.State_Selected)
        painter.fillRect(option.rect, QColor(colors.selected if selected else colors.surface))
        painter.fillRect(QRect(option.rect.left(), option.rect.bottom(), option.rect.width(), 1), QColor(colors.line))
        if selected and option.state & QStyle.StateFlag.State_HasFocus:
            painter.fillRect(
                QRect(option.rect.left(), option.rect.top(), 2, option.rect.height()), QColor(colors.accent)
            )

    def _paint_text(self, painter: QPainter, room: QRect, option: QStyleOptionViewItem, index: _Index) -> None:
        font, second = self._font(option, index), self._second_line(index)
        metrics = QFontMetrics(font)
        painter.setFont(font)
        painter.setPen(QColor(self._theme.colors.text))
        shown = metrics.elidedText(str(index.data() or ""), Qt.TextElideMode.ElideRight, room.width())
        if not second:
            painter.drawText(room, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, shown)
            return
        small = self._small(option)
        lower = QFontMetrics(small)
        top = room.top() + (room.height() - metrics.height() - lower.height()) // 2
        flags = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop
        painter.drawText(QRect(room.left(), top, room.width(), metrics.height()), flags, shown)
        painter.setFont(small)
        painter.setPen(QColor(self._theme.colors.muted))
        shown = lower.elidedText(second, Qt.TextElideMode.ElideRight, room.width())
        painter.drawText(QRect(room.left(), top + metrics.height(), room.width(), lower.height()), flags, shown)

    def _paint_chips(
        self, painter: QPainter, room: QRect, option: QStyleOptionViewItem, chips: list[tuple[str, Tone]]
    ) -> None:
        painter.setFont(self._small(option))
        boxes = self._boxes(option, chips)
        top = room.center().y() - max(box.bottom() for box in boxes) / 2
        for box, (text, tone) in zip(boxes, chips, strict=True):
            box.translate(room.left(), top)
            ground, line, ink = (QColor(color) for color in tone_colors(self._theme.colors, tone))
            radius = self._theme.px(12)
            painter.setBrush(ground)
            painter.setPen(line)
            painter.drawRoundedRect(box.adjusted(0.5, 0.5, -0.5, -0.5), radius, radius)
            painter.setPen(ink)
            painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)

    def _boxes(self, option: QStyleOptionViewItem, chips: list[tuple[str, Tone]]) -> list[QRectF]:
        """Where the chips stand, from the corner of the first: in several lines, so that the column stays narrow."""
        px, metrics = self._theme.px, QFontMetrics(self._small(option))
        boxes, left, top, height = [], 0, 0, metrics.height() + px(6)
        for text, _ in chips:
            width = metrics.horizontalAdvance(text) + px(20)
            if left and left + width > px(_CHIPS_WIDTH):
                left, top = 0, top + height + px(4)
            boxes.append(QRectF(left, top, width, height))
            left += width + px(6)
        return boxes

    def _font(self, option: QStyleOptionViewItem, index: _Index) -> QFont:
        font = QFont(option.font)
        font.setPixelSize(self._theme.px(14))
        if index.column() == Column.NAME:
            font.setWeight(QFont.Weight.DemiBold)
        return font

    def _small(self, option: QStyleOptionViewItem) -> QFont:
        font = QFont(option.font)
        font.setPixelSize(self._theme.px(13))
        return font

    def _chips(self, index: _Index) -> list[tuple[str, Tone]] | None:
        found: list[tuple[str, Tone]] | None = index.data(Role.CHIPS)
        return found

    def _second_line(self, index: _Index) -> str:
        return index.data(Role.SECOND_LINE) or ""


def tone_colors(colors: Palette, tone: Tone) -> tuple[str, str, str]:
    """Ground, outline and text of a chip."""
    match tone:
        case "good":
            return colors.bubble, colors.accent, colors.accent_text
        case "check":
            return colors.amber_ground, colors.amber_line, colors.amber
        case "bad":
            return colors.red_ground, colors.red_line, colors.red
        case "plain":
            return colors.surface, colors.edge, colors.text
