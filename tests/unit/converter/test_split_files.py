"""A model in several files, for sticks that take no large ones: written, read as one, and refused when incomplete."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from app.core.engine.client import EngineClient
from app.core.errors import CheckRefused, InputError
from app.core.files import sha256_file
from app.core.models.gguf_header import model_files, read_header
from app.core.models.library import ModelLibrary
from app.core.models.manifest import check_file, find_manifest
from converter.cli import main
from converter.convert import Order, convert
from converter.inputs import Inputs
from converter.manifest import Facts, build_manifest
from tests.manifests import import_model

MOST = 200_000
TOKENS = tuple(range(20, 60))


@pytest.fixture
def parts(tmp_path: Path, untied: Path) -> list[Path]:
    folder = tmp_path / "split"
    folder.mkdir()
    [result] = convert(Order(Inputs(untied), folder / "model.gguf", most_bytes=MOST), EngineClient)
    assert sorted(folder.iterdir()) == list(result.places)
    return list(result.places)


def test_parts_are_small_and_together_the_same_model(
    tmp_path: Path, untied: Path, parts: list[Path], engine: EngineClient
) -> None:
    [whole] = convert(Order(Inputs(untied), tmp_path / "model.gguf"), EngineClient)

    assert len(parts) > 2
    assert all(path.stat().st_size <= MOST for path in parts)
    assert parts[0].name == f"model-00001-of-{len(parts):05d}.gguf"
    header, single = read_header(parts[0]), read_header(whole.path)
    assert header.part_count == len(parts)
    assert header.file_bytes == sum(path.stat().st_size for path in parts)
    assert [tensor.name for tensor in header.tensors] == [tensor.name for tensor in single.tensors]
    logits = []
    for path in (parts[0], whole.path):
        engine.load(path)
        engine.logits(TOKENS, tmp_path / "logits")
        logits.append(np.fromfile(tmp_path / "logits", np.float32))
    assert np.array_equal(logits[0], logits[1])


def test_a_part_that_is_missing_or_another_is_named(parts: list[Path]) -> None:
    with pytest.raises(InputError, match="later part of a model in several files; give the first"):
        read_header(parts[1])
    renamed = parts[0].rename(parts[0].with_name("renamed.gguf"))
    with pytest.raises(InputError, match="its name is not that of such a part"):
        read_header(renamed)
    renamed.rename(parts[0])
    shutil.copy(parts[0], parts[1])
    with pytest.raises(InputError, match=re.escape(f"{parts[1].name} is not the part that its name says")):
        read_header(parts[0])
    parts[1].write_bytes(b"GGUF")
    with pytest.raises(InputError, match=re.escape(f"{parts[1].name} is not a usable GGUF model file")):
        read_header(parts[0])
    parts[1].unlink()
    with pytest.raises(InputError, match=re.escape(f"the part {parts[1].name} is missing")):
        read_header(parts[0])


def test_a_file_below_the_limit_stays_one(tmp_path: Path, untied: Path) -> None:
    target = tmp_path / "model.gguf"
    assert main([str(untied), "-o", str(target), "--split-max-size", "1M", "--no-verify", "--licence", "MIT"]) == 0
    assert target.is_file()  # small enough for one
    manifest = find_manifest(target)
    assert manifest is not None
    assert manifest.parts == ()


def test_a_changed_part_is_found_by_the_manifest(tmp_path: Path, untied: Path) -> None:
    [result] = convert(Order(Inputs(untied), tmp_path / "model.gguf", most_bytes=MOST), EngineClient)
    facts = Facts(model=result.path, parts=result.places[1:], name="x", inputs=Inputs(untied), licence="MIT")
    manifest = build_manifest(facts, tmp_path / "x.manifest.json")

    check_file(manifest, result.path)
    data = bytearray(result.places[1].read_bytes())
    data[-40] ^= 1
    result.places[1].write_bytes(data)
    with pytest.raises(CheckRefused, match=result.places[1].name):
        check_file(manifest, result.path)
    result.places[1].unlink()
    with pytest.raises(CheckRefused, match="not beside"):
        check_file(manifest, result.path)


def test_a_size_that_cannot_hold_a_tensor_is_refused(tmp_path: Path, untied: Path) -> None:
    folder = tmp_path / "split"
    folder.mkdir()
    with pytest.raises(InputError, match="choose a larger --split-max-size"):
        convert(Order(Inputs(untied), folder / "model.gguf", most_bytes=50_000), EngineClient)
    assert not list(folder.iterdir())


def test_the_library_takes_all_parts_together(tmp_path: Path, parts: list[Path]) -> None:
    added = import_model(ModelLibrary(tmp_path / "library"), parts[0])
    assert [path.name for path in model_files(added.path)] == [path.name for path in parts]
    assert added.hashes() == tuple(sha256_file(path) for path in parts)
    with pytest.raises(InputError, match="give the first"):
        import_model(ModelLibrary(tmp_path / "library"), parts[1])
