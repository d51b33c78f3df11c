"""What a person sees of a run while it goes on: a bar, a file of losses, TensorBoard."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import msgspec

from app.core.files import write_atomically
from trainer.records import Evaluation, Loss, Validation

LOSSES_NAME = "losses.jsonl"
BOARD_NAME = "tensorboard"

Entry = Loss | Validation | Evaluation


class LossFile:
    """A line of JSON for each loss, validation and evaluation; nothing is ever changed in it.

    Only what a killed process wrote after the checkpoint that the run goes on from is cut off, since it comes again.
    """

    def __init__(self, path: Path, step: int) -> None:
        """`step` is that of the checkpoint, 0 for a new run."""
        self._path = path
        if path.is_file():
            write_atomically(path, b"".join(_until(path.read_bytes(), step)))

    def add(self, entry: Entry, seconds: float) -> None:
        """`seconds` since the run began."""
        fields = {name: value for name, value in msgspec.to_builtins(entry).items() if value is not None}
        line = msgspec.json.encode({"kind": type(entry).__name__.lower(), **fields, "seconds": round(seconds, 1)})
        with self._path.open("ab") as file:
            file.write(line + b"\n")


def _until(content: bytes, step: int) -> list[bytes]:
    lines = []
    for line in content.splitlines(keepends=True):
        try:
            found = msgspec.json.decode(line, type=dict[str, Any])["step"] if line.endswith(b"\n") else None
        except (msgspec.MsgspecError, KeyError):
            found = None  # cut off by a power cut
        if isinstance(found, int) and found <= step:
            lines.append(line)
    return lines


class Board:
    """TensorBoard's event file, where the package tensorboard is installed."""

    def __init__(self, folder: Path, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        # What came after the checkpoint is marked as superseded.
        self._writer: Any = SummaryWriter(str(folder), purge_step=step + 1 if step else None)

    def add(self, entry: Entry) -> None:
        for name, value in _scalars(entry).items():
            self._writer.add_scalar(name, value, entry.step)
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


def _scalars(entry: Entry) -> dict[str, float]:
    if isinstance(entry, Loss):
        found = {"train/loss": entry.loss, "train/learning_rate": entry.learning_rate}
        return found if entry.gradient_norm is None else {**found, "train/gradient_norm": entry.gradient_norm}
    if isinstance(entry, Validation):
        return {"validation/loss": entry.loss}
    return {f"evaluation/{entry.task}_{entry.language}_accuracy": entry.accuracy}


class Bar:
    """One line on a terminal: steps, time left, and the latest numbers. Nothing where stderr is no terminal."""

    def __init__(self, steps: int, done: int) -> None:
        from tqdm import tqdm

        self._bar = tqdm(total=steps, initial=done, unit="step", file=sys.stderr, disable=not sys.stderr.isatty())
        self._latest: dict[str, str] = {}

    def step(self) -> None:
        self._bar.update()

    def add(self, entry: Entry) -> None:
        if isinstance(entry, Evaluation):
            self._latest["accuracy"] = f"{entry.accuracy:.0%}"
        else:
            self._latest["loss" if isinstance(entry, Loss) else "validation"] = f"{entry.loss:.3f}"
        self._bar.set_postfix_str(", ".join(f"{name} {value}" for name, value in self._latest.items()), refresh=False)

    def close(self) -> None:
        self._bar.close()


class Watch:
    """All of them; in every process but the first of a distributed run, none."""

    def __init__(self, folder: Path, *, step: int, steps: int, board: bool, writes: bool) -> None:
        """`folder` is where files go; `step` is where the run goes on from, of `steps`."""
        self._file = LossFile(folder / LOSSES_NAME, step) if writes else None
        self._bar = Bar(steps, step) if writes else None
        self._board = _board(folder / BOARD_NAME, step) if board and writes else None

    def step(self) -> None:
        if self._bar:
            self._bar.step()

    def add(self, entry: Entry, seconds: float) -> None:
        if self._file:
            self._file.add(entry, seconds)
        if self._bar:
            self._bar.add(entry)
        if self._board:
            self._board.add(entry)

    def close(self) -> None:
        if self._bar:
            self._bar.close()
        if self._board:
            self._board.close()


def _board(folder: Path, step: int) -> Board | None:
    try:
        return Board(folder, step)
    except ImportError:
        print_note("no TensorBoard file is written, since the package tensorboard is not installed.")
        return None


def print_note(sentence: str) -> None:
    """Say something to the person beside the result, which has stdout to itself."""
    sys.stderr.write(f"note: {sentence}\n")
