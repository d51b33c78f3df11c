"""A plan: what a configuration will need, before anything is loaded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import msgspec

from app.core.errors import InputError
from trainer.config import MfptConfig, MpeftConfig, check_config
from trainer.config_checks import missing_packages
from trainer.planning.activations import Execution
from trainer.planning.amounts import Amounts, amounts
from trainer.planning.disk import Disk, disk
from trainer.planning.duration import Time, run_time
from trainer.planning.execution import execution, trained, trained_parameters
from trainer.planning.hours import ACCELERATORS, accelerator
from trainer.planning.libraries import library_bytes
from trainer.planning.machine import Machine, free_disk, this_machine
from trainer.planning.memory import Peak, Term, peak
from trainer.planning.overhead import CUDA_CONTEXT, CUDA_FRAGMENTS, LIBRARIES, data_bytes, heap_bytes
from trainer.planning.shapes import KNOWN, Shape, read_shape, shape_from, shape_of_new, stored_parameters
from trainer.planning.work import epochs_of, steps
from trainer.presets import Preset, preset_names, read_preset

GIGABYTE = 10**9


class Parameters(msgspec.Struct, frozen=True):
    total: int
    trained: int


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes of one device, at the moment when they are most."""

    device: str
    kind: Literal["gpu", "process"]
    """A GPU's memory, or the whole of the process on a machine without one."""
    peak: int
    moment: str
    terms: dict[str, int]
    available: int
    fits: bool
    measured_here: bool
    """Whether the model of the memory has been compared with measurements on this kind of device."""


