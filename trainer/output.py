"""Output folders: they appear under their name when they are complete, or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.core.errors import InputError
from app.core.files import flush_folder
from app.core.scratch import scratch_folder
from trainer.records import RECORD_NAME


def check_output(target: Path, force: bool) -> None:
    """Raises InputError if `target` cannot be written: it exists without `force`, or is not a folder of ours.

    `force` never deletes what this program did not write.
    """
    if not os.path.lexists(target):
        return
    if not force:
        raise InputError(f"{target} already exists; give --force to replace it, or choose another output.")
    if target.is_symlink() or not target.is_dir() or (any(target.iterdir()) and not (target / RECORD_NAME).is_file()):
        raise InputError(f"{target} was not written by inro-train (it holds no {RECORD_NAME}), so it is not replaced.")


@contextmanager
def new_folder(target: Path, force: bool = False) -> Iterator[Path]:
    """Yield a temporary folder beside `target`, which takes its name when the block ends well and is removed otherwise.

    Everything in it is flushed to the disk before the rename. Of a killed process nothing is left.
    """
    check_output(target, force)
    target.parent.mkdir(parents=True, exist_ok=True)
    with scratch_folder(target) as scratch:
        folder = scratch / "folder"
        folder.mkdir()
        yield folder
        place(folder, target, force)


def place(folder: Path, target: Path, force: bool) -> None:
    """Let `folder`, on the same file system, take the name `target`, and flush all of it to the disk before.

    An earlier output is replaced with `force` only (see `check_output`, which is asked again: hours may have passed).
    """
    for path in folder.rglob("*"):
        if path.is_file():
            path.chmod(0o644)  # safetensors writes for the owner only
    flush(folder)
    check_output(target, force)
    if target.exists():
        replaced = folder.with_name(f"{folder.name}.replaced")
        shutil.rmtree(replaced, ignore_errors=True)
        target.rename(replaced)
        folder.rename(target)
        shutil.rmtree(replaced, ignore_errors=True)
    else:
        folder.rename(target)
    flush_folder(target.parent)


def flush(folder: Path) -> None:
    """Everything in it reaches the disk, so that a power cut after a rename finds whole files."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb+") as file:
                os.fsync(file.fileno())
        elif path.is_dir():
            flush_folder(path)
    flush_folder(folder)
