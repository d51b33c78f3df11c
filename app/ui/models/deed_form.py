"""What the administrator decides about a model: a reason, and the PIN where nobody is signed in."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QHideEvent
from PySide6.QtWidgets import QLabel, QPlainTextEdit, QProgressBar

from app.core.models.events import MAX_REASON_CHARACTERS
from app.ui import quantities
from app.ui.models import texts
from app.ui.panels import Form, PinEdit
from app.ui.theme import Theme

if TYPE_CHECKING:
    from app.core.models.overview import Entry
    from app.core.models.pin import Authority
    from app.services.administrator import AdministratorService
    from app.services.deeds import Failure
    from app.services.library import LibraryService

Decision = Literal["approve", "withdraw", "remove"]


@dataclass(frozen=True)
class _Decided:
    """What was confirmed: it is done as it was read, whatever the form asks by then."""

    decision: Decision
    entry: Entry
    reason: str


class DeedForm(Form):
    """`failed_elsewhere` tells the sentence of a decision that the form no longer shows."""

    failed_elsewhere = Signal(str)

    def __init__(self, library: LibraryService, administrator: AdministratorService, theme: Theme) -> None:
        super().__init__(theme)
        self._library, self._administrator = library, administrator
        self._decision: Decision = "approve"
        self._entry: Entry | None = None
        self._under_way: _Decided | None = None
        self._error: Failure | None = None
        # No key confirms from within the reason: an input method's Enter must not remove a model.
        self.reason = QPlainTextEdit()
        self.reason.setTabChangesFocus(True)
        self.reason.setFixedHeight(self.reason.fontMetrics().lineSpacing() * 2 + theme.px(18))
        self._reason_field = self.add_field(self.reason)
        self.pin = PinEdit(theme)
        self._pin_field = self.add_field(self.pin)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setMaximum(1000)
        self.progress = QLabel()
        self.progress.setProperty("role", "muted")
        self.progress.setTextFormat(Qt.TextFormat.PlainText)
        self.body.insertWidget(self.body.count() - 1, self.bar)
        self.body.insertWidget(self.body.count() - 1, self.progress)
        self.confirm.clicked.connect(self._confirm)
        self.cancel.clicked.connect(self._cancel)
        self.pin.returnPressed.connect(self._confirm)
        self.reason.textChanged.connect(self._update)
        self.pin.textChanged.connect(self._update)
        library.deed_changed.connect(self._update)
        administrator.changed.connect(self._sign_in_changed)
        self.retranslate()

    @property
    def busy(self) -> bool:
        """A decision was confirmed and is being carried out."""
        return self._under_way is not None

    def ask(self, decision: Decision, entry: Entry) -> None:
        """Ask for a reason; what was typed for another model is forgotten, and a PIN always."""
        if (decision, entry.sha256) != (self._decision, self._entry.sha256 if self._entry else None):
            self.reason.clear()
        self.pin.clear()
        self._decision, self._entry, self._error = decision, entry, None
        self.retranslate()
        self.show()
        self.reason.setFocus()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self.pin.clear()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self.retranslate()

    def retranslate(self) -> None:
        name = texts.shown(self._entry.name) if self._entry else ""
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
        self._pin_field.set_name(self.tr("Administrator's PIN, for this once"))
        self.bar.setAccessibleName(self.tr("Reading the file"))
        self._update()

    def _confirm(self) -> None:
        if not self.confirm.isEnabled() or self._entry is None:
            return
        self._error = None
        self._under_way = decided = _Decided(self._decision, self._entry, self.reason.toPlainText())
        failed = partial(self._failed, decided)
        if (authority := self._administrator.authority()) is not None:
            self._carry_out(decided, authority)
        else:
            self._administrator.check(self.pin.take(), partial(self._carry_out, decided), failed)
        self._update()

    def _carry_out(self, decided: _Decided, authority: Authority) -> None:
        deed = {"approve": self._library.approve, "withdraw": self._library.withdraw, "remove": self._library.remove}
        done, failed = partial(self._done, decided), partial(self._failed, decided)
        deed[decided.decision](authority, decided.entry, decided.reason, done, failed)

    def _done(self, decided: _Decided) -> None:
        self._under_way = None
        if self._shows(decided):
            self.reason.clear()
            self.hide()
        self._update()

    def _failed(self, decided: _Decided, error: Failure) -> None:
        self._under_way = None
        if self._shows(decided):
            self._error = error
            self._update()
            (self.reason if self._administrator.signed_in else self.pin).setFocus()
        else:
            self._update()
            self.failed_elsewhere.emit(f"{texts.shown(decided.entry.name)}: {texts.problem(error)}")

    def _shows(self, decided: _Decided) -> bool:
        same = self._entry is not None and self._entry.sha256 == decided.entry.sha256
        return same and self._decision == decided.decision and not self.isHidden()

    def _cancel(self) -> None:
        if self._under_way is not None:
            self._library.cancel()
        else:
            self.hide()

    def _sign_in_changed(self) -> None:
        if self._administrator.signed_in:
            self.pin.clear()
        self._update()

    def _update(self) -> None:
        locked, busy = not self._administrator.signed_in, self.busy
        self._pin_field.setVisible(locked)
        reason = self.reason.toPlainText().strip()
        given = 0 < len(reason) <= MAX_REASON_CHARACTERS and (not locked or bool(self.pin.text()))
        self.confirm.setEnabled(given and not busy)
        self.reason.setReadOnly(busy)
        if len(reason) > MAX_REASON_CHARACTERS:
            longest = self.tr("A reason has at most {count} characters.").format(
                count=quantities.number(MAX_REASON_CHARACTERS)
            )
            self.failure.show_failure(longest, "")
        elif self._error is not None:
            self.failure.show_failure(texts.problem(self._error), "")
        else:
            self.failure.hide()
        self._show_reading()

    def _show_reading(self) -> None:
        deed = self._library.deed
        reading = self.busy and deed is not None and deed.total_bytes > 0
        self.bar.setVisible(reading)
        self.progress.setVisible(reading)
        self.cancel.setEnabled(not self.busy or reading)
        if reading and deed is not None:
            self.bar.setValue(1000 * deed.done_bytes // deed.total_bytes)
            text = self.tr("Reading the file: {done} of {total}").format(
                done=quantities.size(deed.done_bytes), total=quantities.size(deed.total_bytes)
            )
            self.progress.setText(" · ".join(filter(None, (text, texts.time_left(deed.seconds_left)))))
