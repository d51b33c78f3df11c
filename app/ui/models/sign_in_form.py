"""Signing in as the administrator, and choosing the PIN the first time or anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, Signal
from PySide6.QtGui import QHideEvent

from app.core.models.pin import SHORTEST
from app.ui.models import texts
from app.ui.panels import Form, PinEdit
from app.ui.theme import Theme

if TYPE_CHECKING:
    from app.services.administrator import AdministratorService
    from app.services.deeds import Failure


class SignInForm(Form):
    """`ended` when somebody is signed in, or thought better of it."""

    ended = Signal()

    def __init__(self, administrator: AdministratorService, theme: Theme) -> None:
        super().__init__(theme)
        self._administrator = administrator
        self._choosing = self._waiting = False
        self._error: Failure | None = None
        self.pin = PinEdit(theme)
        self.new_pin = PinEdit(theme)
        self.again = PinEdit(theme)
        self._pin_field, self._new_field, self._again_field = map(self.add_field, (self.pin, self.new_pin, self.again))
        self.confirm.clicked.connect(self._confirm)
        self.cancel.clicked.connect(self._leave)
        for edit in (self.pin, self.new_pin, self.again):
            edit.textChanged.connect(self._update)
            edit.returnPressed.connect(self._confirm)
        self.retranslate()

    def ask(self, *, new_pin: bool = False) -> None:
        """Ask for the PIN; for a new one where there is none, or `new_pin` says so."""
        self._choosing, self._waiting, self._error = new_pin or not self._administrator.pin_is_set, False, None
        self._forget()
        self.retranslate()
        self.show()
        (self.new_pin if self._first else self.pin).setFocus()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._forget()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self.retranslate()

    @property
    def _first(self) -> bool:
        return self._choosing and not self._administrator.pin_is_set

    def retranslate(self) -> None:
        if self._first:
            title = self.tr("Choose the administrator's PIN")
            what = self.tr(
                "It is asked for when models are approved or removed, and for the policy and trusted keys. "
                "It keeps colleagues from doing so in passing; it does not keep out who may write this user's files."
            )
        elif self._choosing:
            title, what = self.tr("Change the administrator's PIN"), ""
        else:
            title = self.tr("Sign in as administrator")
            what = self.tr("Signed in, you see models that wait for approval. After 15 minutes without use it locks.")
        self.title.setText(title)
        self.explanation.setText(what)
        self.explanation.setVisible(bool(what))
        self.confirm.setText(self.tr("Set the PIN") if self._choosing else self.tr("Sign in"))
        self.cancel.setText(self.tr("Cancel"))
        self._pin_field.set_name(self.tr("Current PIN") if self._choosing else self.tr("PIN"))
        self._new_field.set_name(self.tr("New PIN ({rule})").format(rule=texts.pin_rule()))
        self._again_field.set_name(self.tr("New PIN, again"))
        self._pin_field.setVisible(not self._first)
        self._new_field.setVisible(self._choosing)
        self._again_field.setVisible(self._choosing)
        self._update()

    def _confirm(self) -> None:
        if not self.confirm.isEnabled():
            return
        self._waiting, self._error = True, None
        if not self._choosing:
            self._administrator.sign_in(self.pin.take(), self._leave, self._failed)
        else:
            until_now = None if self._first else self.pin.take()
            self.again.clear()
            self._administrator.choose_pin(self.new_pin.take(), until_now, self._leave, self._failed)
        self._update()

    def _failed(self, error: Failure) -> None:
        self._waiting, self._error = False, error
        self._update()
        (self.new_pin if self._first else self.pin).setFocus()

    def _leave(self) -> None:
        self._waiting = False
        self.hide()
        self.ended.emit()

    def _forget(self) -> None:
        for edit in (self.pin, self.new_pin, self.again):
            edit.clear()

    def _update(self) -> None:
        new, again = self.new_pin.text(), self.again.text()
        differ = self._choosing and bool(again) and not new.startswith(again)
        complete = len(new) >= SHORTEST and new == again if self._choosing else True
        self.confirm.setEnabled(complete and (self._first or bool(self.pin.text())) and not self._waiting)
        self.cancel.setEnabled(not self._waiting)
        if self._error is not None:
            self.failure.show_failure(texts.problem(self._error), "")
        elif differ:
            self.failure.show_failure(self.tr("The two new PINs are not the same."), "")
        else:
            self.failure.hide()
