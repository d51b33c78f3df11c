"""A plan and the presets as text for a person."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from trainer.planning.duration import Time
from trainer.planning.machine import Machine
from trainer.planning.plan import Fit, Memory, Plan, Space

WORTH_SAYING = 1.0
"""Seconds of writing."""

NAMES = {"counted": "counted", "from bytes": "estimated from the size of the files, without a tokenizer"}


def plan_text(plan: Plan, presets: Sequence[Fit]) -> str:
    sections = [
        _parameters(plan),
        _data(plan),
        _memory(plan.memory),
        _disk(plan.disk),
        _time(plan.time),
        [f"note: {note}." for note in plan.notes],
        presets_lines(presets),
    ]
    return "\n".join(line for section in sections for line in section)


def presets_lines(presets: Iterable[Fit]) -> list[str]:
    return [
        "presets",
        *(f"  {fit.name:<20} {size(fit.needed):>9}  {_VERDICTS[fit.verdict]:<13} {fit.purpose}" for fit in presets),
    ]


_VERDICTS = {"fits": "fits here", "too large": "too large", "no gpu": "needs a GPU"}


def size(amount: float) -> str:
    """Decimal units, as disks and GPUs are sold."""
    if amount >= 1e9:
        return f"{amount / 1e9:,.1f} GB"
    return f"{amount / 1e6:,.0f} MB" if amount >= 1e6 else f"{amount / 1e3:,.0f} kB"


def duration(hours: float) -> str:
    if hours >= 48:
        return f"{hours / 24:,.1f} days"
    if hours >= 1:
        return f"{hours:,.1f} hours"
    if hours >= 1 / 30:
        return f"{hours * 60:,.1f} minutes"
    seconds = hours * 3600
    return f"{seconds:,.0f} seconds" if seconds >= 10 else f"{seconds:,.2g} seconds"


def _parameters(plan: Plan) -> list[str]:
    count = plan.parameters
    return [_line("parameters", f"{count.total:,}"), _line("trained", f"{count.trained:,}")]


def _data(plan: Plan) -> list[str]:
    data = plan.data
    how = NAMES.get(data.how) or f"estimated from {data.share:.0%} of the text"
    held_back = f", {data.held_back:,} held back" if data.held_back else ""
    return [
        _line("data", f"{data.documents:,} records{held_back}, {data.sequences:,} sequences, {data.tokens:,} tokens"),
        _line("", how),
        _line("steps", f"{plan.steps:,} of {plan.effective_batch:,} sequences"),
        _line("tokens", f"{plan.tokens:,}"),
    ]


def _memory(memory: Memory) -> list[str]:
    where = "GPU memory" if memory.kind == "gpu" else "memory"
    verdict = "fits" if memory.fits else "does not fit"
    said = f"{size(memory.peak)} at {memory.moment}; {verdict} into {size(memory.available)} of {memory.device}"
    lines = [_line(where, said), *(_line("", f"{size(amount):>9}  {name}") for name, amount in memory.terms.items())]
    if not memory.measured_here:
        lines.append(_line("", "calculated, not measured on this machine"))
    return lines


def _disk(disk: Space) -> list[str]:
    checkpoint = f", {size(disk.checkpoint)} a checkpoint" if disk.checkpoint else ""
    verdict = "fits" if disk.fits else "does not fit"
    said = f"{size(disk.peak)} ({size(disk.result)} the result{checkpoint}); {verdict} into {size(disk.available)}"
    return [_line("disk", said)]


def _time(time: Time) -> list[str]:
    sources = {
        "tried": f"tried here with random weights and up to {time.blocks_tried} blocks",
        "matrix product": "a guess from one matrix product, since no step could be tried here",
        "data sheet": "a guess from its data sheet",
    }
    step = duration(time.seconds_a_step / 3600)
    writing = f", {duration(time.writing_s / 3600)} of it to write" if time.writing_s >= WORTH_SAYING else ""
    return [_line("time", f"about {duration(time.hours)}{writing}, {step} a step: {sources[time.source]}")]


def _line(name: str, value: str) -> str:
    return f"{name:>12}  {value}"


def presets_text(presets: Iterable[Fit], machine: Machine) -> str:
    kind = "of GPU memory" if machine.cuda else "of memory free, no GPU"
    return "\n".join([*presets_lines(presets), _line("this machine", f"{machine.name}, {size(machine.memory)} {kind}")])
