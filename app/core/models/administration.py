"""What a person does to the models of this machine: each deed is decided on the record and is one line of it."""

from __future__ import annotations

from dataclasses import replace

from app.core.models.events import Imported, KeyDistrusted, KeyTrusted, Switched, recorded_name
from app.core.models.examination import examine
from app.core.models.keys import TrustedKeys
from app.core.models.library import InstalledModel, ModelLibrary
from app.core.models.record import Record
from app.core.models.signing import PublicKey
from app.core.paths import Paths
from app.core.settings import read_settings, write_settings

DEMONSTRATION = "demo"
"""What a person calls the demonstration model."""


class Administration:
    def __init__(self, paths: Paths, record: Record | None = None) -> None:
        self._paths, self._record = paths, record or Record(paths.record)
        self._library, self._keys = ModelLibrary(paths.models), TrustedKeys(paths.trusted_keys)

    def imported(self, model: InstalledModel) -> None:
        """Write down what came into the library, by the papers that lie there now."""
        examined = examine(model.path, self._keys.all())
        key_id = examined.signature.key_id if examined.signature.state == "valid" else ""
        self._record.append(
            Imported(
                model=model.sha256,
                name=recorded_name(model.name),
                manifest_sha256=examined.manifest_sha256,
                key_id=key_id,
            )
        )

    def use(self, name: str) -> str:
        """Let a model answer from the next start on; its name. Raises InputError if there is none of that name."""
        if name == DEMONSTRATION:
            sha256, shown = "", DEMONSTRATION
        else:
            model = self._library.find(name)
            sha256, shown = model.sha256, model.name
        self._record.append(Switched(model=sha256, name=recorded_name(shown)))
        settings = read_settings(self._paths.settings)
        write_settings(self._paths.settings, replace(settings, model=sha256 or None))
        return shown

    def trust(self, key: PublicKey) -> None:
        # First the line: a key that is believed is never one that nobody is seen to have added.
        self._record.append(KeyTrusted(key_id=key.key_id, name=key.name))
        self._keys.add(key)

    def distrust(self, key: PublicKey) -> None:
        self._keys.remove(key)
        self._record.append(KeyDistrusted(key_id=key.key_id, name=key.name))
