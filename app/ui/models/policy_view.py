"""The policy of this PC and the keys that it trusts; both are the administrator's to change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, Qt
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from app.core.errors import InputError
from app.core.models.signing import PublicKey, read_public_key
from app.ui.controls import Button, FailurePanel
from app.ui.file_dialogs import FileDialogs
from app.ui.models import texts
from app.ui.panels import Card
from app.ui.theme import Theme

if TYPE_CHECKING:
    from app.core.errors import UserFacingError
    from app.core.models.overview import Overview
    from app.services.administrator import AdministratorService
    from app.services.library import Deed, LibraryService


class PolicyView(QWidget):
    def __init__(
        self, library: LibraryService, administrator: AdministratorService, dialogs: FileDialogs, theme: Theme
    ) -> None:
        super().__init__()
        self._library, self._administrator, self._dialogs, self._theme = library, administrator, dialogs, theme
        self._offered: PublicKey | None = None
        self._locked = QLabel()
        self._policy_title, self._keys_title, self._nobody = QLabel(), QLabel(), QLabel()
        self.unsigned, self.named = QCheckBox(), QCheckBox()
        self._unsigned_note, self._named_note = QLabel(), QLabel()
        self.add_key = Button(theme, "chip", "plus", icon_pixels=13)
        self.failure = FailurePanel(theme)
        self.failure.hide()
        self.offer = _KeyOffer(theme)
        self.keys: list[_KeyRow] = []
        self._key_rows = QVBoxLayout()
        self._lay_out()
        self.unsigned.clicked.connect(self._set_policy)
        self.named.clicked.connect(self._set_policy)
        self.add_key.clicked.connect(self._choose_key)
        self.offer.trust.clicked.connect(self._trust)
        self.offer.cancel.clicked.connect(self._refuse)
        library.overview_changed.connect(self._show)
        library.failed.connect(self._failed)
        administrator.changed.connect(self._update)
        self.retranslate()

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
        self._show(self._library.overview)

    def _lay_out(self) -> None:
        px = self._theme.px
        policy, keys = Card(self._theme), Card(self._theme)
        for label in (self._policy_title, self._keys_title):
            label.setProperty("role", "title")
        for label in (self._unsigned_note, self._named_note):
            label.setContentsMargins(px(24), 0, 0, px(4))
        for label in (self._unsigned_note, self._named_note, self._nobody, self._locked):
            label.setProperty("role", "muted")
            label.setWordWrap(True)
        for widget in (self._policy_title, self.unsigned, self._unsigned_note, self.named, self._named_note):
            policy.body.addWidget(widget)
        self._key_rows.setSpacing(px(6))
        keys.body.addWidget(self._keys_title)
        keys.body.addWidget(self._nobody)
        keys.body.addLayout(self._key_rows)
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
            for row in self.keys:
                self._key_rows.removeWidget(row)
                row.hide()
                row.deleteLater()
            self.keys = [_KeyRow(self._theme, key) for key in overview.keys.values()]
            for row in self.keys:
                row.remove.clicked.connect(lambda _=False, key=row.key: self._distrust(key))
                self._key_rows.addWidget(row)
            self._nobody.setVisible(not self.keys)
        self._update()

    def _update(self) -> None:
        signed_in = self._administrator.signed_in
        self._locked.setVisible(not signed_in)
        for widget in (self.unsigned, self.named, self.add_key, *(row.remove for row in self.keys)):
            widget.setEnabled(signed_in)
        if not signed_in:
            self._offered = None
        self.offer.show_key(self._offered)

    def _set_policy(self) -> None:
        if (authority := self._administrator.authority()) is not None:
            self.failure.hide()
            self._library.set_policy(
                authority,
                "allow" if self.unsigned.isChecked() else "refuse",
                "allow" if self.named.isChecked() else "refuse",
            )

    def _choose_key(self) -> None:
        kinds = self.tr("Public keys (*.public.json)")
        file = self._dialogs.existing_file(self, self.tr("Trust a key"), kinds)
        if file is None:
            return
        self.failure.hide()
        try:
            self._offered = read_public_key(file)
        except (InputError, OSError) as error:
            self._offered = None
            self.failure.show_failure(
                texts.with_details(self.tr("This is not the public key file of a signer."), error), ""
            )
        self._update()

    def _trust(self) -> None:
        authority = self._administrator.authority()
        if authority is not None and self._offered is not None:
            self._library.trust(authority, self._offered)
            self._refuse()

    def _refuse(self) -> None:
        self._offered = None
        self._update()

    def _distrust(self, key: PublicKey) -> None:
        if (authority := self._administrator.authority()) is not None:
            self.failure.hide()
            self._library.distrust(authority, key)

    def _failed(self, deed: Deed, error: UserFacingError | OSError) -> None:
        if deed.name in ("policy", "trust", "distrust"):
            self.failure.show_failure(texts.problem(error), "")
            self._show(self._library.overview)


class _KeyRow(QWidget):
    def __init__(self, theme: Theme, key: PublicKey) -> None:
        super().__init__()
        self.key = key
        name, identity = QLabel(key.name), QLabel(key.key_id)
        identity.setProperty("role", "muted")
        identity.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        for label in (name, identity):
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setWordWrap(True)
        self.remove = Button(theme, "chip")
        self.remove.setText(self.tr("No longer trust"))
        self.remove.setAccessibleName(self.tr("No longer trust {signer}").format(signer=key.name))
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(name, 2)
        layout.addWidget(identity, 1)
        layout.addWidget(self.remove)


class _KeyOffer(QWidget):
    """A key that is about to be trusted: its id is to be compared with what the signer says."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._key: PublicKey | None = None
        self.label = QLabel()
        self.label.setTextFormat(Qt.TextFormat.PlainText)
        self.label.setWordWrap(True)
        self.label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.trust, self.cancel = Button(theme, "primary"), Button(theme, "plain")
        buttons = QHBoxLayout()
        buttons.addWidget(self.trust)
        buttons.addWidget(self.cancel)
        buttons.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.label)
        layout.addLayout(buttons)

    def show_key(self, key: PublicKey | None) -> None:
        self._key = key
        self.setVisible(key is not None)
        self.retranslate()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self.retranslate()

    def retranslate(self) -> None:
        if self._key is not None:
            text = self.tr(
                "{signer} · key {key}\nCompare this key with the one that the signer tells you by telephone or letter: "
                "whoever brought the model could have brought the key."
            )
            self.label.setText(text.format(signer=self._key.name, key=self._key.key_id))
        self.trust.setText(self.tr("It is the same: trust it"))
        self.cancel.setText(self.tr("Cancel"))
