"""The models of this machine as a person is shown them: what each is, how it stands, and what speaks against it."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from app.core.errors import UserFacingError
from app.core.models.examination import Examination, examine
from app.core.models.library import InstalledModel, ModelLibrary
from app.core.models.manifest import Manifest, find_manifest
from app.core.models.signing import PublicKey
from app.core.models.standing import DEMONSTRATION, ModelStanding, Policy, Standing, previous
from app.core.paths import demonstration_model

Mark = Literal["demonstration", "unsigned", "broken_signature", "not_scored", "failed_gate", "expired", "damaged"]
"""What a person should know before trusting a model."""


@dataclass(frozen=True)
class Entry:
    """A model of the library, or the demonstration model. `examined` is None where its file cannot be read any more."""

    model: InstalledModel
    file_bytes: int
    standing: ModelStanding
    examined: Examination | None
    in_use: bool
    today: datetime.date

    @property
    def sha256(self) -> str:
        """As the record names it: empty for the demonstration model."""
        return DEMONSTRATION if self.demonstration_model else self.model.sha256

    @property
    def demonstration_model(self) -> bool:
        """The one that ships with the application."""
        return not self.model.sha256

    @property
    def file_sha256(self) -> str:
        """Of the file, the demonstration model's too."""
        return self.manifest.sha256 if self.demonstration_model and self.manifest else self.model.sha256

    @property
    def name(self) -> str:
        return self.model.name

    @property
    def manifest(self) -> Manifest | None:
        return self.model.manifest

    @property
    def usable(self) -> bool:
        return self.demonstration_model or self.standing.state == "approved"

    @property
    def quantization(self) -> str:
        """The manifest's name of it, or the type that most of the weights have."""
        if self.manifest is not None:
            return self.manifest.quantization
        return next(iter(self.examined.quantization), "") if self.examined else ""

    @property
    def licence(self) -> str:
        if self.manifest is not None:
            return self.manifest.licence
        return (self.examined.header.text("general.license") or "") if self.examined else ""

    @property
    def marks(self) -> tuple[Mark, ...]:
        marks: list[Mark] = []
        manifest = self.manifest
        if self.examined is None:
            marks.append("damaged")
        if manifest is not None and manifest.demonstration:
            marks.append("demonstration")
        elif manifest is None or manifest.verdict is None:
            marks.append("not_scored")
        elif not manifest.verdict.passed:
            marks.append("failed_gate")
        signed = self.examined.signature.state if self.examined else "none"
        if signed == "broken":
            marks.append("broken_signature")
        elif signed != "valid" and not self.demonstration_model:
            marks.append("unsigned")
        if manifest is not None and manifest.expired(self.today):
            marks.append("expired")
        return tuple(marks)


@dataclass(frozen=True)
class Overview:
    """`back_to` is the model that a roll-back would return to; None where there is none that may be used."""

    entries: tuple[Entry, ...]
    """By name, the demonstration model last."""
    policy: Policy
    keys: Mapping[str, PublicKey]
    back_to: Entry | None

    @property
    def in_use(self) -> Entry | None:
        return next((entry for entry in self.entries if entry.in_use), None)

    def of(self, sha256: str) -> Entry | None:
        return next((entry for entry in self.entries if entry.sha256 == sha256), None)


def overview(
    library: ModelLibrary,
    standing: Standing,
    trusted: Mapping[str, PublicKey],
    chosen: str | None,
    today: datetime.date,
) -> Overview:
    """Args: chosen: the model that answers, by SHA-256; None for the demonstration model.

    The weights are not read, only headers, manifests and signatures.
    """
    entries = []
    for model in library.models():
        known = standing.of(model.sha256, model.name)
        entries.append(_entry(model, known, trusted, in_use=model.sha256 == chosen, today=today))
    entries.append(_demonstration(chosen is None, today))
    back = previous(standing, {entry.sha256 for entry in entries if "expired" not in entry.marks})
    return Overview(
        entries=tuple(entries),
        policy=standing.policy,
        keys=trusted,
        back_to=next((entry for entry in entries if entry.sha256 == back), None) if back is not None else None,
    )


def _entry(
    model: InstalledModel,
    standing: ModelStanding,
    trusted: Mapping[str, PublicKey],
    *,
    in_use: bool,
    today: datetime.date,
) -> Entry:
    try:
        examined, file_bytes = examine(model.path, trusted), model.file_bytes
    except (UserFacingError, OSError):
        # The others are still shown; using or approving this one says what is wrong.
        examined, file_bytes = None, 0
    return Entry(model, file_bytes, standing, examined, in_use, today)


def _demonstration(in_use: bool, today: datetime.date) -> Entry:
    path = demonstration_model()
    manifest = find_manifest(path)
    standing = ModelStanding("approved", manifest.name if manifest else path.stem)
    return _entry(InstalledModel(path, "", manifest), standing, {}, in_use=in_use, today=today)
