"""The keys of signers on the page of the policy: one that is trusted, one to be compared, one to be given up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from app.core.models.signing import PublicKey
from app.ui.controls import Button, plain_line
from app.ui.theme import Theme

if TYPE_CHECKING:
    from app.core.models.overview import Entry

_MOST_NAMES = 5
_LONGEST_NAME = 40
# A key's id is compared and noted, by the keyboard too.
_SELECTABLE = Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard


class KeyRow(QWidget):
    def __init__(self, theme: Theme, key: PublicKey) -> None:
        super().__init__()
        self.key = key
        name, identity = QLabel(plain_line(key.name)), QLabel(key.key_id)
        identity.setProperty("role", "muted")
        identity.setTextInteractionFlags(_SELECTABLE)
        for label in (name, identity):
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setWordWrap(True)
        self.remove = Button(theme, "chip")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(name, 2)
        layout.addWidget(identity, 1)
        layout.addWidget(self.remove)
        self.retranslate()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self.retranslate()

    def retranslate(self) -> None:
        self.remove.setText(self.tr("No longer trust…"))
        self.remove.setAccessibleName(self.tr("No longer trust {signer}").format(signer=plain_line(self.key.name)))


class KeyOffer(QWidget):
    """A key that is about to be trusted: its id is to be compared with what the signer says."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._key: PublicKey | None = None
        self.label = QLabel()
        self.label.setTextFormat(Qt.TextFormat.PlainText)
        self.label.setWordWrap(True)
        self.label.setTextInteractionFlags(_SELECTABLE)
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
            self.label.setText(text.format(signer=plain_line(self._key.name), key=self._key.key_id))
        self.trust.setText(self.tr("It is the same: trust it"))
        self.cancel.setText(self.tr("Cancel"))


class KeyRemoval(QWidget):
    """Asks before a key is no longer trusted, and says which models that takes the approval from."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._key: PublicKey | None = None
        self._concerned: list[Entry] = []
        self.label = QLabel()
        self.label.setTextFormat(Qt.TextFormat.PlainText)
        self.label.setWordWrap(True)
        self.confirm, self.cancel = Button(theme, "primary"), Button(theme, "plain")
        buttons = QHBoxLayout()
        buttons.addWidget(self.confirm)
        buttons.addWidget(self.cancel)
        buttons.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.label)
        layout.addLayout(buttons)

    def show_key(self, key: PublicKey | None, concerned: list[Entry]) -> None:
        self._key, self._concerned = key, concerned
        self.setVisible(key is not None)
        self.retranslate()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self.retranslate()

    def retranslate(self) -> None:
        if self._key is not None:
            question = self.tr("No longer trust {signer} (key {key})?").format(
                signer=plain_line(self._key.name), key=self._key.key_id
            )
            text = "\n".join(filter(None, (question, self._consequence(), self._in_use())))
            self.label.setText(text)
            self.cancel.setAccessibleDescription(text)
        self.confirm.setText(self.tr("No longer trust it"))
        self.cancel.setText(self.tr("Cancel"))

    def _consequence(self) -> str:
        names = [plain_line(entry.name, _LONGEST_NAME) for entry in self._concerned[:_MOST_NAMES]]
        listed = self.tr(", ").join([*names, "…"] if len(self._concerned) > _MOST_NAMES else names)
        match len(self._concerned):
            case 0:
                return self.tr("No approved model was signed with it.")
            case 1:
                return self.tr("1 model must then be approved again: {models}").format(models=listed)
            case count:
                return self.tr("{count} models must then be approved again: {models}").format(
                    count=count, models=listed
                )

    def _in_use(self) -> str:
        name = next((entry.name for entry in self._concerned if entry.in_use), None)
        if name is None:
            return ""
        return self.tr(
            "{model} is in use. A window that has it loaded keeps it until it is closed; the next start refuses it."
        ).format(model=plain_line(name, _LONGEST_NAME))
