"""How long a training takes: its arithmetic over what a device computes in a second. An estimate.

Arithmetic: a multiplication and an addition for each weight and token in the forward pass, and twice as much in the
backward pass (Kaplan et al., arXiv 2001.08361, section 2.1: 6 x parameters x tokens). A frozen matrix needs no gradient
of its own, so 4 instead of 6; checkpointing runs the blocks' forward pass again, so 2 more. Attention adds 4 x length x
width for each token and block in the forward pass, half of which a causal kernel leaves out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache
from time import perf_counter

from trainer.planning.activations import Execution
from trainer.planning.shapes import Shape

MEASURED_SECONDS = 0.5
"""Of matrix products that the speed of a machine is taken from, after a first one."""

CPU_EFFICIENCY = 0.55
"""Share of the speed of a large matrix product that a training reaches: measured with the recipes on two cores."""
GPU_EFFICIENCY = 0.4
"""Of the data sheet's speed. Reported trainings of 7 B models reach 0.3 to 0.5."""
QUANTIZED_EFFICIENCY = 0.33
"""4-bit matrices are unpacked for each product: of a 7 B model on an A100, 2,295 to 2,926 tokens a second are reported,
0.31 to 0.39."""


@dataclass(frozen=True)
class Accelerator:
    """A GPU, by its maker's data sheet, without sparsity."""

    name: str
    half: float
    """Tera-operations a second: 16-bit products summed up in 32 bits."""
    single: float
    """The same in 32 bits, without TF32, which the recipes do not switch on."""
    gigabytes: int


ACCELERATORS = (
    Accelerator("RTX 4060 Ti", 44, 22, 16),
    Accelerator("RTX 4080", 97, 49, 16),
    Accelerator("RTX 5080", 113, 56, 16),
    Accelerator("RTX A4000", 77, 19, 16),
    Accelerator("RTX 3090", 71, 36, 24),
    Accelerator("RTX 4090", 165, 83, 24),
    Accelerator("RTX A5000", 111, 28, 24),
    Accelerator("RTX 5090", 210, 105, 32),
    Accelerator("RTX A6000", 155, 39, 48),
    Accelerator("RTX 6000 Ada", 364, 91, 48),
    Accelerator("A10", 125, 31, 24),
    Accelerator("A30", 165, 10, 24),
    Accelerator("A40", 150, 37, 48),
    Accelerator("A100", 312, 19.5, 80),
    Accelerator("L4", 121, 30, 24),
    Accelerator("L40", 181, 91, 48),
    Accelerator("L40S", 362, 92, 48),
    Accelerator("H100", 989, 67, 80),
    Accelerator("H200", 989, 67, 141),
)
"""NVIDIA's data sheets and architecture white papers (Ampere, Ada, Hopper, Blackwell). All can compute in bfloat16,
which older ones (T4, V100) cannot."""

_WORDS = re.compile(r"[a-z]+|[0-9]+")


def accelerator(name: str) -> Accelerator | None:
    """The one whose words are among those of `name`, the longest where several are: "A1000" is no A100. A size in
    `name` ("A100 40GB") comes before the data sheet's."""
    words = _WORDS.findall(name.lower())
    found = [one for one in ACCELERATORS if _holds(words, _WORDS.findall(one.name.lower()))]
    best = max(found, key=lambda one: len(one.name), default=None)
    size = re.search(r"(\d{1,4})\s*gi?b\b", name.lower())
    return replace(best, gigabytes=int(size[1])) if best and size else best


def _holds(words: list[str], some: list[str]) -> bool:
    return any(words[at : at + len(some)] == some for at in range(len(words) - len(some) + 1))


def training_flops(shape: Shape, run: Execution, tokens: int, learned: int, factors: int) -> float:
    """Of `tokens` tokens, `learned` of which have logits; `factors` are the parameters of adapters."""
    blocks = 2 * shape.matrix_parameters
    attention = shape.layers * 2 * run.length * shape.queries * (2 if run.eager or run.masked else 1)
    head = 2 * shape.vocabulary * shape.hidden
    again = 1 if run.checkpointing else 0
    for_weights = 1 if run.trains_all else 0
    per_token = blocks * (2 + for_weights + again) + attention * (3 + again) + 2 * factors * (3 + again)
    return tokens * per_token + learned * head * (2 + for_weights)


def efficiency(run: Execution) -> float:
    """The share of a device's speed that is used."""
    if not run.cuda:
        return CPU_EFFICIENCY
    return QUANTIZED_EFFICIENCY if run.quantized else GPU_EFFICIENCY


@cache
def measured_flops(device: str, half: bool) -> float:
    """Floating-point operations a second of the matrix products of a linear layer, measured for MEASURED_SECONDS.

    Of all three: where a processor cannot compute in 16 bits, torch's own loops differ by ten times between them.
    """
    import torch

    size = 4096 if device == "cuda" else 512 if half else 1024
    inputs = torch.ones(size, size, device=device, dtype=torch.bfloat16 if half else torch.float32, requires_grad=True)
    weight = torch.ones_like(inputs, requires_grad=True)

    def once() -> float:
        begin = perf_counter()
        torch.autograd.backward(torch.nn.functional.linear(inputs, weight).sum())
        if device == "cuda":
            torch.cuda.synchronize()
        return perf_counter() - begin

    once()  # kernels are chosen, and memory is taken, in the first product
    times: list[float] = []
    while sum(times) < MEASURED_SECONDS:
        times.append(once())
    # The fastest: whatever else runs on the machine now may have ended by then.
    return 6 * float(size) ** 3 / min(times)
