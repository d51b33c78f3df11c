"""The end of a run: its record, plot, summary and model card, and the output under its name."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import msgspec

from app.core.files import write_atomically
from trainer.config import TrainingConfig
from trainer.loop import Outcome
from trainer.model_card import write_card
from trainer.records import DataFile, Energy, RunRecord, library_versions, read_record, write_record
from trainer.running.folder import Run
from trainer.running.identity import Identity, identity
from trainer.running.machine import describe_machine, git_state, peak_memory
from trainer.running.measuring import Processes
from trainer.running.plot import draw
from trainer.running.summary import PLOT_NAME, SUMMARY_NAME, summarise

TRAINING = "training"
"""The folder of the output that holds losses, plot, summary and TensorBoard's file."""

_DIGITS = 5


@dataclass(frozen=True)
class Inputs:
    """What a run was started with."""

    recipe: Literal["mfpt", "mpeft"]
    config: TrainingConfig
    processes: Processes
    data: tuple[DataFile, ...]
    held_out: tuple[DataFile, ...] = ()
    held_out_questions: int = 0
    base: tuple[DataFile, ...] = ()

    @cached_property
    def identity(self) -> Identity:
        return identity(self.recipe, self.config, self.data, self.base, self.processes.count)


def finish(run: Run, inputs: Inputs, outcome: Outcome, counts: Mapping[str, int]) -> RunRecord:
    """Write what goes with the weights in `run.result`, the record last, and give the result its name."""
    record = _record(inputs, outcome, counts)
    if run.writes:
        training = run.result / TRAINING
        shutil.copytree(run.training, training, dirs_exist_ok=True)
        plot = draw(record.losses, record.validation, record.evaluation, record.best_step)
        write_atomically(training / PLOT_NAME, plot.encode())
        write_atomically(training / SUMMARY_NAME, summarise(record).encode())
        base = getattr(inputs.config, "base", None)
        write_card(run.result, record, Path(base) if base else None)
        write_record(run.result, record)
        run.finish()
    return record


def put_in_place(run: Run) -> RunRecord:
    """For a process that was killed when all was written: its result only needs its name."""
    record = read_record(run.result)
    if run.writes:
        run.finish()
    return record


def _record(inputs: Inputs, outcome: Outcome, counts: Mapping[str, int]) -> RunRecord:
    progress = outcome.progress
    return RunRecord(
        recipe=inputs.recipe,
        started=progress.started,
        duration_s=round(progress.seconds, 1),
        seed=inputs.config.seed,
        configuration=msgspec.to_builtins(inputs.config),
        data=inputs.data,
        held_out=inputs.held_out,
        held_out_questions=inputs.held_out_questions,
        base=inputs.base,
        counts={**counts, "steps": progress.step},
        losses=tuple(msgspec.structs.replace(one, loss=round(one.loss, _DIGITS)) for one in progress.losses),
        validation=progress.validation,
        best_step=progress.best_step,
        stopped_early=outcome.stopped_early,
        evaluation=progress.evaluation,
        resumed=progress.resumed,
        git=git_state(),
        versions=library_versions(),
        machine={**describe_machine(inputs.processes.count), **peak_memory()},
        energy=tuple(Energy(of=of, watt_hours=joules / 3600) for of, joules in progress.joules.items()),
    )
