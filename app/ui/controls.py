"""Small controls that the pages share."""

from __future__ import annotations

import html
import unicodedata

from PySide6.QtCore import QEvent, QMargins, QSize, Qt
from PySide6.QtGui import QAccessible, QAccessibleEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from app.ui import icons
from app.ui.theme import Theme

_LONGEST_TOOLTIP = 2500
_TOOLTIP_LINE = 100
_LONGEST_ON_BUTTON = 30


class Button(QPushButton):
    """A button of one of the style sheet's kinds, with an icon in the colour of its text.

    It takes the keyboard's focus but not the mouse's: a click leaves the cursor in the question box.
    """

    def __init__(self, theme: Theme, kind: str, icon: icons.Name | None = None, *, icon_pixels: int = 16) -> None:
        super().__init__()
        self.setProperty("kind", kind)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self._theme = theme
        self._icon = icon
        self._icon_pixels = icon_pixels
        self._paint_icon()
        theme.changed.connect(self._paint_icon)

    def set_icon(self, icon: icons.Name) -> None:
        self._icon = icon
        self._paint_icon()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.EnabledChange:
            self._paint_icon()

    def _paint_icon(self) -> None:
        if self._icon is None:
            return
        colors = self._theme.colors
        filled = self.property("kind") in {"primary", "new"}
        color = colors.on_accent if filled else colors.text
        size = self._theme.px(self._icon_pixels)
        picture = icons.icon(self._icon, color if self.isEnabled() else colors.muted, size, self.devicePixelRatioF())
        self.setIcon(picture)
        self.setIconSize(QSize(size, size))


class IconLabel(QLabel):
    """An icon beside a text; it says nothing of its own to a screen reader."""

    def __init__(self, theme: Theme, icon: icons.Name, role: str, *, pixels: int = 18) -> None:
        super().__init__()
        self.setTextFormat(Qt.TextFormat.PlainText)
        self._theme = theme
        self._icon = icon
        self._role = role
        self._pixels = pixels
        self._paint_icon()
        theme.changed.connect(self._paint_icon)

    def _paint_icon(self) -> None:
        color = getattr(self._theme.colors, self._role)
        self.setPixmap(icons.pixmap(self._icon, color, self._theme.px(self._pixels), self.devicePixelRatioF()))


class ElidedLabel(QLabel):
    """One line that ends in … where the room ends; the tool tip then holds the whole text."""

    def __init__(self, text: str = "") -> None:
        super().__init__(text)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def minimumSizeHint(self) -> QSize:
        return QSize(self.fontMetrics().averageCharWidth() * 8, super().minimumSizeHint().height())

    def paintEvent(self, event: QPaintEvent) -> None:
        shown = self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, self.width())
        self.setToolTip(plain_tooltip(self.text()) if shown != self.text() else "")
        painter = QPainter(self)
        painter.setPen(self.palette().color(self.foregroundRole()))
        painter.drawText(self.contentsRect(), Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, shown)


class ExampleButton(QPushButton):
    """A question to click; unlike a plain button it breaks its text into lines."""

    def __init__(self, theme: Theme, question: str) -> None:
        super().__init__()
        self.question = question
        self.setProperty("kind", "example")
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAccessibleName(question)
        label = QLabel(question)
        label.setTextFormat(Qt.TextFormat.PlainText)
        label.setWordWrap(True)
        label.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(theme.px(14), theme.px(10), theme.px(14), theme.px(10))
        layout.addWidget(label)
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        layout = self.layout()
        return layout.heightForWidth(width) if layout else super().heightForWidth(width)

    def sizeHint(self) -> QSize:
        layout = self.layout()
        return layout.sizeHint() if layout else super().sizeHint()

    def minimumSizeHint(self) -> QSize:
        return QSize(self.fontMetrics().averageCharWidth() * 12, self.sizeHint().height())


