"""What two processes must have in common for one to go on where the other stopped."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from trainer.config import TrainingConfig
from trainer.records import DataFile

WITHOUT_EFFECT = frozenset(
    (
        # Paths: what lies there is compared instead, or changes nothing of what is learned.
        "data", "base", "output", "held_out", "leakage_tasks", "allow_leakage", "evaluation_data",
        # What is watched and kept.
        "preset", "tensorboard", "save_every", "evaluation_task", "evaluation_language", "evaluation_items",
        # The way out of too little memory: their product is compared, and recomputing gives the same numbers.
        "batch_size", "gradient_accumulation", "activation_checkpointing",
    )
)  # fmt: skip
"""Keys of a configuration that may change between a run and its continuation."""


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    recipe: str
    settings: dict[str, Any]
    sequences_per_step: int
    """On all devices together."""
    data: tuple[str, ...]
    """SHA-256 in the order of the configuration."""
    base: dict[str, str] = {}
    """SHA-256 by file name, without its folder."""


def identity(
    recipe: str, config: TrainingConfig, data: Sequence[DataFile], base: Sequence[DataFile], processes: int
) -> Identity:
    # As a file gives them back: lists rather than tuples.
    settings = msgspec.json.decode(msgspec.json.encode(config))
    return Identity(
        recipe=recipe,
        settings={key: value for key, value in settings.items() if key not in WITHOUT_EFFECT},
        sequences_per_step=config.batch_size * config.gradient_accumulation * processes,
        data=tuple(file.sha256 for file in data),
        base={Path(file.name).name: file.sha256 for file in base},
    )


def differences(before: Identity, now: Identity) -> list[str]:
    """What differs, in words; empty for the same run."""
    found = []
    if before.recipe != now.recipe:
        found.append(f"the recipe (was {before.recipe})")
    for key in sorted(before.settings.keys() | now.settings.keys()):
        was, value = before.settings.get(key), now.settings.get(key)
        if was != value:
            found.append(f"{key} (was {_short(was)}, is {_short(value)})")
    if before.sequences_per_step != now.sequences_per_step:
        found.append(
            f"batch_size x gradient_accumulation x devices (was {before.sequences_per_step}, "
            f"is {now.sequences_per_step})"
        )
    if before.data != now.data:
        found.append("the content of data")
    if before.base != now.base:
        found.append("the content of base")
    return found


def _short(value: object) -> str:
    text = "null" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:59]}…"
