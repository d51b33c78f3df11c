"""The loss, computed where something is learned and nowhere else.

A stock model multiplies every position with the output matrix, and keeps logits and their gradient for all of them: for
7B models with 150,000 tokens of vocabulary several GB, most of which belongs to prompts and padding. Here only learned
positions are, a part at a time. The sum is divided by the number of learned tokens of the whole optimizer step, which
the Trainer counts (transformers#34191: means of unequal batches are not the mean of all).
"""

from __future__ import annotations

from types import MethodType
from typing import TYPE_CHECKING, Any

from trainer.isolation import is_whole
from trainer.labels import IGNORED

if TYPE_CHECKING:
    import torch

LARGEST_PART = 32 * 1024 * 1024
"""Logits that are computed at once; with their gradients 12 bytes each, so that they take 400 MB at most."""

_TRIED_FAMILIES = ("gemma2", "gemma3_text", "llama", "mistral", "qwen2", "qwen3")


def learn_from_labels_only(model: Any) -> str | None:
    """Change how `model` (of transformers, or of PEFT around one) computes its loss. Returns None, or why it could not.

    Everything but the loss stays as it is: without labels the model computes what it did, and with labels the output
    holds no logits. Weights may be replaced, quantized or sharded later.
    """
    causal = model.get_base_model() if hasattr(model, "get_base_model") else model
    if causal.get_output_embeddings() is None or causal.base_model is causal:
        return f"{type(causal).__name__} has no output matrix of its own"
    if is_whole(causal):
        if not _computes_the_same(causal):
            return f"{type(causal).__name__} computes its logits in a way that is not known here"
    elif causal.config.model_type not in _TRIED_FAMILIES:
        return f"models of the family {causal.config.model_type} have not been tried with sharded loading"
    stock = causal.forward

    def forward(self: Any, *arguments: Any, labels: torch.Tensor | None = None, **options: Any) -> Any:
        if labels is None:
            return stock(*arguments, **options)
        return _forward(self, *arguments, labels=labels, **options)

    causal.forward = MethodType(forward, causal)
    causal.accepts_loss_kwargs = True  # the Trainer then counts the learned tokens of a step and says how many
    return None


def _forward(
    causal: Any,
    *arguments: Any,
    labels: torch.Tensor,
    num_items_in_batch: torch.Tensor | int | None = None,
    **options: Any,
) -> Any:
    from transformers.modeling_outputs import CausalLMOutputWithPast

    options.pop("return_dict", None)
    hidden = causal.base_model(*arguments, **options).last_hidden_state
    following = labels[:, 1:].to(hidden.device)
    learned = following != IGNORED
    total = summed_loss(causal, hidden[:, :-1][learned], following[learned])
    count = learned.sum().clamp(min=1) if num_items_in_batch is None else num_items_in_batch
    return CausalLMOutputWithPast(loss=total / count)


def summed_loss(causal: Any, hidden: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """The sum of the cross entropies (nats) of `wanted`, shape (n,), after `hidden`, shape (n, width)."""
    import torch
    from torch.utils.checkpoint import checkpoint

    # Not the rows of the weight: of one that ZeRO-3 has spread there are none here.
    rows = max(1, LARGEST_PART // int(causal.config.get_text_config().vocab_size))
    count = _most(max(1, -(-len(hidden) // rows)), hidden.device)
    if count == 1:
        return _part(causal, hidden, wanted)
    # Of each part only its input is kept; the backward pass computes it again.
    starts = range(0, count * rows, rows)
    parts = [
        checkpoint(_part, causal, hidden[start : start + rows], wanted[start : start + rows], use_reentrant=False)
        for start in starts
    ]
    return torch.stack(parts).sum()


def _most(parts: int, device: torch.device) -> int:
    """The largest number of parts of any process: a sharded output matrix is gathered anew for each part, for which all
    processes must ask equally often. Parts beyond a process's own are empty."""
    from torch import distributed

    if not (distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1):
        return parts
    import torch

    most = torch.tensor(parts, device=device)
    distributed.all_reduce(most, distributed.ReduceOp.MAX)
    return int(most)


def _part(causal: Any, hidden: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    from torch.nn.functional import cross_entropy

    return cross_entropy(_logits(causal, hidden).float(), wanted, reduction="sum")


def _logits(causal: Any, hidden: torch.Tensor) -> torch.Tensor:
    """As the families of transformers make them; `_computes_the_same` finds one that does otherwise."""
    logits: torch.Tensor = causal.get_output_embeddings()(hidden)
    settings = causal.config.get_text_config()
    if scale := getattr(settings, "logit_scale", None):  # Cohere
        logits = logits * scale
    if divisor := getattr(settings, "logits_scaling", None):  # Granite
        logits = logits / divisor
    if limit := getattr(settings, "final_logit_softcapping", None):  # Gemma
        logits = (logits / limit).tanh() * limit
    return logits


def _computes_the_same(causal: Any) -> bool:
    import torch

    device = next(causal.parameters()).device
    tokens = torch.arange(3, 11, device=device)[None] % int(causal.get_input_embeddings().weight.shape[0])
    training = causal.training
    causal.eval()
    try:
        with torch.no_grad():
            stock = causal(input_ids=tokens, use_cache=False).logits.float()
            found = _logits(causal, causal.base_model(input_ids=tokens, use_cache=False).last_hidden_state).float()
    finally:
        causal.train(training)
    return stock.shape == found.shape and torch.allclose(stock, found, rtol=1e-2, atol=1e-2 * float(stock.abs().max()))
