"""Checkpoints of a run in progress: each one whole under its name, or not there at all.

A checkpoint is written into a staging folder by the training library, flushed to the disk, and renamed. What is deleted
is renamed first, so that a kill never leaves half a checkpoint under a name that says it is whole.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import msgspec

from app.core.errors import InputError
from app.core.files import flush_folder, write_atomically
from trainer.output import flush
from trainer.records import Evaluation, Loss, Resumed, Validation

PROGRESS_NAME = "progress.json"
MAX_PROGRESS_BYTES = 16 * 1024 * 1024

_NAME = re.compile(r"step-(\d{8})", re.ASCII)


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """What a run knows at a checkpoint beside the weights and the state of the optimizer."""

    step: int
    started: str
    """UTC, ISO 8601: of the first process of the run."""
    seconds: float = 0.0
    """Of all its processes up to here."""
    joules: dict[str, float] = {}
    """Energy up to here, by what drew it."""
    resumed: tuple[Resumed, ...] = ()
    logged_step: int = 0
    loss_since: float = 0.0
    """The sum of the losses of the steps after `logged_step`."""
    best_step: int | None = None
    best_loss: float | None = None
    """The lowest validation loss so far."""
    without_better: int = 0
    """Evaluations since."""
    losses: tuple[Loss, ...] = ()
    validation: tuple[Validation, ...] = ()
    evaluation: tuple[Evaluation, ...] = ()
    files: dict[str, int] = {}
    """Of the checkpoint, with their bytes; empty in those of earlier versions."""


@dataclass(frozen=True)
class Checkpoint:
    folder: Path
    progress: Progress


def checkpoint_name(step: int) -> str:
    return f"step-{step:08}"


def latest(folder: Path) -> Checkpoint | None:
    """The last of the whole checkpoints in `folder`. Raises InputError if there are some, and none of them is whole."""
    damaged: InputError | None = None
    for step in sorted(_steps(folder), reverse=True):
        try:
            return _read(folder / checkpoint_name(step))
        except InputError as error:
            damaged = damaged or error
    if damaged:
        raise damaged
    return None


def publish(staged: Path, folder: Path, progress: Progress) -> None:
    """Let a complete `staged` checkpoint, on the same file system, become one of `folder`, and keep only it and the
    best one beside it."""
    whole = msgspec.structs.replace(progress, files=_sizes(staged))
    write_atomically(staged / PROGRESS_NAME, msgspec.json.encode(whole))
    flush(staged)
    folder.mkdir(exist_ok=True)
    target = folder / checkpoint_name(progress.step)
    if target.exists():  # the run was resumed from an earlier one and came here again
        _remove(target)
    staged.rename(target)
    flush_folder(folder)
    for step in _steps(folder) - {progress.step, progress.best_step}:
        _remove(folder / checkpoint_name(step))


def _steps(folder: Path) -> set[int]:
    if not folder.is_dir():
        return set()
    return {int(match[1]) for path in folder.iterdir() if (match := _NAME.fullmatch(path.name))}


def _read(folder: Path) -> Checkpoint:
    path = folder / PROGRESS_NAME
    try:
        if path.stat().st_size > MAX_PROGRESS_BYTES:
            raise InputError(f"{path} is larger than it can be.")
        progress = msgspec.json.decode(path.read_bytes(), type=Progress)
        found = {name: size for name, size in _sizes(folder).items() if name != PROGRESS_NAME}
        if progress.files and found != progress.files:
            raise InputError(f"{folder} cannot be resumed from, since it is damaged; give --force to start again.")
        return Checkpoint(folder, progress)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InputError(f"{folder} cannot be resumed from: {error}; give --force to start again.") from error


def _sizes(folder: Path) -> dict[str, int]:
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in folder.rglob("*") if path.is_file()}


def _remove(folder: Path) -> None:
    doomed = folder.with_name(f".{folder.name}.removed")
    shutil.rmtree(doomed, ignore_errors=True)
    folder.rename(doomed)
    shutil.rmtree(doomed, ignore_errors=True)
