"""The icons of the window: SVG files that take their colour from the theme."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from PySide6.QtCore import QByteArray, QSize, Qt
from PySide6.QtGui import QIcon, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

ICONS = Path(__file__).parents[1] / "resources" / "icons"
Name = Literal["alert", "ask", "check", "copy", "info", "mark", "plus", "retry", "send", "stop"]


def pixmap(name: Name, color: str, size: int, ratio: float = 1.0) -> QPixmap:
    """`size` is in pixels of the interface; `ratio` is the number of screen pixels to one of them."""
    text = (ICONS / f"{name}.svg").read_text(encoding="utf-8").replace("currentColor", color)
    picture = QPixmap(QSize(size, size) * ratio)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    QSvgRenderer(QByteArray(text.encode())).render(painter)
    painter.end()
    picture.setDevicePixelRatio(ratio)
    return picture


def icon(name: Name, color: str, size: int, ratio: float = 1.0) -> QIcon:
    """The icon in `color`, in the disabled state too: a style sheet chooses that colour, not the style."""
    result = QIcon()
    picture = pixmap(name, color, size, ratio)
    for mode in (QIcon.Mode.Normal, QIcon.Mode.Active, QIcon.Mode.Disabled, QIcon.Mode.Selected):
        result.addPixmap(picture, mode)
    return result


def window_icon(accent: str) -> QIcon:
    result = QIcon()
    for size in (16, 24, 32, 48, 64, 128, 256):
        result.addPixmap(pixmap("mark", accent, size))
    return result
