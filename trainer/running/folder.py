"""The folder of a run in progress, beside where its output will lie: `NAME.unfinished`.

    run.json      which run this is, and which process owns it
    checkpoints/  whole ones only, to resume from
    staging/      a checkpoint that is being written
    training/     losses, plot, TensorBoard's file
    result/       the output, while it is put together; it then takes the output's name

However the process ends, nothing else lies beside the output, and the folder is kept only if there is a checkpoint in
it or the process was killed.
"""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from app.core.errors import InputError, UserFacingError
from app.core.files import write_atomically
from trainer.checkpoints import Checkpoint, latest
from trainer.config import TrainingConfig
from trainer.output import check_output, place
from trainer.records import RECORD_NAME
from trainer.running.failures import Interrupted, explained
from trainer.running.identity import Identity, differences

RUN_NAME = "run.json"
MAX_RUN_BYTES = 16 * 1024 * 1024


class Owner(msgspec.Struct, frozen=True, kw_only=True):
    """A process: its number, and when it began, since numbers are given again."""

    host: str
    process: int
    began: int


class RunFile(msgspec.Struct, frozen=True, kw_only=True):
    format: str = "inro-run/1"
    identity: Identity
    owner: Owner


@dataclass(frozen=True)
class Run:
    """A run in progress. Only the process of rank 0 writes into its folder."""

    target: Path
    folder: Path
    rank: int = 0
    start: Checkpoint | None = None
    """Where it goes on from."""
    replaces: bool = False
    """Whether an earlier output at `target` is replaced."""

    @property
    def writes(self) -> bool:
        return self.rank == 0

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    @property
    def staging(self) -> Path:
        return self.folder / "staging"

    @property
    def training(self) -> Path:
        return self.folder / "training"

    @property
    def result(self) -> Path:
        return self.folder / "result"

    def saved(self) -> str:
        """How the run goes on after its end, as a sentence without its full stop; empty if it cannot."""
        if self.is_complete:
            return f"{self.folder} holds the whole result, and the same command with --resume puts it in place"
        try:
            found = latest(self.checkpoints)
        except InputError:  # whatever ended the run is what is told
            return ""
        if found is None:
            return ""
        return (
            f"{self.folder} keeps the checkpoint of step {found.progress.step}, and the same command with --resume "
            "continues from it"
        )

    @property
    def is_complete(self) -> bool:
        """Whether the process before ended between writing the last file of the result and giving it its name."""
        return (self.result / RECORD_NAME).is_file()

    def finish(self) -> None:
        """Give the result, which is complete, its name; checkpoints are of no more use then."""
        check_output(self.target, self.replaces)
        for part in (self.checkpoints, self.staging, self.training):
            shutil.rmtree(part, ignore_errors=True)
        place(self.result, self.target, self.replaces)
        shutil.rmtree(self.folder, ignore_errors=True)


def unfinished(target: Path) -> Path:
    return target.with_name(f"{target.name}.unfinished")


def check_start(config: TrainingConfig, *, force: bool, resume: bool) -> None:
    """Raises InputError for what is in the way of a run, before anything is read for it."""
    target = Path(config.output)
    check_output(target, force)
    folder = unfinished(target)
    if not os.path.lexists(folder):
        if resume:
            raise InputError(f"there is no unfinished run {folder} to resume; leave out --resume to start one.")
        return
    if folder.is_symlink() or not folder.is_dir() or (any(folder.iterdir()) and not (folder / RUN_NAME).is_file()):
        raise InputError(f"{folder} is in the way and was not written by inro-train; move it.")
    _check_owner(folder)
    if not resume and not force and Run(target, folder).saved():
        raise InputError(f"{folder} is an unfinished run; give --resume to continue it, or --force to start again.")


@contextmanager
def open_run(config: TrainingConfig, identity: Identity, *, rank: int, force: bool, resume: bool) -> Iterator[Run]:
    """A new run, or with `resume` the one that an earlier process left.

    Raises InputError if it cannot be begun: the output or an unfinished run is in the way, there is none to resume, it
    is another one, or another process is at it. An end for want of memory or space, and an interruption, are raised as
    errors that say what was kept.
    """
    target = Path(config.output)
    run = Run(target, unfinished(target), rank, replaces=force)
    if run.writes:
        check_start(config, force=force, resume=resume)
    if resume:
        _check_same(run.folder, identity)
        run = replace(run, start=latest(run.checkpoints))
    if run.writes:
        _prepare(run, identity, resume)
    try:
        yield run
    except BaseException as error:
        saved = run.saved()
        if run.writes:
            _tidy(run, saved)
        if told := _told(error, config, saved):
            raise told from error
        raise


def _tidy(run: Run, saved: str) -> None:
    """Leave only what a run goes on from."""
    if not saved:
        shutil.rmtree(run.folder, ignore_errors=True)
    shutil.rmtree(run.staging, ignore_errors=True)
    if not run.is_complete:
        shutil.rmtree(run.result, ignore_errors=True)


def _told(error: BaseException, config: TrainingConfig, saved: str) -> UserFacingError | None:
    """What a person is told instead of `error`; None for one that says it all, and for a bug."""
    if isinstance(error, KeyboardInterrupt):
        return Interrupted(f"interrupted; {saved}.") if saved else None
    if isinstance(error, UserFacingError):
        return None
    return explained(error, config, saved)


def _check_same(folder: Path, identity: Identity) -> None:
    if found := differences(_read(folder).identity, identity):
        raise InputError(
            f"{folder} is another run, by {', '.join(found)}; give it what it was started with, or start again with "
            "--force."
        )


def _prepare(run: Run, identity: Identity, resume: bool) -> None:
    folder = run.folder
    if not resume:
        shutil.rmtree(folder, ignore_errors=True)
    elif run.start is None and not run.is_complete:
        shutil.rmtree(run.training, ignore_errors=True)  # it was killed before its first checkpoint
    _tidy(run, "resumed")
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder, RunFile(identity=identity, owner=_this_process()))
    run.training.mkdir(exist_ok=True)


def _read(folder: Path) -> RunFile:
    path = folder / RUN_NAME
    try:
        if path.stat().st_size > MAX_RUN_BYTES:
            raise InputError(f"{path} is larger than it can be.")
        return msgspec.json.decode(path.read_bytes(), type=RunFile)
    except FileNotFoundError as error:
        raise InputError(f"{folder} holds no {RUN_NAME}, so it is no unfinished run.") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}; give --force to start again.") from error


def _write(folder: Path, content: RunFile) -> None:
    write_atomically(folder / RUN_NAME, msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n")


# --- one process at a time --------------------------------------------------------------------------------------------


def _check_owner(folder: Path) -> None:
    try:
        owner = _read(folder).owner
    except InputError:
        return  # it can only be started again
    this = _this_process()
    if owner.host == this.host and owner != this and _began(owner.process) == owner.began:
        raise InputError(f"process {owner.process} is writing {folder} now; wait for it, or end it.")


def _this_process() -> Owner:
    return Owner(host=platform.node(), process=os.getpid(), began=_began(os.getpid()) or 0)


def _began(process: int) -> int | None:
    import psutil

    try:
        return int(psutil.Process(process).create_time())
    except (psutil.Error, OverflowError, ValueError):
        return None
