from __future__ import annotations

from pathlib import Path

import pytest

from app.core.errors import InputError
from trainer.output import new_folder
from trainer.records import RECORD_NAME


def fill(target: Path, content: str, *, force: bool = False) -> None:
    with new_folder(target, force) as folder:
        (folder / RECORD_NAME).write_text(content)


def interrupted(target: Path, *, force: bool = False) -> None:
    with new_folder(target, force) as folder:
        (folder / "weights").write_text("half")
        raise KeyboardInterrupt


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_appears_complete_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "out"
    with pytest.raises(KeyboardInterrupt):
        interrupted(target)
    assert names(tmp_path / "deep") == []
    fill(target, "whole")
    assert names(tmp_path / "deep") == ["out"]


def test_an_earlier_output_is_replaced_only_by_force(tmp_path: Path) -> None:
    target = tmp_path / "runs" / "out"
    fill(target, "old")
    with pytest.raises(InputError, match="--force"):
        fill(target, "new")
    assert (target / RECORD_NAME).read_text() == "old"
    fill(target, "new", force=True)
    assert (target / RECORD_NAME).read_text() == "new"
    assert names(target.parent) == ["out"]


def test_a_failed_replacement_keeps_the_old_output(tmp_path: Path) -> None:
    target = tmp_path / "runs" / "out"
    fill(target, "old")
    with pytest.raises(KeyboardInterrupt):
        interrupted(target, force=True)
    assert (target / RECORD_NAME).read_text() == "old"
    assert names(target.parent) == ["out"]


def test_force_never_deletes_what_was_not_written_here(tmp_path: Path) -> None:
    folder = tmp_path / "runs"
    (folder / "thesis").mkdir(parents=True)
    (folder / "thesis" / "chapter.txt").write_text("years of work")
    (folder / "file").write_text("x")
    (folder / "link").symlink_to(folder / "thesis")
    for name in ("thesis", "file", "link"):
        with pytest.raises(InputError, match="not replaced"):
            fill(folder / name, "new", force=True)
    assert names(folder) == ["file", "link", "thesis"]
