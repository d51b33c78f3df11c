"""Which of the files that a person brings along is the model, and which its manifest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.core.errors import InputError
from app.core.models.manifest import manifest_path

_MOST_FILES = 2000


@dataclass(frozen=True)
class Source:
    """`manifest` is None where it is to be looked for beside the model."""

    model: Path
    manifest: Path | None


class UnclearSource(InputError):
    def __init__(self) -> None:
        super().__init__("it is not clear which file is the model; give one GGUF file, or the folder of one model.")


def find_source(given: Sequence[Path]) -> Source:
    """The model among these files, or in the one folder; of a model in several files the first.

    Raises UnclearSource if it is not clear which one is meant, OSError for a folder that cannot be read.
    """
    if len(given) == 1 and given[0].is_dir():
        inside = sorted(path for _, path in zip(range(_MOST_FILES), given[0].iterdir(), strict=False))
        return _among([path for path in inside if path.suffix.lower() == ".gguf"], inside)
    models = [path for path in given if path.suffix.lower() == ".gguf"]
    if len(given) == 1 and not models:
        # Whatever it is called: the header decides.
        models = [path for path in given if path.suffix.lower() != ".json"]
    return _among(models, given)


def _among(models: Sequence[Path], files: Sequence[Path]) -> Source:
    first = [path for path in models if "-00001-of-" in path.name] or list(models)
    if len(first) != 1 or any(path not in first and "-of-" not in path.name for path in models):
        raise UnclearSource
    manifests = [path for path in files if path.name.endswith(".manifest.json") and path != manifest_path(first[0])]
    return Source(first[0], manifests[0] if len(manifests) == 1 and len(files) == 2 else None)
