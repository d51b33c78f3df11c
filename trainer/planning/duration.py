"""How long a run takes: tried on this machine, or else from its arithmetic."""

from __future__ import annotations

from dataclasses import replace
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
from trainer.planning.trial import LEAST_ROUNDS, Trial, depths, try_steps
from trainer.planning.work import BatchShape, Work, epochs_of

SHARE_TO_TRY, SECONDS_TO_TRY = 0.7, 120.0
"""Of a device's memory, and of a person's time, that a trial of a few steps may take by its estimate."""


Source = Literal["tried", "matrix product", "data sheet"]


class Time(msgspec.Struct, frozen=True, kw_only=True):
    hours: float
    """Of batches, steps of the optimizer and validation; reading the data and writing files are not in it."""
    seconds_a_step: float
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
    *,
    here: bool,
) -> tuple[Time, str | None]:
    """Of `count` steps; and what kept a step from being tried, where a person should know of it."""
    work = found.work
    average = replace(run, length=work.average.length)
    # Of a training's three passes, validation needs one.
    validating = 1 + _validated(config, found, count) / 3
    flops = validating * training_flops(shape, average, work.computed, work.learned, trained(config, shape).factors)
    tried = _tried(config, shape, run, work, machine) if here else None
    if isinstance(tried, Trial):
        seconds = validating * work.batches * tried.batch + count * tried.optimizer
        return _time(seconds, count, flops, "tried", tried.blocks), None
    seconds = flops / (_speed(machine, here=here, half=config.precision == "bfloat16") * efficiency(run))
    return _time(seconds, count, flops, "matrix product" if here else "data sheet"), tried


def _time(seconds: float, count: int, flops: float, source: Source, blocks: int = 0) -> Time:
    return Time(hours=seconds / 3600, seconds_a_step=seconds / count, flops=flops, source=source, blocks_tried=blocks)


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
    batches = _to_try(config, shape, run, work, machine)
    if not batches:
        return None
    try:
        return try_steps(config, shape, batches)
    except Exception as error:  # noqa: BLE001 - settings from outside make a model of any library version fail anyhow
        return f"a step could not be tried with the base's config.json ({type(error).__name__})"


def _to_try(
    config: MfptConfig | MpeftConfig, shape: Shape, run: Execution, work: Work, machine: Machine
) -> tuple[BatchShape, ...]:
    """Batches of every size; the average alone where these take too much memory or time, and nothing where it does."""
    small = [(one, trained(config, one)) for one in (replace(shape, layers=depth) for depth in depths(shape))]
    speed = _speed(machine, here=True, half=config.precision == "bfloat16") * efficiency(run)
    for batches in (work.shapes, (work.average,)):
        runs = [(replace(run, length=batch.length), batch.rows * batch.learned) for batch in batches]
        longest = runs[-1][0]
        # All models that are tried are in memory together.
        memory = sum(peak(one, longest, what, longest.tokens).bytes for one, what in small)
        flops = sum(
            training_flops(one, some, some.tokens, learned, what.factors)
            for one, what in small
            for some, learned in runs
        )
        if memory <= SHARE_TO_TRY * machine.memory and (LEAST_ROUNDS + 1) * flops / speed <= SECONDS_TO_TRY:
            return batches
    return ()


def _speed(machine: Machine, *, here: bool, half: bool) -> float:
    """Operations a second of a large matrix product."""
    if here:
        return measured_flops("cuda" if machine.cuda else "cpu", half)
    known = accelerator(machine.name)
    assert known is not None
    return (known.half if half else known.single) * 1e12
