"""The model families that can be converted. A family is one module here and one line in `_FAMILIES`."""

from __future__ import annotations

from app.core.errors import InputError
from converter.checkpoint import Checkpoint
from converter.families import qwen2
from converter.families.family import Family, Layout

_FAMILIES: tuple[Family, ...] = (qwen2.FAMILY,)


def layout_of(checkpoint: Checkpoint) -> Layout:
    """What the checkpoint's GGUF file holds. Raises InputError if it cannot be converted, with the reason."""
    for family in _FAMILIES:
        if family.architecture == checkpoint.architecture:
            return family.layout(checkpoint.config)
    supported = ", ".join(family.architecture for family in _FAMILIES)
    found = checkpoint.architecture or "unknown (config.json names none)"
    raise InputError(f"The architecture of {checkpoint.folder} is {found}; supported: {supported}.")
