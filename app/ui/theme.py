"""Gives the application its font, palette and style sheet, and follows the desktop's light or dark scheme."""

from __future__ import annotations

import re
import sys
from dataclasses import asdict
from pathlib import Path
from string import Template

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QColor, QFont, QFontInfo, QPalette
from PySide6.QtWidgets import QApplication

from app.ui.icons import ICONS
from app.ui.palette import DARK, LIGHT, Palette

STYLE_SHEET = Path(__file__).parents[1] / "resources" / "style.qss"
BASE_PIXELS = 14

# The height in pixels of each desktop's interface font as it is delivered: a larger one means that the person asked for
# larger text. Japanese faces stand behind the interface font, so that kanji take their Japanese forms.
_STANDARD_PIXELS = {"win32": 12.0, "darwin": 13.0}
_JAPANESE_FACES = {
    "win32": ("Yu Gothic UI", "Meiryo UI"),
    "darwin": ("Hiragino Sans",),
}
_OTHER_STANDARD_PIXELS = 15.0
_OTHER_JAPANESE_FACES = ("Noto Sans CJK JP",)
_OTHER_INTERFACE_FACE = "Noto Sans"


class Theme(QObject):
    """`colors` and `scale` for those who paint; `changed` when the desktop's scheme changed.

    `scale` and `palette` are taken from the desktop unless they are given.
    """

    changed = Signal()

    def __init__(
        self, application: QApplication, *, scale: float | None = None, palette: Palette | None = None
    ) -> None:
        super().__init__(application)
        self._application = application
        self._fixed_palette = palette
        self.scale = scale if scale is not None else _desktop_scale(application.font())
        self.colors = palette or self._desktop_palette()
        application.setFont(interface_font(application.font(), self.px(BASE_PIXELS)))
        self._apply()
        application.styleHints().colorSchemeChanged.connect(self._follow_desktop)

    def px(self, pixels: float) -> int:
        """A length meant for the base font, at the size of text in use."""
        return round(pixels * self.scale)

    def use_palette(self, palette: Palette) -> None:
        if palette != self.colors:
            self.colors = palette
            self._apply()
            self.changed.emit()

    def _desktop_palette(self) -> Palette:
        dark = self._application.styleHints().colorScheme() == Qt.ColorScheme.Dark
        return DARK if dark else LIGHT

    def _follow_desktop(self) -> None:
        if self._fixed_palette is None:
            self.use_palette(self._desktop_palette())

    def _apply(self) -> None:
        self._application.setPalette(_qt_palette(self.colors))
        self._application.setStyleSheet(style_sheet(self.colors, self.scale))


def style_sheet(colors: Palette, scale: float) -> str:
    """The style sheet with colours put in and every length above a hairline scaled."""
    # A style sheet cannot tint an icon: there is one for each colour that a theme writes on its accent.
    checked = f"checked_{colors.on_accent.removeprefix('#')}.svg"
    values = {**asdict(colors), "icons": ICONS.as_posix(), "checked": checked}
    text = Template(STYLE_SHEET.read_text(encoding="utf-8")).substitute(values)
    return re.sub(r"\b(\d+)px", lambda match: f"{_scaled(int(match[1]), scale)}px", text)


def _scaled(pixels: int, scale: float) -> int:
    return pixels if pixels <= 2 else round(pixels * scale)


def interface_font(desktop: QFont, pixels: int) -> QFont:
    """The desktop's interface font with a Japanese face behind it."""
    font = QFont(desktop)
    faces = _JAPANESE_FACES.get(sys.platform, _OTHER_JAPANESE_FACES)
    own = QFontInfo(desktop).family() if sys.platform in _JAPANESE_FACES else _linux_family(desktop)
    font.setFamilies([own, *faces])
    font.setPixelSize(pixels)
    return font


def _linux_family(desktop: QFont) -> str:
    """Without a desktop environment the font is only a generic name; Noto Sans goes well with the Japanese face."""
    generic = desktop.family().lower() in {"sans serif", "sans-serif", "sans", ""}
    return _OTHER_INTERFACE_FACE if generic else desktop.family()


def _desktop_scale(font: QFont) -> float:
    standard = _STANDARD_PIXELS.get(sys.platform, _OTHER_STANDARD_PIXELS)
    return max(1.0, QFontInfo(font).pixelSize() / standard)


def _qt_palette(colors: Palette) -> QPalette:
    palette = QPalette()
    roles = QPalette.ColorRole
    pairs = (
        (roles.Window, colors.window),
        (roles.WindowText, colors.text),
        (roles.Base, colors.surface),
        (roles.AlternateBase, colors.side),
        (roles.Text, colors.text),
        (roles.Button, colors.surface),
        (roles.ButtonText, colors.text),
        (roles.BrightText, colors.red),
        (roles.ToolTipBase, colors.surface),
        (roles.ToolTipText, colors.text),
        (roles.PlaceholderText, colors.muted),
        (roles.Highlight, colors.accent),
        (roles.HighlightedText, colors.on_accent),
        (roles.Link, colors.accent_text),
        (roles.Accent, colors.accent),
    )
    for role, color in pairs:
        palette.setColor(role, QColor(color))
    for role in (roles.WindowText, roles.Text, roles.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, role, QColor(colors.muted))
    return palette
