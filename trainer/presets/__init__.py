"""Presets: values for the paper's setting (arXiv 2409.11783) on GPUs of several sizes, one YAML file each.

A configuration names one with `preset: NAME`; what it gives itself comes before the preset's values.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from app.core.errors import InputError

Recipe = Literal["mfpt", "mpeft"]


class Preset(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file of this folder."""

    recipe: Recipe
    purpose: str
    """One sentence: what it is for."""
    gpu: bool
    """Whether a processor alone would take far too long."""
    memory_gb: Annotated[float, Meta(gt=0)]
    """Of the GPU, or of the machine where it needs none, as it is sold."""
    model: dict[str, Any] = {}
    """The `config.json` of the base it is made for, as far as a plan needs it; empty if `keys` give a shape."""
    keys: dict[str, Any]
    """Keys of the recipe's configuration."""


def preset_names() -> list[str]:
    return sorted(path.stem for path in Path(__file__).parent.glob("*.yaml"))


def read_preset(name: object) -> Preset:
    """Raises InputError with the nearest name if there is no such preset."""
    names = preset_names()
    if name not in names:
        near = difflib.get_close_matches(str(name), names, n=1, cutoff=0.0)
        raise InputError(f"there is no preset {str(name)[:100]}; did you mean {near[0]}? (inro-train presets)")
    text = (Path(__file__).parent / f"{name}.yaml").read_bytes()
    try:
        return msgspec.yaml.decode(text, type=Preset)
    except ImportError as error:
        raise InputError("reading a preset needs PyYAML; install inro with its extra “train”.") from error


def preset_text(name: str) -> str:
    """The file, with the reasons for its values."""
    return (Path(__file__).parent / f"{name}.yaml").read_text("utf-8")
