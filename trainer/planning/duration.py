"""How long a run takes: tried on this machine, or else from its arithmetic."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import msgspec

from trainer.config import MfptConfig, MpeftConfig
from trainer.config_checks import missing_packages
from trainer.planning.activations import Execution
from trainer.planning.amounts import Amounts
from trainer.planning.execution import trained
from trainer.planning.hours import accelerator, efficiency, measured_flops, training_flops
from trainer.planning.machine import Machine
from trainer.planning.memory import peak
from trainer.planning.shapes import Shape
from trainer.planning.trial import Attempt, Trial, attempts, depths, try_steps
from trainer.planning.work import Work, epochs_of
from trainer.planning.writing import writing_seconds

SHARE_TO_TRY, SECONDS_TO_TRY = 0.7, 120.0
"""Of a device's memory, and of a person's time, that a trial of a few steps may take by its estimate."""

SLOW = 2.0
"""How many times as slow a type may be before a person should know of it."""

Source = Literal["tried", "matrix product", "data sheet"]


class Time(msgspec.Struct, frozen=True, kw_only=True):
    hours: float
    """Of batches, steps of the optimizer, validation, and writing checkpoints and result; reading the data is not in
    it."""
    seconds_a_step: float
    """Without writing."""
    writing_s: float
    """Seconds of writing; 0 for a machine that is elsewhere."""
    flops: float
    source: Source
    """What speed is taken from: a few steps with random weights on this machine; where these do not fit, a matrix
    product; for a GPU that is elsewhere, its data sheet."""
    blocks_tried: int = 0
    """Of the model's blocks."""


def run_time(
    config: MfptConfig | MpeftConfig,
    shape: Shape,
    run: Execution,
    found: Amounts,
    count: int,
    machine: Machine,
    written: int,
    *,
    here: bool,
) -> tuple[Time, list[str]]:
    """Of `count` steps that write `written` bytes in all; and what a person should know of how it was found."""
    work = found.work
    average = replace(run, length=work.average.length)
    # Of a training's three passes, validation needs one.
    validating = 1 + _validated(config, found, count) / 3
    flops = validating * training_flops(shape, average, work.computed, work.learned, trained(config, shape).factors)
    if not here:
        seconds = flops / (_speed(machine, here=False, half=_half(config)) * efficiency(run))
        return _time(seconds, 0.0, count, flops, "data sheet"), []
    writing, notes = _writing(written, Path(config.output))
    notes += _slow(config, machine)
    tried = _tried(config, shape, run, work, machine)
    if isinstance(tried, Trial):
        seconds = validating * work.batches * tried.batch + count * tried.optimizer
        return _time(seconds, writing, count, flops, "tried", tried.blocks), notes
    seconds = flops / (_speed(machine, here=True, half=_half(config)) * efficiency(run))
    return _time(seconds, writing, count, flops, "matrix product"), [*notes, *([tried] if tried else [])]


def _time(seconds: float, writing: float, count: int, flops: float, source: Source, blocks: int = 0) -> Time:
    return Time(
        hours=(seconds + writing) / 3600,
        seconds_a_step=seconds / count,
        writing_s=writing,
        flops=flops,
        source=source,
        blocks_tried=blocks,
    )


def _writing(size: int, output: Path) -> tuple[float, list[str]]:
    try:
        return writing_seconds(size, output), []
    except OSError as error:
        return 0.0, [f"nothing can be written for {output} ({error.strerror}), so that the time is without writing"]


def _slow(config: MfptConfig | MpeftConfig, machine: Machine) -> list[str]:
    """Processors without instructions for bfloat16 compute it one number at a time."""
    if machine.cuda or not _half(config):
        return []
    times = _speed(machine, here=True, half=False) / _speed(machine, here=True, half=True)
    if times < SLOW:
        return []
    return [f"this processor computes bfloat16 about {times:,.0f} times as slowly as float32; set precision to float32"]


def _half(config: MfptConfig | MpeftConfig) -> bool:
    return config.precision == "bfloat16"


def _validated(config: MfptConfig | MpeftConfig, found: Amounts, count: int) -> float:
    """How many tokens are read for validation, for each that is learned from."""
    times = 1 + epochs_of(config, found.sequences, count)  # before the first step, and after each epoch
    if config.evaluate_every:
        times = 1 + count / config.evaluate_every
    return times * found.held_back / max(1, found.documents) * found.computed / found.work.computed


def _tried(
    config: MfptConfig | MpeftConfig, shape: Shape, run: Execution, work: Work, machine: Machine
) -> Trial | str | None:
    """A trial; None where it would take too much memory or time, or why it failed."""
    if missing_packages(config):
        return None
    attempt = _to_try(config, shape, run, work, machine)
    if attempt is None:
        return None
    try:
        return try_steps(config, shape, attempt)
    except Exception as error:  # noqa: BLE001 - settings from outside make a model of any library version fail anyhow
        return f"a step could not be tried with the base's config.json ({type(error).__name__})"


def _to_try(
    config: MfptConfig | MpeftConfig, shape: Shape, run: Execution, work: Work, machine: Machine
) -> Attempt | None:
    """The first attempt that takes neither too much memory nor too much time."""
    small = [(one, trained(config, one)) for one in (replace(shape, layers=depth) for depth in depths(shape))]
    speed = _speed(machine, here=True, half=_half(config)) * efficiency(run)
    for attempt in attempts(work):
        runs = [
            (replace(run, batch=batch.rows, length=batch.length), batch.rows * batch.learned)
            for batch in attempt.batches
        ]
        longest = runs[-1][0]
        # All models that are tried are in memory together.
        memory = sum(peak(one, longest, what, longest.tokens).bytes for one, what in small)
        flops = sum(
            training_flops(one, some, some.tokens, learned, what.factors)
            for one, what in small
            for some, learned in runs
        )
        if memory <= SHARE_TO_TRY * machine.memory and attempt.all_rounds * flops / speed <= SECONDS_TO_TRY:
            return attempt
    return None


def _speed(machine: Machine, *, here: bool, half: bool) -> float:
    """Operations a second of a large matrix product."""
    if here:
        return measured_flops("cuda" if machine.cuda else "cpu", half)
    known = accelerator(machine.name)
    assert known is not None
    return (known.half if half else known.single) * 1e12
