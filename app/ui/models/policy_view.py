"""The policy of this PC and the keys that it trusts; both are the administrator's to change."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QHideEvent
from PySide6.QtWidgets import QCheckBox, QLabel, QVBoxLayout, QWidget

from app.core.errors import InputError
from app.core.models.signing import PublicKey, read_public_key
from app.ui.controls import Button, FailurePanel
from app.ui.file_dialogs import FileDialogs
from app.ui.models import texts
from app.ui.models.key_rows import KeyOffer, KeyRemoval, KeyRow
from app.ui.panels import Card
from app.ui.theme import Theme

if TYPE_CHECKING:
    from app.core.models.events import Rule
    from app.core.models.overview import Entry, Overview
    from app.core.models.pin import Authority
    from app.services.administrator import AdministratorService
    from app.services.deeds import Failure
    from app.services.library import LibraryService


class PolicyView(QWidget):
    """`_trouble` writes what went wrong in the language of the moment."""

    def __init__(
        self, library: LibraryService, administrator: AdministratorService, dialogs: FileDialogs, theme: Theme
    ) -> None:
        super().__init__()
        self._library, self._administrator, self._dialogs, self._theme = library, administrator, dialogs, theme
        self._offered: PublicKey | None = None
        self._doubted: PublicKey | None = None
        self._trouble: Callable[[], str] | None = None
        self._locked = QLabel()
        self._policy_title, self._keys_title, self._nobody = QLabel(), QLabel(), QLabel()
        self.unsigned, self.named = QCheckBox(), QCheckBox()
        self._unsigned_note, self._named_note = QLabel(), QLabel()
        self.add_key = Button(theme, "chip", "plus", icon_pixels=13)
        self.failure = FailurePanel(theme)
        self.failure.hide()
        self.offer = KeyOffer(theme)
        self.removal = KeyRemoval(theme)
        self.keys: list[KeyRow] = []
        self._key_rows = QVBoxLayout()
        self._lay_out()
        self.unsigned.clicked.connect(lambda allowed: self._set_policy(unsigned=_rule(allowed)))
        self.named.clicked.connect(lambda allowed: self._set_policy(named=_rule(allowed)))
        self.add_key.clicked.connect(self._choose_key)
        self.offer.trust.clicked.connect(self._trust)
        self.offer.cancel.clicked.connect(self._refuse)
        self.removal.confirm.clicked.connect(self._distrust)
        self.removal.cancel.clicked.connect(self._keep)
        library.overview_changed.connect(self._show)
        administrator.changed.connect(self._update)
        self.retranslate()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        if not event.spontaneous():
            self._say(None)  # It was seen.

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self.retranslate()

    def retranslate(self) -> None:
        self._locked.setText(self.tr("Sign in as administrator to change anything here."))
        self._policy_title.setText(self.tr("Policy"))
        self.unsigned.setText(self.tr("Models without a trusted signature may be approved"))
        self._unsigned_note.setText(
            self.tr("They are marked “unsigned”. Taken back, such models must be approved again.")
        )
        self.named.setText(self.tr("A person may start Inro with a file that nobody approved"))
        self._named_note.setText(
            self.tr("With --model on the command line, for that person and until the program ends.")
        )
        self._keys_title.setText(self.tr("Trusted signers"))
        self._nobody.setText(
            self.tr("No key is trusted yet. The maker of a model hands it over as a file named KEY.public.json.")
        )
        self.add_key.setText(self.tr("Trust a key…"))
        self._say(self._trouble)
        self._show(self._library.overview)

    def _lay_out(self) -> None:
        px = self._theme.px
        policy, keys = Card(self._theme), Card(self._theme)
        for label in (self._policy_title, self._keys_title):
            label.setProperty("role", "title")
        for label in (self._unsigned_note, self._named_note):
            label.setContentsMargins(px(24), 0, 0, px(4))
        notes = (self._unsigned_note, self._named_note, self._nobody, self._locked)
        for label in notes:
            label.setProperty("role", "muted")
            label.setWordWrap(True)
        for label in (self._policy_title, self._keys_title, *notes):
            label.setTextFormat(Qt.TextFormat.PlainText)
        for widget in (self._policy_title, self.unsigned, self._unsigned_note, self.named, self._named_note):
            policy.body.addWidget(widget)
        self._key_rows.setSpacing(px(6))
        keys.body.addWidget(self._keys_title)
        keys.body.addWidget(self._nobody)
        keys.body.addLayout(self._key_rows)
        keys.body.addWidget(self.removal)
        keys.body.addWidget(self.offer)
        keys.body.addWidget(self.add_key, 0, Qt.AlignmentFlag.AlignLeft)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(px(14))
        for part in (self._locked, self.failure, policy, keys):
            layout.addWidget(part)
        layout.addStretch(1)

    def _show(self, overview: Overview | None) -> None:
        if overview is not None:
            self.unsigned.setChecked(overview.policy.unsigned == "allow")
            self.named.setChecked(overview.policy.named == "allow")
            self._show_keys(list(overview.keys.values()))
        self._update()

    def _show_keys(self, keys: list[PublicKey]) -> None:
        """Rows of keys that are still trusted stay, and with them the keyboard's focus."""
        self._nobody.setVisible(not keys)
        if keys == [row.key for row in self.keys]:
            return
        for row in [row for row in self.keys if row.key not in keys]:
            self.keys.remove(row)
            self._key_rows.removeWidget(row)
            row.hide()
            row.deleteLater()
        rows = {row.key.key_id: row for row in self.keys}
        self.keys = [rows.get(key.key_id) or self._new_row(key) for key in keys]
        for number, row in enumerate(self.keys):
            self._key_rows.insertWidget(number, row)

    def _new_row(self, key: PublicKey) -> KeyRow:
        row = KeyRow(self._theme, key)
        row.remove.clicked.connect(lambda: self._doubt(key))
        return row

    def _update(self) -> None:
        signed_in = self._administrator.signed_in
        self._locked.setVisible(not signed_in)
        for widget in (self.unsigned, self.named, self.add_key, *(row.remove for row in self.keys)):
            widget.setEnabled(signed_in)
        if not signed_in:
            self._offered = self._doubted = None
        self.offer.show_key(self._offered)
        if self._doubted not in [row.key for row in self.keys]:
            self._doubted = None
        self.removal.show_key(self._doubted, self._concerned(self._doubted))

    def _concerned(self, key: PublicKey | None) -> list[Entry]:
        """The models that lose their approval with the key."""
        overview = self._library.overview
        if key is None or overview is None:
            return []
        standing = ((entry, entry.standing) for entry in overview.entries)
        return [entry for entry, known in standing if known.state == "approved" and known.key_id == key.key_id]

    def _authority(self) -> Authority | None:
        """None, and said so, when the time ran out; what was clicked is put back."""
        authority = self._administrator.authority()
        self._say(None if authority is not None else self._locked_meanwhile)
        if authority is None:
            self._show(self._library.overview)
        return authority

    def _locked_meanwhile(self) -> str:
        return self.tr("The time ran out, and it is locked again; nothing was changed. Sign in, then do it once more.")

    def _say(self, trouble: Callable[[], str] | None) -> None:
        self._trouble = trouble
        if trouble is None:
            self.failure.hide()
        else:
            self.failure.show_failure(trouble(), "")

    def _set_policy(self, *, unsigned: Rule | None = None, named: Rule | None = None) -> None:
        if (authority := self._authority()) is not None:
            self._library.set_policy(authority, unsigned, named, self._failed)

    def _choose_key(self) -> None:
        kinds = self.tr("Public keys (*.public.json)")
        file = self._dialogs.existing_file(self, self.tr("Trust a key"), kinds)
        if file is None or self._authority() is None:
            return
        self._doubted = None
        try:
            self._offered = read_public_key(file)
        except (InputError, OSError) as error:
            self._offered, wrong = None, error
            self._say(lambda: texts.with_details(self.tr("This is not the public key file of a signer."), wrong))
        self._update()

    def _trust(self) -> None:
        key = self._offered
        if key is not None and (authority := self._authority()) is not None:
            self._library.trust(authority, key, self._failed)
            self._refuse()

    def _refuse(self) -> None:
        self._offered = None
        self._update()

    def _doubt(self, key: PublicKey) -> None:
        """Ask first: models may lose their approval by it."""
        if self._authority() is not None:
            self._doubted, self._offered = key, None
            self._update()
            self.removal.cancel.setFocus()

    def _distrust(self) -> None:
        key = self._doubted
        if key is not None and (authority := self._authority()) is not None:
            self._library.distrust(authority, key, self._failed)
            self._keep()

    def _keep(self) -> None:
        """The question is answered; the keyboard goes on where it was asked."""
        row = next((row for row in self.keys if row.key == self._doubted), None)
        if row is not None:
            row.remove.setFocus()
        self._doubted = None
        self._update()

    def _failed(self, error: Failure) -> None:
        self._say(lambda: texts.problem(error))
        self._show(self._library.overview)


def _rule(allowed: bool) -> Rule:
    return "allow" if allowed else "refuse"
