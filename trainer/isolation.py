"""Whether a model keeps packed documents apart: tried on the model itself, since nothing fails when it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.core.errors import InputError

if TYPE_CHECKING:
    import torch

TRIED_FAMILIES = ("gemma2", "gemma3_text", "llama", "mistral", "qwen2", "qwen3")
"""Those that the tests try, for models that cannot be tried before they are trained."""

_TOKENS = 12


def check_isolation(model: Any) -> None:
    """Raises InputError if what `model` computes for a document depends on the one before it in a packed row.

    Three forward passes of a few tokens. Weights that are not in this process (they are sharded while they are loaded)
    cannot be tried; then only TRIED_FAMILIES are let through.
    """
    family = str(model.config.model_type)
    if not is_whole(model):
        if family not in TRIED_FAMILIES:
            raise InputError(f"packing is not known to keep documents apart in {family} models; set packing to false.")
        return
    first, other, second = (_document(model, number) for number in range(3))
    alone = last_logits(model, second)
    # Kernels may sum up in another order for another length; a document that is seen changes far more than that.
    allowed = float(alone.abs().max()) * (1e-3 if model.dtype.itemsize == 4 else 5e-2)
    for before in (first, other):
        packed = last_logits(model, before, second)
        if not float((packed - alone).abs().max()) <= allowed:
            raise InputError(f"packed documents would see one another in this {family} model; set packing to false.")


def is_whole(model: Any) -> bool:
    """Whether every weight is in this process: FSDP loads them in one only, ZeRO-3 in none."""
    return all(not weight.is_meta and weight.numel() for weight in model.parameters())


def last_logits(model: Any, *documents: list[int]) -> torch.Tensor:
    """The logits of the last of `documents`, packed into one row; shape (tokens, vocabulary), float32."""
    import torch

    device = next(model.parameters()).device
    tokens = torch.tensor([[token for document in documents for token in document]], device=device)
    positions = torch.tensor([[at for document in documents for at in range(len(document))]], device=device)
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            logits: torch.Tensor = model(input_ids=tokens, position_ids=positions, use_cache=False).logits
    finally:
        model.train(training)
    return logits[0, -len(documents[-1]) :].float()


def _document(model: Any, number: int) -> list[int]:
    """Any tokens, of other values and another length for each `number`."""
    vocabulary = model.get_input_embeddings().weight.shape[0]
    return [(7 + 31 * number + 17 * at) % vocabulary for at in range(_TOKENS + 5 * number)]
