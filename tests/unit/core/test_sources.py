"""Which of the files that a person brings along is meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.core.models.sources import Source, UnclearSource, find_source


def files(folder: Path, *names: str) -> list[Path]:
    folder.mkdir(exist_ok=True)
    paths = [folder / name for name in names]
    for path in paths:
        path.touch()
    return paths


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    return tmp_path / "stick"


def test_one_file(stick: Path) -> None:
    (model,) = files(stick, "x.gguf")
    assert find_source([model]) == Source(model, None)


def test_one_file_of_another_name_is_left_to_the_header_reader(stick: Path) -> None:
    (model,) = files(stick, "x.bin")
    assert find_source([model]) == Source(model, None)


def test_the_folder_of_a_model_in_several_files(stick: Path) -> None:
    first, *_ = files(stick, "x-00001-of-00002.gguf", "x-00002-of-00002.gguf", "x.manifest.json", "SHA256SUMS")
    assert find_source([stick]) == Source(first, None)
    assert find_source([first]) == Source(first, None)


def test_a_manifest_from_elsewhere_is_given_along(stick: Path, tmp_path: Path) -> None:
    (model,) = files(stick, "x.gguf")
    (manifest,) = files(tmp_path / "papers", "x.manifest.json")
    assert find_source([model, manifest]) == Source(model, manifest)
    (other,) = files(stick, "y.manifest.json")
    assert find_source([model, other]) == Source(model, other)
    (beside,) = files(stick, "x.manifest.json")
    assert find_source([model, beside]) == Source(model, None)


@pytest.mark.parametrize(
    "names", [("x.gguf", "y.gguf"), ("x.manifest.json",), ("x-00001-of-00002.gguf", "x-00002-of-00002.gguf", "y.gguf")]
)
def test_what_is_not_one_model(stick: Path, names: tuple[str, ...]) -> None:
    with pytest.raises(UnclearSource):
        find_source(files(stick, *names))


def test_an_empty_folder(stick: Path) -> None:
    stick.mkdir()
    with pytest.raises(UnclearSource):
        find_source([stick])
