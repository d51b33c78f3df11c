"""The side bar: the product's mark, a new question, the pages, the history of the page, and the language."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import (
    QAbstractScrollArea,
    QButtonGroup,
    QFrame,
    QHBoxLayout,
    QLabel,
    QScrollArea,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from app.core.language import Language
from app.ui.controls import Button, IconLabel
from app.ui.i18n import Translation
from app.ui.theme import Theme

NEW_QUESTION = QKeySequence("Ctrl+N")
_WIDTH = 264
_NAMES: dict[Language, str] = {"ja": "日本語", "en": "English"}


class SideBar(QFrame):
    """`page_chosen` tells the name of a page. A page may bring a panel of its own, shown while it is open.

    A page has its entry before it is built: `title` gives its name in the language in use.
    """

    page_chosen = Signal(str)

    def __init__(self, translation: Translation, theme: Theme) -> None:
        super().__init__()
        self.setObjectName("sideBar")
        self._translation = translation
        self._theme = theme
        self.new_button = _NewButton(theme)
        self.pages: dict[str, Button] = {}
        self._titles: dict[str, Callable[[], str]] = {}
        self.languages: dict[Language, Button] = {}
        self._panels = QStackedWidget()
        self._panel_of: dict[str, QWidget] = {}
        self._page_group = QButtonGroup(self)
        self._page_list = QVBoxLayout()
        self._page_list.setSpacing(theme.px(2))
        self._lay_out()
        translation.changed.connect(self._show_language)
        self._show_language(translation.language)
        self.retranslate()

    def add_page(self, name: str, title: Callable[[], str]) -> None:
        button = Button(self._theme, "nav")
        button.setCheckable(True)
        button.clicked.connect(lambda: self.page_chosen.emit(name))
        button.setText(title())
        self._page_group.addButton(button)
        self._page_list.addWidget(button)
        self.pages[name] = button
        self._titles[name] = title

    def add_panel(self, name: str, panel: QWidget) -> None:
        # With large text on a small screen the panel scrolls, rather than to squeeze the pages above it.
        shown = panel if isinstance(panel, QAbstractScrollArea) else _scrolling(panel)
        self._panel_of[name] = shown
        self._panels.addWidget(shown)

    def show_page(self, name: str) -> None:
        self.pages[name].setChecked(True)
        self._panels.setCurrentWidget(self._panel_of[name])

    def sizeHint(self) -> QSize:
        # Larger text needs a wider bar, but not one that takes the page's room.
        least = self.minimumSizeHint().width()
        return QSize(max(least, min(self._theme.px(_WIDTH), 400)), super().sizeHint().height())

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self.retranslate()

    def retranslate(self) -> None:
        self.new_button.setText(self.tr("New question"))
        self.new_button.setAccessibleName(self.tr("New question"))
        for name, title in self._titles.items():
            self.pages[name].setText(title())
        for button in self.languages.values():
            button.setAccessibleDescription(self.tr("Language of the interface"))

    def _lay_out(self) -> None:
        px = self._theme.px
        name = QLabel("Inro")
        name.setProperty("role", "brand")
        brand = QHBoxLayout()
        brand.setContentsMargins(px(6), 0, 0, px(4))
        brand.setSpacing(px(10))
        brand.addWidget(IconLabel(self._theme, "mark", "accent", pixels=26))
        brand.addWidget(name, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(px(12), px(15), px(12), px(12))
        layout.setSpacing(px(10))
        layout.addLayout(brand)
        layout.addWidget(self.new_button)
        layout.addLayout(self._page_list)
        layout.addWidget(self._panels, 1)
        layout.addLayout(self._language_switch())

    def _language_switch(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(self._theme.px(4))
        group = QButtonGroup(self)
        for language, name in _NAMES.items():
            button = Button(self._theme, "switch")
            button.setText(name)
            button.setCheckable(True)
            button.clicked.connect(lambda _=False, chosen=language: self._translation.use(chosen))
            group.addButton(button)
            row.addWidget(button)
            self.languages[language] = button
        row.addStretch(1)
        return row

    def _show_language(self, language: Language) -> None:
        self.languages[language].setChecked(True)


def _scrolling(panel: QWidget) -> QScrollArea:
    area = QScrollArea()
    area.setObjectName("sidePanel")
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setWidgetResizable(True)
    area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setWidget(panel)
    return area


class _NewButton(Button):
    """The text at the left, the keys at the right."""

    def __init__(self, theme: Theme) -> None:
        super().__init__(theme, "new", "plus", icon_pixels=15)
        self._keys = QLabel(NEW_QUESTION.toString(QKeySequence.SequenceFormat.NativeText))
        self._keys.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, theme.px(12), 0)
        layout.addStretch(1)
        layout.addWidget(self._keys)

    def sizeHint(self) -> QSize:
        own = super().sizeHint()
        return QSize(own.width() + self._keys.sizeHint().width() + self._theme.px(12), own.height())

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()
