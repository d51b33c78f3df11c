"""The library: what comes in, what is refused, and what a killed import leaves."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from app.core.errors import InputError, MachineError
from app.core.models.library import ModelLibrary
from app.core.paths import Paths


def accept(_path: Path) -> None:
    pass


def refuse(_path: Path) -> None:
    raise InputError("it does not answer.")


@pytest.fixture
def library(home: Paths) -> ModelLibrary:
    return ModelLibrary(home.models)


def test_a_file_of_any_name_is_found_again(library: ModelLibrary, tiny_model: Path, tmp_path: Path) -> None:
    source = tmp_path / "モデル.BIN"
    shutil.copy(tiny_model, source)
    added = library.add(source, accept)
    assert added.path.read_bytes() == tiny_model.read_bytes()
    assert library.models() == [added]
    assert library.find(added.sha256[:8]) == added


def test_the_same_file_comes_in_once(library: ModelLibrary, tiny_model: Path, tmp_path: Path) -> None:
    again = tmp_path / "another name.gguf"
    shutil.copy(tiny_model, again)
    assert library.add(tiny_model, accept) == library.add(again, accept)
    assert len(library.models()) == 1


def test_a_file_that_the_probe_refuses_leaves_nothing(library: ModelLibrary, tiny_model: Path, home: Paths) -> None:
    with pytest.raises(InputError, match="does not answer"):
        library.add(tiny_model, refuse)
    assert list(home.models.iterdir()) == []


def test_what_a_killed_import_left_goes_with_the_next(library: ModelLibrary, tiny_model: Path, home: Paths) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    assert not psutil.pid_exists(ended.pid)
    left, running = home.models / f".partial-{ended.pid}-x", home.models / ".partial-1-y"
    for folder in (left, running):
        folder.mkdir(parents=True)
        (folder / "half.gguf").write_bytes(b"GGUF")
    library.add(tiny_model, accept)
    assert not left.exists()
    assert running.exists()
    assert len(library.models()) == 1


def test_a_disk_that_is_too_small_is_said_in_numbers(
    library: ModelLibrary, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tiny_model)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(MachineError, match=r"needs 0\.00 GB on the disk, and 0\.00 GB are free"):
        library.add(tiny_model, accept)


def test_a_model_that_is_removed_leaves_nothing(library: ModelLibrary, tiny_model: Path, home: Paths) -> None:
    library.remove(library.add(tiny_model, accept))
    assert list(home.models.iterdir()) == []


def test_a_folder_that_is_not_named_by_a_hash_is_no_model(library: ModelLibrary, tiny_model: Path, home: Paths) -> None:
    added = library.add(tiny_model, accept)
    shutil.copytree(added.path.parent, home.models / "other")
    assert library.models() == [added]
