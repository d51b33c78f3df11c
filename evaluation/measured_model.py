"""Which file a measurement belongs to, so that it is never read as one of another file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from app.core.engine.protocol import ModelInfo

Progress = Callable[[str, int, str], AbstractContextManager[Callable[[int], None]]]
"""Shows how far something is: its name, its total and the unit; what it yields is told each step."""


class MeasuredModel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    file: str
    """The file's name, without its folder."""
    sha256: str
    """Of the first part, where a model has several."""
    part_sha256s: tuple[str, ...] = ()
    """Of the other parts, in their order."""
    description: str = ""
    """llama.cpp's own line: architecture, size class, quantization."""
    file_bytes: int
    """Of all parts."""
    parameters: int


def sha256s(path: Path, progress: Progress) -> tuple[str, ...]:
    """Of each part of a model. Raises OSError for a file that cannot be read."""
    from app.core.files import sha256_file
    from app.core.models.gguf_header import model_files

    parts = model_files(path)
    with progress(f"reading {path.name}", sum(part.stat().st_size for part in parts), "B") as advance:
        return tuple(sha256_file(part, advance) for part in parts)


def measured(path: Path, digests: Sequence[str], info: ModelInfo) -> MeasuredModel:
    return MeasuredModel(
        file=path.name,
        sha256=digests[0],
        part_sha256s=tuple(digests[1:]),
        description=info.description,
        file_bytes=info.file_bytes,
        parameters=info.parameters,
    )
