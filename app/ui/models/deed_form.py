"""What the administrator decides about a model: a reason, and the PIN where nobody is signed in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QPlainTextEdit, QProgressBar

from app.ui.models import texts
from app.ui.panels import Form, PinEdit
from app.ui.theme import Theme

if TYPE_CHECKING:
    from app.core.errors import UserFacingError
    from app.core.models.overview import Entry
    from app.core.models.pin import Authority
    from app.services.administrator import AdministratorService
    from app.services.library import Deed, LibraryService

Decision = Literal["approve", "withdraw", "remove"]


class DeedForm(Form):
    """`ended` tells that the model was dealt with; `left` that the person thought better of it."""

    ended = Signal(str)
    left = Signal()

    def __init__(self, library: LibraryService, administrator: AdministratorService, theme: Theme) -> None:
        super().__init__(theme)
        self._library, self._administrator = library, administrator
        self._decision: Decision = "approve"
        self._entry: Entry | None = None
        self._waiting = False
        self._error: UserFacingError | OSError | None = None
        self.reason = _ReasonEdit(theme)
        self._reason_field = self.add_field(self.reason)
        self.pin = PinEdit(theme)
        self._pin_field = self.add_field(self.pin)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.body.insertWidget(self.body.count() - 1, self.bar)
        self.confirm.clicked.connect(self._confirm)
        self.cancel.clicked.connect(self._leave)
        self.pin.returnPressed.connect(self._confirm)
        self.reason.confirmed.connect(self._confirm)
        self.reason.textChanged.connect(self._update)
        self.pin.textChanged.connect(self._update)
        library.deed_changed.connect(self._update)
        library.done.connect(self._done)
        library.failed.connect(self._failed)
        administrator.changed.connect(self._update)
        administrator.failed.connect(self._refused)
        self.retranslate()

    @property
    def entry(self) -> Entry | None:
        return self._entry

    def ask(self, decision: Decision, entry: Entry) -> None:
        """Ask for a reason; what was typed for another model is forgotten."""
        if (decision, entry.sha256) != (self._decision, self._entry.sha256 if self._entry else None):
            self.reason.clear()
            self.pin.clear()
            self._error = None
        self._decision, self._entry, self._waiting = decision, entry, False
        self.retranslate()
        self.show()
        self.reason.setFocus()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self.retranslate()

    def retranslate(self) -> None:
        name = self._entry.name if self._entry else ""
        match self._decision:
            case "approve":
                title, button = self.tr("Approve {model}"), self.tr("Approve")
                what = self.tr(
                    "Clinicians can then choose it, with this manifest and this version of the engine. "
                    "The file is read once more and compared with its manifest."
                )
            case "withdraw":
                title, button = self.tr("Withdraw the approval of {model}"), self.tr("Withdraw")
                what = self.tr(
                    "It can no longer be chosen. A window that has it loaded keeps it until it is closed; "
                    "the next start refuses it."
                )
            case "remove":
                title, button = self.tr("Remove {model}"), self.tr("Remove")
                what = self.tr("Its files are deleted from this PC. What was recorded of it stays.")
        self.title.setText(title.format(model=name))
        self.explanation.setText(what)
        self.confirm.setText(button)
        self.cancel.setText(self.tr("Cancel"))
        self._reason_field.set_name(self.tr("Reason (kept in the record)"))
        self._pin_field.set_name(self.tr("Administrator's PIN"))
        self._update()

    def _confirm(self) -> None:
        if not self.confirm.isEnabled():
            return
        self._error = None
        self._waiting = True
        self._update()
        authority = self._administrator.authority()
        if authority is not None:
            self._decide(authority)
        else:
            self._administrator.sign_in(self.pin.take(), self._decide)

    def _decide(self, authority: Authority) -> None:
        entry, reason = self._entry, self.reason.toPlainText()
        if entry is None:
            return
        match self._decision:
            case "approve":
                self._library.approve(authority, entry.sha256, reason, entry.file_bytes)
            case "withdraw":
                self._library.withdraw(authority, entry.sha256, reason)
            case "remove":
                self._library.remove(authority, entry.sha256, reason)

    def _done(self, deed: Deed) -> None:
        if self._waiting and deed.name == self._decision and self._entry and deed.model == self._entry.sha256:
            self._waiting = False
            self.reason.clear()
            self.hide()
            self.ended.emit(deed.model)

    def _failed(self, deed: Deed, error: UserFacingError | OSError) -> None:
        if self._waiting and deed.name == self._decision:
            self._refused(error)

    def _refused(self, error: UserFacingError | OSError) -> None:
        if self._waiting:
            self._waiting, self._error = False, error
            self._update()
            (self.reason if self._administrator.signed_in else self.pin).setFocus()

    def _leave(self) -> None:
        self._waiting = False
        self.hide()
        self.left.emit()

    def _update(self) -> None:
        locked = not self._administrator.signed_in
        self._pin_field.setVisible(locked)
        given = bool(self.reason.toPlainText().strip()) and (not locked or bool(self.pin.text()))
        self.confirm.setEnabled(given and not self._waiting)
        self.cancel.setEnabled(not self._waiting)
        if self._error is not None:
            self.failure.show_failure(texts.problem(self._error), "")
        else:
            self.failure.hide()
        deed = self._library.deed
        reading = self._waiting and deed is not None and deed.total_bytes > 0
        self.bar.setVisible(reading)
        if reading and deed is not None:
            self.bar.setMaximum(1000)
            self.bar.setValue(1000 * deed.done_bytes // deed.total_bytes)


class _ReasonEdit(QPlainTextEdit):
    """Two lines; Enter confirms, like everywhere in the window, and Shift+Enter breaks the line."""

    confirmed = Signal()

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.setTabChangesFocus(True)
        self.setFixedHeight(self.fontMetrics().lineSpacing() * 2 + theme.px(18))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        enter = event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        if enter and not event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            self.confirmed.emit()
        else:
            super().keyPressEvent(event)
