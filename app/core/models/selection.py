"""Which model answers: the one a person named, the one chosen from the library, or the demonstration model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from app.core.errors import CheckRefused, InputError
from app.core.files import sha256_file
from app.core.models.library import ModelLibrary
from app.core.models.manifest import Manifest, check_file, find_manifest
from app.core.paths import Paths, demonstration_model
from app.core.settings import Settings


@dataclass(frozen=True)
class SelectedModel:
    path: Path
    name: str
    sha256: str
    manifest: Manifest | None

    @property
    def demonstration(self) -> bool:
        return self.manifest is not None and self.manifest.demonstration


def select(named: Path | None, settings: Settings, paths: Paths) -> SelectedModel:
    """Find the model and check it against its manifest.

    Raises:
        InputError: there is no such file.
        CheckRefused: the file is not the one that its manifest describes.
    """
    if named is None and settings.model is not None:
        return _chosen(settings.model, paths)
    path = named or demonstration_model()
    if not path.is_file():
        raise InputError(f"there is no model file at {path}.")
    manifest = find_manifest(path)
    if manifest is None:
        return SelectedModel(path, path.stem, sha256_file(path), None)
    check_file(manifest, path)
    return SelectedModel(path, manifest.name, manifest.sha256, manifest)


def _chosen(name: str, paths: Paths) -> SelectedModel:
    model = ModelLibrary(paths.models).find(name)
    manifest = find_manifest(model.path)
    # The library names a model by what it held when it came in, with a manifest or without.
    if sha256_file(model.path) != model.sha256 or (manifest and manifest.sha256 != model.sha256):
        raise CheckRefused(f"{model.path.name} is not the file that was imported: it was changed or is incomplete.")
    return SelectedModel(model.path, model.name, model.sha256, manifest)
