"""A card with a plot, and a button that shows the same as text."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QRectF, Qt
from PySide6.QtGui import QPainter, QPixmap
from PySide6.QtWidgets import QHBoxLayout, QLabel

from app.ui.benchmark.plots import Plot
from app.ui.controls import Button
from app.ui.panels import Card
from app.ui.theme import Theme


class PlotCard(Card):
    def __init__(self, theme: Theme, plot: Plot) -> None:
        super().__init__(theme)
        self.plot = plot
        self.title = QLabel()
        self.title.setProperty("role", "title")
        self.legend = QLabel()
        self.legend.setTextFormat(Qt.TextFormat.RichText)
        self.alternative = QLabel()
        self.alternative.setProperty("role", "muted")
        self.alternative.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        for label in (self.title, self.legend, self.alternative):
            label.setWordWrap(True)
        self.as_text = Button(theme, "chip")
        self.as_text.setCheckable(True)
        head = QHBoxLayout()
        head.setSpacing(theme.px(8))
        head.addWidget(self.title, 1)
        head.addWidget(self.as_text, 0, Qt.AlignmentFlag.AlignTop)
        self.body.addLayout(head)
        for part in (self.legend, plot, self.alternative):
            self.body.addWidget(part)
        self.body.addStretch(1)
        self.legend.hide()
        self.alternative.hide()
        self.as_text.toggled.connect(self._show_form)
        self._name_button()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self._name_button()

    def set_title(self, title: str) -> None:
        self.title.setText(title)
        self.plot.setAccessibleName(title)
        self.alternative.setTextFormat(Qt.TextFormat.PlainText)
        self.alternative.setText(self.plot.text())

    def set_legend(self, names: list[str]) -> None:
        """The names of the series beside their marks; none hides it."""
        from html import escape

        marks = ("●", "■")
        self.legend.setText(
            "&nbsp;&nbsp;&nbsp;&nbsp; ".join(
                f'<span style="color:{self.plot.color(place).name()}">{marks[place % 2]}</span> {escape(name)}'
                for place, name in enumerate(names)
            )
        )
        self.legend.setVisible(bool(names))

    def picture(self) -> QPixmap:
        """The plot on paper: in the light colours, whatever the theme."""
        picture = QPixmap(self.plot.size() * 2)
        picture.setDevicePixelRatio(2)
        with self.plot.on_paper():
            painter = QPainter(picture)
            # Without a target, a view draws for the picture's own pixels: of two a point, a quarter would be seen.
            self.plot.render(painter, QRectF(self.plot.rect()), self.plot.rect())
            painter.end()
        return picture

    def _show_form(self, text: bool) -> None:
        self.plot.setVisible(not text)
        self.alternative.setVisible(text)

    def _name_button(self) -> None:
        self.as_text.setText(self.tr("As text"))
