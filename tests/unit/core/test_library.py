"""The library: what is in it, and what is not."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from app.core.errors import InputError
from app.core.models.library import ModelLibrary, parts_digest
from app.core.paths import Paths
from tests.manifests import import_model


@pytest.fixture
def library(home: Paths) -> ModelLibrary:
    return ModelLibrary(home.models)


def test_a_model_is_found_by_name_and_by_the_beginning_of_its_hash(library: ModelLibrary, tiny_model: Path) -> None:
    added = import_model(library, tiny_model)
    assert library.models() == [added]
    assert library.find("tiny") == library.find(added.sha256[:8]) == added
    with pytest.raises(InputError, match="is not in the library"):
        library.find("other")


def test_a_model_that_is_removed_leaves_nothing(library: ModelLibrary, tiny_model: Path, home: Paths) -> None:
    library.remove(import_model(library, tiny_model))
    assert list(home.models.iterdir()) == []


def test_what_is_not_named_by_a_hash_or_not_complete_is_no_model(
    library: ModelLibrary, tiny_model: Path, home: Paths
) -> None:
    added = import_model(library, tiny_model)
    shutil.copytree(added.path.parent, home.models / "other")
    for name in ("x-00001-of-00002.gguf", "x-00002-of-00002.gguf"):
        folder = home.models / ("1" * 63 + name[6])
        folder.mkdir()
        shutil.copy(tiny_model, folder / name)
    (home.models / ("3" * 64)).mkdir()
    assert library.models() == [added]


def test_what_a_power_cut_left_goes_with_the_next_import(library: ModelLibrary, home: Paths) -> None:
    home.models.mkdir(parents=True)
    # A process of this number that began in 1970 is none that runs.
    left = home.models / f".import.{os.getpid()}-1-0123abcd.partial"
    left.mkdir()
    (left / "half.gguf").write_bytes(b"GGUF")
    with library.scratch() as scratch:
        assert list(home.models.iterdir()) == [scratch]
    assert list(home.models.iterdir()) == []


def test_the_further_parts_have_one_hash_in_their_order() -> None:
    assert parts_digest([]) == ""
    assert len({parts_digest(["a", "b"]), parts_digest(["b", "a"]), parts_digest(["ab"]), parts_digest(["a"])}) == 4
