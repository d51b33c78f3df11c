"""The models of this machine: one folder a file, named by its hash, with its manifest beside it."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import psutil

from app.core.errors import CheckRefused, InputError, MachineError
from app.core.files import flush_folder, write_atomically
from app.core.models.examination import Examination, contradictions, examine
from app.core.models.manifest import Manifest, find_manifest, manifest_path
from app.core.models.signing import PublicKey, signature_path

_CHUNK = 4 * 1024 * 1024
_PARTIAL = ".partial-"
_SHA256 = re.compile("[0-9a-f]{64}")

Probe = Callable[[Path], None]
"""Loads a file in a process that may die of it; raises UserFacingError if the file is no good."""


@dataclass(frozen=True)
class InstalledModel:
    path: Path
    sha256: str
    manifest: Manifest | None

    @property
    def name(self) -> str:
        return self.manifest.name if self.manifest else self.path.stem


class ModelLibrary:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def models(self) -> list[InstalledModel]:
        """Every complete model, by name."""
        if not self._folder.is_dir():
            return []
        found = (self._read(entry) for entry in self._folder.iterdir() if not entry.name.startswith("."))
        return sorted((model for model in found if model), key=lambda model: (model.name, model.sha256))

    def find(self, name: str) -> InstalledModel:
        """A model by name or by the beginning of its sha256. Raises InputError if there is not exactly one."""
        matching = [model for model in self.models() if model.name == name or model.sha256.startswith(name)]
        if len(matching) != 1:
            problem = "is not in the library" if not matching else "names several models; use the sha256"
            raise InputError(f"{name} {problem}. `inro models list` shows what there is.")
        return matching[0]

    def add(
        self,
        source: Path,
        probe: Probe,
        on_bytes: Callable[[int], None] = lambda count: None,
        trusted: Mapping[str, PublicKey] | None = None,
    ) -> InstalledModel:
        """Bring in a file: header, space, copy while hashing, manifest, probe, and only then a place in the library.

        Args:
            trusted: the keys whose signatures count, by key id.

        Raises:
            InputError: the file or its manifest is not what the engine can use.
            CheckRefused: the file is not the one that its manifest describes, or its signature does not fit.
            MachineError: there is no space for it.
        """
        examined = examine(source, trusted or {})
        if (parts := examined.header.part_count) > 1:
            raise InputError(f"{source.name} is one of {parts} parts; only a single file can be imported.")
        _check_claims(examined)
        manifest = examined.manifest
        self._remove_leftovers()
        self._folder.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(self._folder).free < examined.header.file_bytes:
            _no_space(self._folder, examined.header.file_bytes)
        # The number tells a running import of another process from the leftovers of one that was killed.
        with tempfile.TemporaryDirectory(prefix=f"{_PARTIAL}{os.getpid()}-", dir=self._folder) as partial:
            copy = Path(partial) / "model" / f"{source.stem}.gguf"
            copy.parent.mkdir()
            sha256 = _copy_hashing(source, copy, on_bytes)
            if manifest is not None and manifest.sha256 != sha256:
                raise CheckRefused(f"{source.name} is not the file its manifest describes: it was changed.")
            _write_papers(examined, copy)
            probe(copy)
            target = self._folder / sha256
            if (installed := self._read(target)) is not None:
                _write_papers(examined, installed.path)
                return InstalledModel(installed.path, sha256, manifest or installed.manifest)
            copy.parent.rename(target)
            flush_folder(self._folder)
        return InstalledModel(target / copy.name, sha256, manifest)

    def remove(self, model: InstalledModel) -> None:
        """Delete a model's files. Killed on the way, it is there or not; the rest goes with the next import."""
        with tempfile.TemporaryDirectory(prefix=f"{_PARTIAL}{os.getpid()}-", dir=self._folder) as partial:
            (self._folder / model.sha256).rename(Path(partial) / "removed")
            flush_folder(self._folder)

    def _read(self, folder: Path) -> InstalledModel | None:
        if not _SHA256.fullmatch(folder.name):
            return None
        files = [path for path in folder.glob("*.gguf") if path.is_file()]
        if len(files) != 1:
            return None
        try:
            manifest = find_manifest(files[0])
        except InputError:
            manifest = None  # The others are still listed; using this one says what is wrong.
        return InstalledModel(files[0], folder.name, manifest)

    def _remove_leftovers(self) -> None:
        """What an import left that was killed."""
        for entry in self._folder.glob(f"{_PARTIAL}*"):
            process = entry.name.removeprefix(_PARTIAL).partition("-")[0]
            if not process.isdigit() or not psutil.pid_exists(int(process)):
                shutil.rmtree(entry, ignore_errors=True)


def _check_claims(examined: Examination) -> None:
    if examined.signature.state == "broken":
        raise CheckRefused(f"{examined.path.name}: {examined.signature}.")
    if examined.manifest is not None:
        for sentence in contradictions(examined.header, examined.manifest, examined.template_sha256):
            raise CheckRefused(f"{examined.path.name}: {sentence}")


def _write_papers(examined: Examination, model: Path) -> None:
    """Manifest and signature beside the copy, byte for byte: the signature is one of bytes."""
    if examined.manifest is None:
        return
    path = manifest_path(model)
    # In this order, so that a signature never lies beside a manifest that it does not fit.
    signature_path(path).unlink(missing_ok=True)
    write_atomically(path, examined.manifest_bytes)
    if examined.signature_bytes is not None:
        write_atomically(signature_path(path), examined.signature_bytes)


def _copy_hashing(source: Path, target: Path, on_bytes: Callable[[int], None]) -> str:
    digest = hashlib.sha256()
    try:
        with source.open("rb") as reading, target.open("wb") as writing:
            while chunk := reading.read(_CHUNK):
                digest.update(chunk)
                writing.write(chunk)
                on_bytes(len(chunk))
            writing.flush()
            os.fsync(writing.fileno())
    except OSError as error:
        if error.errno == errno.ENOSPC:
            _no_space(target.parent, source.stat().st_size)
        raise
    return digest.hexdigest()


def _no_space(folder: Path, needed: int) -> NoReturn:
    free = shutil.disk_usage(folder).free
    raise MachineError(f"The model needs {needed / 1e9:.2f} GB on the disk, and {free / 1e9:.2f} GB are free.")
