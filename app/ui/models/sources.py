"""Which of the files that a person dropped on the window is the model, and which its manifest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_MOST_FILES = 2000


@dataclass(frozen=True)
class Source:
    """`manifest` is None where it is to be looked for beside the model."""

    model: Path
    manifest: Path | None


def find_source(dropped: Sequence[Path]) -> Source | None:
    """The model among these files, or in the one folder; of a model in several files the first. None if it is not
    clear which one is meant."""
    if len(dropped) == 1 and dropped[0].is_dir():
        inside = sorted(path for _, path in zip(range(_MOST_FILES), dropped[0].iterdir(), strict=False))
        return _among([path for path in inside if path.suffix.lower() == ".gguf"], inside)
    models = [path for path in dropped if path.suffix.lower() == ".gguf"]
    if len(dropped) == 1 and not models:
        models = [path for path in dropped if path.is_file() and path.suffix.lower() != ".json"]
    return _among(models, dropped)


def _among(models: Sequence[Path], files: Sequence[Path]) -> Source | None:
    first = [path for path in models if "-00001-of-" in path.name] or list(models)
    if len(first) != 1 or any(path not in first and "-of-" not in path.name for path in models):
        return None
    manifests = [path for path in files if path.name.endswith(".manifest.json")]
    elsewhere = len(manifests) == 1 and manifests[0].parent != first[0].parent
    return Source(first[0], manifests[0] if elsewhere else None)