class Banner(QFrame):
    """A line over the whole width: an icon and a sentence that wraps."""

    def __init__(self, theme: Theme, name: str, icon: icons.Name, role: str) -> None:
        super().__init__()
        self.setObjectName(name)
        self._label = QLabel()
        self._label.setTextFormat(Qt.TextFormat.PlainText)
        self._label.setWordWrap(True)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(theme.px(22), theme.px(6), theme.px(22), theme.px(6))
        layout.setSpacing(theme.px(8))
        layout.addWidget(_beside(self._label, IconLabel(theme, icon, role, pixels=16)), 0, Qt.AlignmentFlag.AlignTop)
        layout.addWidget(self._label, 1)

    def text(self) -> str:
        return self._label.text()

    def set_text(self, text: str) -> None:
        self._label.setText(text)
        self._label.setAccessibleName(text)


class FailurePanel(QFrame):
    """A sentence about what went wrong, and the way out as a button, in the place where it went wrong."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.setObjectName("panel")
        self._label = QLabel()
        self._label.setTextFormat(Qt.TextFormat.PlainText)
        self._label.setWordWrap(True)
        self._label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.action = Button(theme, "chip", "retry", icon_pixels=13)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(theme.px(14), theme.px(10), theme.px(12), theme.px(10))
        layout.setSpacing(theme.px(10))
        layout.addWidget(_beside(self._label, IconLabel(theme, "alert", "red")), 0, Qt.AlignmentFlag.AlignTop)
        layout.addWidget(self._label, 1)
        layout.addWidget(self.action, 0, Qt.AlignmentFlag.AlignVCenter)

    def text(self) -> str:
        return self._label.text()

    def show_failure(self, sentence: str, action: str) -> None:
        """An empty `action` shows no button. The same once more is not news to a screen reader."""
        news = self.isHidden() or sentence != self._label.text()
        self._label.setText(sentence)
        self._label.setAccessibleName(sentence)
        self.action.setText(action)
        self.action.setVisible(bool(action))
        self.show()
        if news:
            QAccessible.updateAccessibility(QAccessibleEvent(self._label, QAccessible.Event.Alert))


def plain_text(text: str, longest: int = 1000, most_lines: int = 12) -> str:
    """A text from outside as it is shown: not endless, and what would turn the writing round is U+FFFD."""
    head = text[: 2 * longest + 1].replace("\r\n", "\n")
    short = "\n".join(head.split("\n", most_lines)[:most_lines])[:longest]
    return "".join(map(_shown, short)) + ("…" if short != head else "")


def plain_line(text: str, longest: int = 120) -> str:
    """The same in one line, for a cell or a name in a sentence."""
    return plain_text(" ".join(text[: 2 * longest + 1].splitlines()), longest)


def plain_tooltip(text: str) -> str:
    """A text from outside for a tool tip, which Qt would take for markup if it looked like it.

    Qt breaks only markup into lines: a long text is handed over as such too, and still says what it says.
    """
    shown = plain_text(text, _LONGEST_TOOLTIP, most_lines=40)
    if not {"<", "&"} & set(shown) and max(map(len, shown.split("\n"))) <= _TOOLTIP_LINE:
        return shown
    return f'<p style="white-space: pre-wrap">{html.escape(shown)}</p>'


def button_text(name: str) -> str:
    """A name from outside for a button or a menu, where "&" would underline a letter; its end tells models apart."""
    line = plain_line(name, 2 * _LONGEST_TOOLTIP)
    if len(line) > _LONGEST_ON_BUTTON:
        half = _LONGEST_ON_BUTTON // 2
        line = f"{line[:half]}…{line[1 - half :]}"
    return line.replace("&", "&&")


def _shown(character: str) -> str:
    # Blanks such as the ideographic one are no printable characters to Python, and common in Japanese.
    ordinary = character.isprintable() or character in "\n\t" or unicodedata.category(character) == "Zs"
    return character if ordinary else "\N{REPLACEMENT CHARACTER}"


def _beside(text: QLabel, icon: IconLabel) -> IconLabel:
    """Stand in the middle of the first line of `text`."""
    icon.setMinimumHeight(text.fontMetrics().height())
    return icon


def centred_column(inner: QWidget, width: int, margins: QMargins) -> QHBoxLayout:
    """A layout that holds `inner` in the middle, at most `width` pixels wide."""
    inner.setMaximumWidth(width)
    layout = QHBoxLayout()
    layout.setContentsMargins(margins)
    layout.setSpacing(0)
    layout.addStretch(1)
    layout.addWidget(inner, 1000)
    layout.addStretch(1)
    return layout
