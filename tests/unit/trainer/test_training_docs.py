"""docs/training.md explains every key of a configuration with its default, in both languages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from trainer.config import RECIPES

DOCS = Path(__file__).parents[3] / "docs" / "training.md"
ENGLISH, JAPANESE = DOCS.read_text("utf-8").split("\n## 日本語\n")
REQUIRED = {"required", "必須"}
ROW = re.compile(r"^\| (`\w+`(?:(?:, |、)`\w+`)*) \| ([^|]*) \| [^|]+ \|$", re.MULTILINE)
HALVES = pytest.mark.parametrize("half", [ENGLISH, JAPANESE], ids=["English", "Japanese"])


def fields() -> Iterator[tuple[str, Any]]:
    """Every key with its default, for each recipe."""
    for kind in RECIPES.values():
        for field in msgspec.structs.fields(kind):
            yield field.name, None if field.default == () else field.default


def written(cell: str) -> Any:
    """What a cell says the default is."""
    if cell in REQUIRED:
        return msgspec.NODEFAULT
    if cell == "–":
        return None
    assert re.fullmatch("`[^`]+`", cell), cell
    text = cell.strip("`")
    return text if text == "off" else yaml.safe_load(text)  # which YAML takes for false


def rows(half: str) -> set[tuple[str, Any]]:
    return {(key, written(cell)) for keys, cell in ROW.findall(half) for key in re.findall(r"\w+", keys)}


@HALVES
def test_every_key_is_named(half: str) -> None:
    for key, _ in fields():
        assert f"`{key}`" in half


@HALVES
def test_every_key_has_a_row_with_its_default_and_there_are_no_others(half: str) -> None:
    assert rows(half) == set(fields())
