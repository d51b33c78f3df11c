"""Bytes of activations that the forward pass keeps for the backward pass, tensor by tensor.

The counts are those of transformers' blocks (RMSNorm, attention, gated feed-forward) under torch's autograd, each
tensor once; tests compare them with what autograd really saves. The method is that of Korthikanti et al., "Reducing
Activation Recomputation in Large Transformer Models" (arXiv 2205.05198), section 4; their formula is for another block
(LayerNorm, GELU, dropout, all in 16 bits) and would be wrong by half here.
"""

from __future__ import annotations

from dataclasses import dataclass

from trainer.planning.shapes import GEMMA, Matrix, Shape

FLOAT = 4
HALF = 2


@dataclass(frozen=True)
class Execution:
    """How one batch is computed on one device."""

    batch: int
    """Sequences."""
    length: int
    """Tokens of each, padding included."""
    weight_bytes: int = FLOAT
    """Of a weight that is not quantized."""
    stream_bytes: int = FLOAT
    """Of what flows from block to block: the embeddings' type."""
    compute_bytes: int = FLOAT
    """Of what is multiplied; 2 under torch's autocast."""
    trains_all: bool = True
    adapted: tuple[Matrix, ...] = ()
    """The linear layers of a block that have an adapter."""
    rank: int = 0
    dropout: bool = False
    """Whether adapters drop inputs out."""
    dora: bool = False
    quantized: bool = False
    checkpointing: bool = False
    eager: bool = False
    masked: bool = False
    """Attention gets a mask (packing), and then keys and values for every head."""
    cuda: bool = False

    @property
    def tokens(self) -> int:
        return self.batch * self.length


def kept_for_backward(shape: Shape, run: Execution) -> int:
    """Bytes of all blocks, from the embeddings to the last norm."""
    between = shape.hidden * run.stream_bytes
    end = shape.hidden * (FLOAT + (run.stream_bytes if run.trains_all else 0))
    return run.tokens * (shape.layers * (between if run.checkpointing else block_bytes(shape, run)) + end)


def block_bytes(shape: Shape, run: Execution) -> int:
    """Bytes a token of one block that is not recomputed."""
    return (
        _norms(shape, run)
        + _linear_inputs(shape, run)
        + _attention(shape, run)
        + 3 * shape.intermediate * run.compute_bytes  # gate, its activation, and what it is multiplied with
        + _adapters(run)
    )


def _norms(shape: Shape, run: Execution) -> int:
    """The input in float32 and its root mean square; where the weight is trained, also the normed value."""
    values = shape.norms * shape.hidden + (shape.queries + shape.keys if shape.head_norms else 0)
    groups = shape.norms + (shape.heads + shape.kv_heads if shape.head_norms else 0)
    normed = FLOAT if shape.family in GEMMA else run.stream_bytes
    return values * (FLOAT + (normed if run.trains_all else 0)) + groups * FLOAT


def _linear_inputs(shape: Shape, run: Execution) -> int:
    """What linear layers multiply, kept where they (or their adapters) are trained.

    Layers that read the same tensor share it, unless each has a copy of its own: cast under autocast in full training,
    cast to float32 and back by PEFT's adapters (not by those of 4-bit layers on a GPU), or with other inputs dropped.
    """
    if run.trains_all:
        matrices, copies = shape.matrices(), run.compute_bytes < run.weight_bytes
        # The attention's output and the product are in the computation's type already.
        copied = [matrix for matrix in matrices if matrix.name not in ("o_proj", "down_proj")] if copies else []
    else:
        matrices = run.adapted
        copies = run.dropout or (run.compute_bytes < FLOAT and not (run.quantized and run.cuda))
        copied = list(matrices) if copies else []
    sources = {_SOURCES[matrix.name]: matrix.inputs for matrix in matrices if matrix not in copied}
    shared = sum(size for source, size in sources.items() if source != "attention" or run.eager)
    return (shared + sum(matrix.inputs for matrix in copied)) * run.compute_bytes


_SOURCES = {
    "q_proj": "first norm",
    "k_proj": "first norm",
    "v_proj": "first norm",
    "o_proj": "attention",
    "gate_proj": "second norm",
    "up_proj": "second norm",
    "down_proj": "product",
}
"""Which tensor a linear layer reads. Attention keeps its output itself, unless it is computed step by step."""


def _attention(shape: Shape, run: Execution) -> int:
    """Queries, keys, values and the output with its log-sum; step by step, the probabilities instead of the output."""
    keys = shape.queries if run.masked or run.eager else shape.keys
    if not run.eager:
        mask = run.length * run.compute_bytes if run.masked else 0
        return (2 * shape.queries + 2 * keys) * run.compute_bytes + shape.heads * FLOAT + mask
    # In float32, and once more in the type they are multiplied in; Gemma 2 caps the scores before.
    probabilities = FLOAT + (run.compute_bytes if run.compute_bytes < FLOAT else 0)
    capped = run.compute_bytes if shape.family == "gemma2" else 0
    return (shape.queries + 2 * keys) * run.compute_bytes + shape.heads * run.length * (probabilities + capped)


def _adapters(run: Execution) -> int:
    kept = len(run.adapted) * run.rank * run.compute_bytes
    if run.dropout:  # which inputs were dropped: a byte each on a GPU, a number elsewhere
        kept += sum(matrix.inputs for matrix in run.adapted) * (1 if run.cuda else FLOAT)
    if run.dora:  # the layer's output and the adapter's, which are scaled row by row
        kept += 2 * sum(matrix.outputs for matrix in run.adapted) * run.compute_bytes
    return kept
