"""The manifest beside a model file: what it is, what it was made from, and the hash that ties the two together."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from app.core.errors import CheckRefused, InputError
from app.core.files import sha256_file, write_atomically
from app.core.language import Language

MAX_MANIFEST_BYTES = 1024 * 1024


class Source(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One input of the file: a checkpoint, an adapter, a data set, a run record."""

    kind: Literal["checkpoint", "adapter", "data", "record"]
    name: str
    sha256: str


class ScoreCardReference(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    file: str
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`examples` are questions that the model can answer, offered to the person who opens an empty window."""

    format: Literal["inro-model-manifest/1"] = "inro-model-manifest/1"
    name: str
    file: str
    file_bytes: int
    sha256: str
    architecture: str
    quantization: str
    parameters: int
    context_length: int
    licence: str
    languages: tuple[Language, ...]
    demonstration: bool = False
    examples: dict[Language, tuple[str, ...]] = {}
    sources: tuple[Source, ...] = ()
    versions: dict[str, str] = {}
    verification: dict[str, float] = {}
    score_cards: tuple[ScoreCardReference, ...] = ()


def manifest_path(model: Path) -> Path:
    """`x.gguf` → `x.manifest.json`."""
    return model.with_suffix(".manifest.json")


def read_manifest(path: Path) -> Manifest:
    """Raises InputError for a file that is too large, no JSON, or not of this schema."""
    if path.stat().st_size > MAX_MANIFEST_BYTES:
        raise InputError(f"{path} is larger than a manifest can be.")
    try:
        return msgspec.json.decode(path.read_bytes(), type=Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{path} is not a valid manifest: {error}.") from error


def find_manifest(model: Path) -> Manifest | None:
    """The manifest beside `model`, or None if there is none."""
    path = manifest_path(model)
    return read_manifest(path) if path.is_file() else None


def write_manifest(path: Path, manifest: Manifest) -> None:
    write_atomically(path, msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")


def check_file(manifest: Manifest, model: Path) -> None:
    """Raises CheckRefused unless `model` is, byte for byte, the file that the manifest describes."""
    if model.stat().st_size != manifest.file_bytes or sha256_file(model) != manifest.sha256:
        raise CheckRefused(f"{model.name} is not the file its manifest describes: it was changed or is incomplete.")