class Space(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes on the disk of the output."""

    result: int
    checkpoint: int
    peak: int
    available: int
    fits: bool


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    format: Literal["inro-plan/1"] = "inro-plan/1"
    recipe: Literal["mfpt", "mpeft"]
    parameters: Parameters
    data: Amounts
    steps: int
    effective_batch: int
    """Sequences that one optimizer step learns from."""
    tokens: int
    """That the whole run computes."""
    memory: Memory
    disk: Space
    time: Time
    notes: tuple[str, ...] = ()


class Fit(msgspec.Struct, frozen=True, kw_only=True):
    """A preset, and whether this machine is large enough for it."""

    name: str
    recipe: str
    purpose: str
    memory_gb: float
    """Of the device it is made for."""
    needed: int
    """Bytes."""
    verdict: Literal["fits", "too large", "no gpu"]
    """On this machine. Where a GPU is needed and none is here, nothing is said of sizes."""


def make_plan(config: MfptConfig | MpeftConfig, gpu: str | None = None) -> Plan:
    """For this machine, or for the GPU named `gpu`. Raises InputError for data or a base that cannot be used."""
    shape, notes = _shape(config)
    if _longest(config) > shape.context:
        notes.append(f"sequences of {_longest(config)} tokens are longer than the base's context of {shape.context}")
    found = amounts(config)
    own = shape.vocabulary
    # Tokens are added beyond the base's rows; and a small text has fewer pieces than a new model was asked for.
    if found.vocabulary and (config.base is None or found.vocabulary > own):
        shape = replace(shape, vocabulary=found.vocabulary)
    machine = machine_for(gpu)
    run = execution(config, shape, found.longest, cuda=machine.cuda)
    count = steps(config, found.sequences)
    notes += [f"{name} must be installed where this is trained" for name in missing_packages(config)]
    grown = config.base is not None and shape.vocabulary > own
    needed = disk(config, shape, count, epochs_of(config, found.sequences, count), grown=grown)
    time, known = run_time(config, shape, run, found, count, machine, needed.written, here=gpu is None)
    return Plan(
        recipe="mpeft" if isinstance(config, MpeftConfig) else "mfpt",
        parameters=Parameters(shape.parameters, trained_parameters(config, shape)),
        data=found,
        steps=count,
        effective_batch=config.batch_size * config.gradient_accumulation,
        tokens=found.work.tokens,
        memory=_memory(config, shape, run, found, machine, here=gpu is None),
        disk=_space(needed, Path(config.output)),
        time=time,
        notes=(*notes, *known),
    )


def fitting_presets(machine: Machine) -> tuple[Fit, ...]:
    return tuple(_fit(name, read_preset(name), machine) for name in preset_names())


def preset_peak(preset: Preset, *, cuda: bool) -> Peak:
    """With sequences of full length, half of which are answers in mpeft."""
    config = _preset_config(preset)
    shape = shape_from(preset.model, "the preset") if preset.model else shape_of_new(_full(config))
    run = execution(config, shape, _longest(config), cuda=cuda)
    learned = run.tokens if run.trains_all else run.tokens // 2
    return with_overhead(peak(shape, run, trained(config, shape), learned), shape, run, 0)


def with_overhead(own: Peak, shape: Shape, run: Execution, data: int, libraries: int = LIBRARIES) -> Peak:
    """`own` with what libraries and allocators add; `data` are the bytes of the sequences in memory."""
    if run.cuda:
        return replace(
            own,
            terms=(*own.terms, Term("CUDA", CUDA_CONTEXT), Term("allocator", int(own.bytes * CUDA_FRAGMENTS))),
        )
    extra = (Term("libraries", libraries), Term("data", data), Term("allocator", heap_bytes(shape, run)))
    return replace(own, terms=(*own.terms, *extra))


def _shape(config: MfptConfig | MpeftConfig) -> tuple[Shape, list[str]]:
    if config.base is None:
        return shape_of_new(_full(config)), []
    base = Path(config.base)
    shape, notes = read_shape(base), []
    if shape.family not in KNOWN:
        notes.append(f"the family {shape.family or 'of the base'} is not known here and was taken for a Llama")
    stored = stored_parameters(base)
    if stored is None:
        notes.append(f"{base} holds no weights yet; parameters follow from its config.json")
    elif stored != shape.parameters:
        notes.append(f"the base's files hold {stored:,} parameters, its config.json stands for {shape.parameters:,}")
    return shape, notes


def machine_for(gpu: str | None) -> Machine:
    """This machine, or the GPU of that name. Raises InputError with the known ones if it is none of them."""
    if gpu is None:
        return this_machine()
    known = accelerator(gpu)
    if known is None:
        raise InputError(f"the GPU {gpu} is not known here; known are {', '.join(one.name for one in ACCELERATORS)}.")
    return Machine(f"{known.name} ({known.gigabytes} GB)", True, known.gigabytes * GIGABYTE)


def _memory(
    config: MfptConfig | MpeftConfig, shape: Shape, run: Execution, found: Amounts, machine: Machine, *, here: bool
) -> Memory:
    data = data_bytes(found.tokens, packed=config.packing, adapter=isinstance(config, MpeftConfig))
    own = peak(shape, run, trained(config, shape), config.batch_size * found.densest)
    libraries = LIBRARIES if run.cuda else library_bytes()
    whole = with_overhead(own, shape, run, data, libraries)
    shown = max(whole, _loading(config, own, run, libraries), key=lambda one: one.bytes)
    return Memory(
        device=machine.name,
        kind="gpu" if machine.cuda else "process",
        peak=shown.bytes,
        moment=shown.moment,
        terms={term.name: term.bytes for term in shown.terms if term.bytes},
        available=machine.memory,
        # Pages of files give way where memory is short.
        fits=whole.bytes <= machine.memory,
        measured_here=here and not machine.cuda,
    )


def _loading(config: MfptConfig | MpeftConfig, own: Peak, run: Execution, libraries: int) -> Peak:
    """While weights of one type are made from files of another, these lie beside them, mapped into the process."""
    base = Path(config.base) if config.base else None
    parameters = base and stored_parameters(base)
    if run.cuda or base is None or not parameters:
        return Peak("loading", ())
    files = sum(path.stat().st_size for path in base.glob("*.safetensors"))
    if round(files / parameters) == run.weight_bytes and not run.quantized:
        return Peak("loading", ())
    weights = next(term for term in own.terms if term.name == "weights")
    return Peak("loading", (weights, Term("files of the base", files), Term("libraries", libraries)))


def _space(needed: Disk, output: Path) -> Space:
    free = free_disk(output)
    return Space(
        result=needed.result,
        checkpoint=needed.checkpoint,
        peak=needed.peak,
        available=free,
        fits=needed.peak <= free,
    )


def _fit(name: str, preset: Preset, machine: Machine) -> Fit:
    needed = preset_peak(preset, cuda=preset.gpu).bytes
    verdict: Literal["fits", "too large", "no gpu"] = "fits" if needed <= machine.memory else "too large"
    return Fit(
        name=name,
        recipe=preset.recipe,
        purpose=preset.purpose,
        memory_gb=preset.memory_gb,
        needed=needed,
        verdict="no gpu" if preset.gpu and not machine.cuda else verdict,
    )


def _preset_config(preset: Preset) -> MfptConfig | MpeftConfig:
    given: dict[str, Any] = {"data": ["-"], "output": "-", **preset.keys}
    if preset.model:
        given["base"] = "-"
    if preset.recipe == "mfpt":
        return check_config(given, MfptConfig, "the preset")
    return check_config(given, MpeftConfig, "the preset")


def _longest(config: MfptConfig | MpeftConfig) -> int:
    return config.max_length if isinstance(config, MpeftConfig) else config.block_length


def _full(config: MfptConfig | MpeftConfig) -> MfptConfig:
    assert isinstance(config, MfptConfig)
    return config
