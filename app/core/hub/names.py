"""Which model of a hub a person asks for: the names are checked before any of them reaches an address or a disk."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from app.core.errors import InputError
from app.core.models.gguf_header import MAX_PARTS, part_paths, split_name
from app.core.models.manifest import manifest_path
from app.core.models.signing import signature_path

_REPOSITORY = re.compile(r"\w[\w.-]{0,95}/\w[\w.-]{0,95}", re.ASCII)
_REVISION = re.compile(r"\w[\w./+-]{0,199}", re.ASCII)

MAX_NAME_BYTES = 200
"""Of one file, in UTF-8: file systems end at 255, and the manifest's name is longer than the model's."""

# What Windows allows in no file name: the stick is read there. The backslash would also be a folder's end.
_UNUSABLE = frozenset('<>:"\\|?*')


@dataclass(frozen=True)
class HubModel:
    """A model in a repository of a hub, under names that are safe to use; made by `hub_model`.

    `repository` is owner/name; `revision` a branch, a tag or a commit; `path` the file's, or that of its first part.
    """

    repository: str
    revision: str
    path: PurePosixPath

    @property
    def name(self) -> str:
        """Of the model, without its ending and without the number of a part."""
        split = split_name(Path(self.path.name))
        return split.stem if split else self.path.stem

    @property
    def model_paths(self) -> tuple[PurePosixPath, ...]:
        """Of all its files in the repository, in order."""
        split = split_name(Path(self.path.name))
        if split is None or split.count == 1:
            return (self.path,)
        return tuple(self._beside(part) for part in part_paths(Path(f"{split.stem}.gguf"), split.count))

    @property
    def manifest_path(self) -> PurePosixPath:
        return self._beside(manifest_path(Path(self.path.name)))

    @property
    def signature_path(self) -> PurePosixPath:
        return self._beside(signature_path(manifest_path(Path(self.path.name))))

    def _beside(self, name: Path) -> PurePosixPath:
        return self.path.with_name(name.name)


def hub_model(repository: str, file: str, revision: str) -> HubModel:
    """Raises InputError for what cannot be the name of a repository, of a model file in one, or of a revision."""
    if not _REPOSITORY.fullmatch(repository) or ".." in repository:
        raise InputError(f"{repository} is not the name of a repository: give owner/name, without an address.")
    if not _REVISION.fullmatch(revision) or ".." in revision:
        raise InputError(f"{revision} is not the name of a revision: give a branch, a tag or a commit.")
    if not file.endswith(".gguf") or not all(map(_usable, file.split("/"))):
        raise InputError(f"{file} is not the path of a GGUF file in a repository: give it as the hub shows it.")
    split = split_name(Path(file.rpartition("/")[2]))
    if split is not None and (split.number != 1 or not 0 < split.count <= MAX_PARTS):
        raise InputError(f"{file} is one of several parts of a model, and not the first; give the first (-00001-of-…).")
    model = HubModel(repository, revision, PurePosixPath(file))
    if model.name != model.name.strip(" ."):
        raise InputError(f"{file} has a name that no folder can have on every system.")
    return model


def _usable(segment: str) -> bool:
    # A name that begins with a dot is hidden or leads upwards; one that begins with a hyphen is taken for an option.
    return (
        segment[:1] not in ("", ".", "-")
        and segment.isprintable()
        and not _UNUSABLE.intersection(segment)
        and len(segment.encode("utf-8", "surrogatepass")) <= MAX_NAME_BYTES
    )
