"""Output folders: they appear under their name when they are complete, or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.core.errors import InputError
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

    Everything in it is flushed to the disk before the rename.
    """
    check_output(target, force)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".partial", dir=target.parent))
    try:
        yield temporary
        temporary.chmod(0o755)
        _flush(temporary)
        _rename(temporary, target, force)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _rename(temporary: Path, target: Path, force: bool) -> None:
    check_output(target, force)  # again: hours may have passed
    if not target.exists():
        temporary.rename(target)
        return
    replaced = temporary.with_suffix(".replaced")
    target.rename(replaced)
    temporary.rename(target)
    shutil.rmtree(replaced, ignore_errors=True)


def _flush(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb+") as file:
                os.fsync(file.fileno())
