"""The peak of the memory that a training needs on one device, term by term, in bytes.

There are two candidates for the peak, and between them one falls while the other rises:

- *the loss*: the forward pass has kept the activations of every block, and logits are being turned into their gradient;
- *the last gradient*: activations are gone except those of one block, and every trained number has its gradient.

The state of the optimizer is there in both, since every step but the first begins with it.
"""

from __future__ import annotations

from dataclasses import dataclass

from trainer.base import NF4_BLOCK
from trainer.loss import LARGEST_PART
from trainer.planning.activations import FLOAT, HALF, Execution, block_bytes, kept_for_backward
from trainer.planning.shapes import Shape

NF4_SCALES = 256
"""Scales that share a scale of their own, in double quantization; 8-bit optimizers also use blocks of 256."""

STATE_BYTES = {
    "adamw": 2 * FLOAT,
    "adamw_8bit": 2 * (1 + FLOAT / NF4_SCALES),
    "paged_adamw_8bit": 2 * (1 + FLOAT / NF4_SCALES),
    "adamw_bf16": 2 * HALF,
}
"""Of both moments of a trained number. 8-bit states have a scale for each 256 (arXiv 2110.02861); those of embeddings
stay in float32 (see `trainer.optimizers`)."""

LOGIT_BYTES = 3 * FLOAT
"""Of one logit while its gradient is computed: its logarithm of the softmax, and the gradients of loss and softmax."""


@dataclass(frozen=True)
class Trained:
    """What is trained, and with what."""

    factors: int = 0
    """Parameters of adapters, always held in float32 (PEFT)."""
    whole: int = 0
    """Parameters of the base's own modules that are trained beside them, copies of the base's."""
    rows: int = 0
    """Parameters of the rows of added tokens; PEFT puts them into a copy of each matrix in every forward pass."""
    optimizer: str = "adamw"
    accumulates: bool = False
    """Gradients of earlier batches are there while the next one is computed."""
    double_quantization: bool = True

    @property
    def outside(self) -> int:
        """All that is trained where the base itself is not."""
        return self.factors + self.whole + self.rows


@dataclass(frozen=True)
class Term:
    name: str
    bytes: int


@dataclass(frozen=True)
class Peak:
    """The terms of the moment in which the sum is highest."""

    moment: str
    terms: tuple[Term, ...]

    @property
    def bytes(self) -> int:
        return sum(term.bytes for term in self.terms)


def peak(shape: Shape, run: Execution, trained: Trained, learned: int) -> Peak:
    """`learned` is how many positions of a batch have a label."""
    held = (
        Term("weights", weight_bytes(shape, run, trained)),
        Term("weights in the type of the computation", cast_bytes(shape, run, trained)),
        Term("optimizer state", state_bytes(shape, trained, trains_all=run.trains_all)),
    )
    gradients = gradient_bytes(shape, run, trained)
    logits = loss_bytes(shape, run, learned)
    head = _head_gradient(shape, run, trained)
    # A gradient that is added to one that is there already stands beside it first: of the output matrix in each further
    # part of the loss, of the embeddings where they are the same weight.
    in_parts = learned > rows_at_once(shape) or trained.accumulates
    again_at_loss, again_at_end = head * in_parts, head * (shape.tied or trained.accumulates)
    work = working_bytes(shape, run)
    at_loss = (
        *held,
        Term("gradients", (gradients if trained.accumulates else head) + again_at_loss),
        Term("activations", kept_for_backward(shape, run)),
        Term("logits and workspace", max(logits, work)),
    )
    at_end = (
        *(term for term in held if term.name != "weights in the type of the computation"),
        Term("gradients", gradients + again_at_end),
        Term("activations", run.tokens * shape.hidden * run.stream_bytes),
        Term("logits and workspace", work),
    )
    candidates = Peak("the loss", at_loss), Peak("the last gradient", at_end)
    return max(candidates, key=lambda candidate: candidate.bytes)


def weight_bytes(shape: Shape, run: Execution, trained: Trained) -> int:
    """Of the base, of adapters, and of copies that are trained. Embeddings, norms and the output matrix stay as they
    are under bitsandbytes."""
    in_four_bits = shape.matrix_parameters if run.quantized else 0
    base = (shape.parameters - in_four_bits) * run.weight_bytes
    return int(base + in_four_bits * nf4_bytes(trained.double_quantization) + trained.outside * FLOAT)


def nf4_bytes(double_quantization: bool) -> float:
    """Bytes a weight: half of one, and its share of a scale in float32, or in 8 bits with a scale of its own."""
    scale = 1 + FLOAT / NF4_SCALES if double_quantization else FLOAT
    return 0.5 + scale / NF4_BLOCK


def cast_bytes(shape: Shape, run: Execution, trained: Trained) -> int:
    """Autocast keeps a copy of each trained matrix it multiplies with, until the forward pass ends."""
    if run.compute_bytes == FLOAT:
        return 0
    if not run.trains_all:
        head = shape.vocabulary * shape.hidden if trained.whole or trained.rows else 0
        return (trained.factors + head) * run.compute_bytes
    if run.weight_bytes == run.compute_bytes:
        return 0
    return (shape.matrix_parameters + shape.vocabulary * shape.hidden) * run.compute_bytes


def gradient_bytes(shape: Shape, run: Execution, trained: Trained) -> int:
    if run.trains_all:
        return shape.parameters * run.weight_bytes
    return trained.outside * FLOAT


def state_bytes(shape: Shape, trained: Trained, *, trains_all: bool) -> int:
    """Of the optimizer, from its second step on."""
    numbers = shape.parameters if trains_all else trained.outside
    each = STATE_BYTES[trained.optimizer]
    embeddings = shape.vocabulary * shape.hidden if trains_all or trained.whole else 0
    in_full = embeddings if "8bit" in trained.optimizer else 0
    return int((numbers - in_full) * each + in_full * STATE_BYTES["adamw"])


def loss_bytes(shape: Shape, run: Execution, learned: int) -> int:
    """Logits are made for learned positions only, and in parts (see `trainer.loss`)."""
    rows = min(learned, rows_at_once(shape))
    return rows * shape.vocabulary * LOGIT_BYTES + 2 * learned * shape.hidden * run.stream_bytes


def rows_at_once(shape: Shape) -> int:
    """Positions whose logits are computed in one part."""
    return max(1, LARGEST_PART // shape.vocabulary)


def working_bytes(shape: Shape, run: Execution) -> int:
    """What comes and goes in the backward pass of one block: the gradients of its feed-forward part and its input; the
    block itself where it is computed again; a 4-bit matrix unpacked; the product of DoRA's factors."""
    token = 4 * shape.intermediate * run.compute_bytes + 4 * shape.hidden * FLOAT
    if run.eager:
        token += 2 * shape.heads * run.length * FLOAT
    if run.checkpointing:
        token += block_bytes(shape, run)
    largest = max(matrix.inputs * matrix.outputs for matrix in shape.matrices())
    matrices = largest * run.compute_bytes if run.quantized else 0
    if run.dora:
        widest = max(matrix.inputs for matrix in run.adapted)
        matrices += (3 * largest + widest * widest) * run.compute_bytes
    return run.tokens * token + matrices


def _head_gradient(shape: Shape, run: Execution, trained: Trained) -> int:
    """The output matrix has its gradient first."""
    head = shape.vocabulary * shape.hidden
    return (
        head * (run.weight_bytes if run.trains_all else FLOAT) if run.trains_all or trained.whole or trained.rows else 0
    )
