"""Who is at work: in the side bar, while the page of models is open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from app.ui.controls import Button
from app.ui.theme import Theme

if TYPE_CHECKING:
    from app.services.administrator import AdministratorService


class AdministratorPanel(QWidget):
    """`sign_in_wanted` and `new_pin_wanted` tell that a button was pressed."""

    sign_in_wanted = Signal()
    new_pin_wanted = Signal()

    def __init__(self, administrator: AdministratorService, theme: Theme) -> None:
        super().__init__()
        self._administrator = administrator
        self._heading = QLabel()
        self._heading.setProperty("role", "small")
        self.state = QLabel()
        self.state.setWordWrap(True)
        self.sign_in = Button(theme, "chip")
        self.lock = Button(theme, "chip")
        self.new_pin = Button(theme, "chip")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(theme.px(8), theme.px(10), theme.px(8), 0)
        layout.setSpacing(theme.px(8))
        for widget in (self._heading, self.state):
            layout.addWidget(widget)
        for button in (self.sign_in, self.lock, self.new_pin):
            layout.addWidget(button, 0, Qt.AlignmentFlag.AlignLeft)
        layout.addStretch(1)
        self.sign_in.clicked.connect(self.sign_in_wanted)
        self.lock.clicked.connect(administrator.lock)
        self.new_pin.clicked.connect(self.new_pin_wanted)
        administrator.changed.connect(self.retranslate)
        self.retranslate()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self.retranslate()

    def retranslate(self) -> None:
        signed_in = self._administrator.signed_in
        self._heading.setText(self.tr("Administrator"))
        if signed_in:
            minutes = self._administrator.minutes_left
            self.state.setText(self.tr("Signed in · locks in {minutes} min").format(minutes=minutes))
        else:
            self.state.setText(self.tr("Not signed in"))
        self.sign_in.setText(self.tr("Sign in…"))
        self.lock.setText(self.tr("Lock now"))
        self.new_pin.setText(self.tr("Change PIN…"))
        self.sign_in.setVisible(not signed_in)
        self.lock.setVisible(signed_in)
        self.new_pin.setVisible(signed_in)
