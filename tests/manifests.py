"""Manifests of tiny models, keys that sign them, and their import."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from app.core.files import sha256_file
from app.core.models.gguf_header import read_header
from app.core.models.importing import Import, Placed, Step
from app.core.models.keys import make_key, open_key
from app.core.models.library import InstalledModel, ModelLibrary
from app.core.models.manifest import Manifest, manifest_path, write_manifest
from app.core.models.signing import PublicKey, sign, signature_path

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def manifest_of(model: Path, **changes: Any) -> Manifest:
    """What is true of the file, with `changes`."""
    header = read_header(model)
    manifest = Manifest(
        name="named",
        file=model.name,
        file_bytes=model.stat().st_size,
        sha256=sha256_file(model),
        architecture=header.architecture,
        quantization="F32",
        parameters=header.parameters,
        context_length=header.number("context_length"),
        licence="Apache-2.0",
        languages=("ja", "en"),
    )
    return msgspec.structs.replace(manifest, **changes)


def describe(model: Path, **changes: Any) -> Path:
    """Write the manifest beside the model."""
    path = manifest_path(model)
    write_manifest(path, manifest_of(model, **changes))
    return path


@dataclass(frozen=True)
class Signer:
    public: PublicKey
    private: Ed25519PrivateKey
    private_path: Path
    public_path: Path

    @property
    def trusted(self) -> Mapping[str, PublicKey]:
        return {self.public.key_id: self.public}

    def sign(self, manifest: Path) -> Path:
        path = signature_path(manifest)
        path.write_bytes(sign(manifest.read_bytes(), self.public, self.private))
        return path


def new_signer(folder: Path, name: str = "Model team") -> Signer:
    _, private, public = make_key(name, folder, None)
    return Signer(*open_key(private, lambda: ""), private, public)


def import_model(
    library: ModelLibrary, source: Path, trusted: Mapping[str, PublicKey] | None = None, **options: Any
) -> InstalledModel:
    """Import to the end, with nobody to write it down."""
    last: Step | None = None
    for step in Import(library, source, trusted or {}, lambda _: None, **options).steps():
        last = step
    assert isinstance(last, Placed)
    return last.model
