"""Which model answers: the one a person named, the one chosen from the library, or the demonstration model."""

from __future__ import annotations

import datetime
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.core.errors import CheckRefused, InputError, NotApproved
from app.core.files import sha256_file
from app.core.models.library import ModelLibrary, parts_digest
from app.core.models.manifest import (
    Manifest,
    check_file,
    find_manifest,
    manifest_path,
    parse_manifest,
    read_manifest_bytes,
)
from app.core.paths import Paths, demonstration_model
from app.core.settings import Settings

if TYPE_CHECKING:
    from app.core.models.approvals import Approvals


@dataclass(frozen=True)
class SelectedModel:
    path: Path
    name: str
    sha256: str
    manifest: Manifest | None

    @property
    def demonstration(self) -> bool:
        return self.manifest is not None and self.manifest.demonstration

    def expired(self, today: datetime.date) -> datetime.date | None:
        """The last day on which its maker stood by it, once that is past.

        Such a model goes on answering where it is in use, and a person is told; it cannot be approved or chosen.
        """
        return self.manifest.expires if self.manifest is not None and self.manifest.expired(today) else None


def select(named: Path | None, settings: Settings, paths: Paths, approvals: Approvals | None = None) -> SelectedModel:
    """Find the model and check it: against its approval if it was chosen from the library, and against its manifest.

    Raises:
        InputError: there is no such file.
        NotApproved: an administrator has not approved it, or the policy allows approved models only.
        CheckRefused: the file is not the one that its manifest describes, or that was approved, or a signature beside
            it does not fit.
    """
    if named is not None:
        return _named(named, paths, approvals or _approvals(paths))
    if settings.model is not None:
        return _chosen(settings.model, paths, approvals or _approvals(paths))
    path = demonstration_model()
    return _described(path, find_manifest(_there(path)))


def _there(path: Path) -> Path:
    if not path.is_file():
        raise InputError(f"there is no model file at {path}.")
    return path


def _described(path: Path, manifest: Manifest | None) -> SelectedModel:
    if manifest is None:
        return SelectedModel(path, path.stem, sha256_file(path), None)
    check_file(manifest, path)
    return SelectedModel(path, manifest.name, manifest.sha256, manifest)


def _named(path: Path, paths: Paths, approvals: Approvals) -> SelectedModel:
    from app.core.models.keys import TrustedKeys
    from app.core.models.signing import check_signature, find_signature

    standing = approvals.standing()
    if standing.policy.named == "refuse":
        raise NotApproved(f"{path} cannot be used: the policy of this machine allows approved models only.")
    papers = manifest_path(_there(path))
    if not papers.is_file():
        return _described(path, None)
    data = read_manifest_bytes(papers)
    if (signature := find_signature(papers)) is not None:
        # Whoever may use what nobody signed need not use what somebody changed.
        finding = check_signature(data, signature, TrustedKeys(paths.trusted_keys).known(standing.keys))
        if finding.state == "broken":
            raise CheckRefused(f"{path.name} cannot be used: {finding}.")
    return _described(path, parse_manifest(data, papers))


def _approvals(paths: Paths) -> Approvals:
    # Imported when it is needed: the demonstration model needs no approval, and the window's start no record.
    from app.core.models.approvals import Approvals
    from app.core.models.record import Record

    return Approvals(Record(paths.record))


def _chosen(name: str, paths: Paths, approvals: Approvals) -> SelectedModel:
    from app.core.models.approvals import check_approved

    model = ModelLibrary(paths.models).find(name)
    standing = approvals.standing().of(model.sha256, model.name)
    check_approved(standing)
    path = manifest_path(model.path)
    data = read_manifest_bytes(path) if path.is_file() else None
    if (hashlib.sha256(data).hexdigest() if data is not None else "") != standing.manifest_sha256:
        raise CheckRefused(f"{path.name} is not the manifest that was approved: it was changed. Import it again.")
    manifest = None if data is None else parse_manifest(data, path)
    # The library names a model by what it held when it came in, with a manifest or without.
    hashes = model.hashes()
    if (hashes[0], parts_digest(hashes[1:])) != (model.sha256, standing.parts):
        raise CheckRefused(f"{model.path.name} is not the file that was imported: it was changed or is incomplete.")
    return SelectedModel(model.path, model.name, model.sha256, manifest)
