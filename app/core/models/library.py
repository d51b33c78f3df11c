"""The models of this machine: one folder a model, named by the hash of its (first) file, with its manifest beside it.

How a file comes in is in `importing`; who may use it is in `administration`.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.core.errors import InputError
from app.core.files import flush_folder, sha256_file
from app.core.models.gguf_header import model_files
from app.core.models.manifest import Manifest, find_manifest
from app.core.scratch import scratch_folder, sweep

_SHA256 = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class InstalledModel:
    """`path` is the first of its files."""

    path: Path
    sha256: str
    manifest: Manifest | None

    @property
    def name(self) -> str:
        return self.manifest.name if self.manifest else self.path.stem

    @property
    def file_bytes(self) -> int:
        return sum(path.stat().st_size for path in model_files(self.path))

    def hashes(self, on_bytes: Callable[[int], None] | None = None) -> tuple[str, ...]:
        """The SHA-256 of each of its files, read now."""
        return tuple(sha256_file(path, on_bytes) for path in model_files(self.path))


def parts_digest(hashes: Sequence[str]) -> str:
    """One hash for the further files of a model in several: SHA-256 over theirs, one a line; empty without any."""
    return hashlib.sha256("\n".join(hashes).encode()).hexdigest() if hashes else ""


class ModelLibrary:
    def __init__(self, folder: Path) -> None:
        self._folder, self._import = folder, folder / "import"

    def models(self) -> list[InstalledModel]:
        """Every complete model, by name."""
        if not self._folder.is_dir():
            return []
        found = (self.installed(entry.name) for entry in self._folder.iterdir())
        return sorted((model for model in found if model), key=lambda model: (model.name, model.sha256))

    def find(self, name: str) -> InstalledModel:
        """A model by name or by the beginning of its sha256. Raises InputError if there is not exactly one.

        A whole sha256 is one model's only, even if another one claims it for its name.
        """
        if _SHA256.fullmatch(name):
            if (model := self.installed(name)) is None:
                raise InputError(f"{name} is not in the library. `inro models list` shows what there is.")
            return model
        matching = [model for model in self.models() if model.name == name or model.sha256.startswith(name)]
        if len(matching) != 1:
            problem = "is not in the library" if not matching else "names several models; use the sha256"
            raise InputError(f"{name} {problem}. `inro models list` shows what there is.")
        return matching[0]

    def installed(self, sha256: str) -> InstalledModel | None:
        """The model of this hash, if it is there and complete."""
        folder = self._folder / sha256
        if not _SHA256.fullmatch(sha256) or not folder.is_dir():
            return None
        files = sorted(path for path in folder.glob("*.gguf") if path.is_file())
        if not files or files != model_files(files[0]):
            return None
        try:
            manifest = find_manifest(files[0])
        except InputError:
            manifest = None  # The others are still listed; using this one says what is wrong.
        return InstalledModel(files[0], sha256, manifest)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder on the same disk for what is half done. It is not part of the library, and nothing of it outlives
        the process, even one that is killed."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with scratch_folder(self._import) as folder:
            yield folder

    def sweep(self) -> None:
        """Give back the space of imports that ended with the machine, where it can be done; for every start."""
        with contextlib.suppress(OSError):
            sweep(self._import)

    def place(self, prepared: Path, sha256: str) -> InstalledModel:
        """Take a complete folder, which lies in `scratch`, into the library, at once or not at all.

        What lies in its place and is damaged is moved away first.
        """
        flush_folder(prepared)
        target = self._folder / sha256
        if target.exists():
            target.rename(prepared.with_name("replaced"))
        prepared.rename(target)
        flush_folder(self._folder)
        placed = self.installed(sha256)
        assert placed is not None
        return placed

    def remove(self, model: InstalledModel) -> None:
        """Delete a model's files. Killed on the way, it is there or it is not."""
        with self.scratch() as scratch:
            (self._folder / model.sha256).rename(scratch / "removed")
            flush_folder(self._folder)
