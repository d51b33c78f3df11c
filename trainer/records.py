"""The run record beside every output: what was trained from what, so that a run can be judged and repeated."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from time import monotonic
from typing import Any, Literal

import msgspec

from app.core.errors import InputError
from app.core.files import sha256_file, write_atomically

RECORD_NAME = "run_record.json"
LIBRARIES = (
    "inro", "torch", "transformers", "tokenizers", "peft", "accelerate", "safetensors", "bitsandbytes", "deepspeed",
)  # fmt: skip


class DataFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file that was read, named as the configuration names it."""

    name: str
    bytes: int
    sha256: str


class Loss(msgspec.Struct, frozen=True, kw_only=True):
    """The mean loss (nats a token) of the steps since the last entry."""

    step: int
    loss: float
    learning_rate: float
    gradient_norm: float | None = None
    """Before it was cut to `max_gradient_norm`, at this step."""


class Validation(msgspec.Struct, frozen=True, kw_only=True):
    """The mean loss (nats a token) over the held-back share of the data."""

    step: int
    loss: float


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """Accuracy on a sample of a benchmark, by the probabilities of the options' letters, during the training."""

    step: int
    task: str
    language: str
    n: int
    correct: int
    accuracy: float
    interval_95: tuple[float, float]
    """Wilson's."""


class Git(msgspec.Struct, frozen=True, kw_only=True):
    """The checkout that the program came from."""

    commit: str
    dirty: bool
    """Whether files in it differed from the commit."""


class Resumed(msgspec.Struct, frozen=True, kw_only=True):
    """The run was ended and went on from the checkpoint of `step`."""

    step: int
    at: str
    """UTC, ISO 8601."""


class Energy(msgspec.Struct, frozen=True, kw_only=True):
    """Of a whole device, with what else ran on it."""

    of: str
    watt_hours: float


class RunRecord(msgspec.Struct, frozen=True, kw_only=True):
    format: Literal["inro-run-record/1"] = "inro-run-record/1"
    recipe: Literal["mfpt", "mpeft", "demo-data"]
    started: str
    """UTC, ISO 8601."""
    duration_s: float
    seed: int
    configuration: dict[str, Any]
    data: tuple[DataFile, ...]
    held_out: tuple[DataFile, ...] = ()
    held_out_questions: int = 0
    """How many questions the training data was searched for before the run."""
    base: tuple[DataFile, ...] = ()
    """The weight files of the checkpoint that the run started from."""
    counts: dict[str, int] = {}
    """Documents, tokens, steps, parameters … of this recipe."""
    losses: tuple[Loss, ...] = ()
    validation: tuple[Validation, ...] = ()
    best_step: int | None = None
    """Whose weights the output holds: those of the lowest validation loss. None: of the last step."""
    stopped_early: bool = False
    evaluation: tuple[Evaluation, ...] = ()
    resumed: tuple[Resumed, ...] = ()
    git: Git | None = None
    versions: dict[str, str] = {}
    machine: dict[str, str | int] = {}
    """Names, and sizes in bytes."""
    energy: tuple[Energy, ...] = ()


def start_clock() -> Callable[[], tuple[str, float]]:
    """A function that returns when it was made (UTC, ISO 8601) and how many seconds ago that was."""
    started, begin = datetime.now(UTC).isoformat(timespec="seconds"), monotonic()
    return lambda: (started, round(monotonic() - begin, 1))


def describe_files(paths: Iterable[Path]) -> tuple[DataFile, ...]:
    return tuple(DataFile(name=path.as_posix(), bytes=path.stat().st_size, sha256=sha256_file(path)) for path in paths)


def library_versions() -> dict[str, str]:
    """Versions of Python and of the libraries that decide the result, as far as they are installed."""
    versions = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def write_record(folder: Path, record: RunRecord) -> None:
    write_atomically(folder / RECORD_NAME, msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n")


def read_record(folder: Path) -> RunRecord:
    """Raises InputError if the record of `folder` is missing or broken."""
    path = folder / RECORD_NAME
    if not path.is_file():
        raise InputError(f"{folder} holds no {RECORD_NAME}.")
    try:
        return msgspec.json.decode(path.read_bytes(), type=RunRecord)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not a run record: {error}.") from error
