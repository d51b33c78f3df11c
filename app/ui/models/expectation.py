"""What to expect of a model on this PC: which contexts fit, how fast it will be, what its GPU holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication

from app.ui import quantities
from app.ui.models import texts
from app.ui.models.fact_table import Fact
from app.ui.models.facts import of_memory

if TYPE_CHECKING:
    from app.core.models.fit import GpuFit, SpeedRange
    from app.core.models.importing import MemoryCompared

translate = QCoreApplication.translate


def of_machine(compared: MemoryCompared) -> list[Fact]:
    facts = [of_memory(compared.fits, compared.free_bytes)]
    if compared.speed is not None:
        facts.append(_speed(compared.speed))
    if compared.gpu is not None:
        facts.append(_gpu(compared.gpu))
    return facts


def _speed(speed: SpeedRange) -> Fact:
    text = translate(
        "Facts", "{low} to {high} tokens a second from the processor (memory is read at {rate} GB a second)"
    )
    low, high = _rate(speed.low), _rate(speed.high)
    return Fact(
        translate("Facts", "Expected speed"),
        text.format(low=low, high=high, rate=f"{speed.read_bytes_per_second / 1e9:.0f}"),
    )


def _gpu(gpu: GpuFit) -> Fact:
    name = translate("Facts", "GPU")
    if not gpu.gpus:
        return Fact(name, translate("Facts", "none that the engine can use"))
    text = translate("Facts", "{layers} of {all} layers fit into {gpu}, with a context of {context} tokens")
    return Fact(
        name,
        text.format(
            layers=gpu.layers,
            all=gpu.of_layers,
            gpu=", ".join(texts.shown(one.name) for one in gpu.gpus),
            context=quantities.number(gpu.context_length),
        ),
    )


def _rate(tokens: float) -> str:
    """Two digits: an estimate knows no more."""
    return f"{tokens:.1f}" if tokens < 10 else f"{float(f'{tokens:.2g}'):,.0f}"
