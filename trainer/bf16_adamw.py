"""AdamW on bfloat16 weights with bfloat16 moments: 8 bytes a parameter with the gradient, instead of 16.

bfloat16 has 8 significant bits. A step of AdamW changes a weight by much less than half of that, and a second moment by
a thousandth of its value, so that rounding to the nearest would lose both. Rounded at random in proportion, each is
right on average (stochastic rounding, as in arXiv 2010.06192).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch

_PART = 2**21
"""Elements that are computed in float32 at once, in half a dozen tensors of 8 MB."""


class Bf16AdamW(torch.optim.Optimizer):
    """The random bits follow from `seed` and the step alone: alike in every process, and in a run that goes on."""

    def __init__(
        self,
        params: Iterable[dict[str, Any]],
        *,
        lr: float,
        betas: tuple[float, float],
        eps: float,
        weight_decay: float = 0.0,
        seed: int = 0,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})
        self._seed = seed

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        number = 0
        for group in self.param_groups:
            for weight in group["params"]:
                number += 1
                if weight.grad is not None:
                    self._update(weight, group, number)
        return loss

    def _update(self, weight: Any, group: dict[str, Any], number: int) -> None:
        state = self.state[weight]
        if not state:
            state["step"] = 0
            state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(weight), torch.zeros_like(weight)
        state["step"] += 1
        changed = [_local(tensor).view(-1) for tensor in (weight, state["exp_avg"], state["exp_avg_sq"])]
        gradient = _local(weight.grad).reshape(-1)
        # Each weight has its own bits, and each step.
        random = torch.Generator(gradient.device).manual_seed(
            ((self._seed * 1_000_003 + state["step"]) * 65_537 + number) % 2**63
        )
        for start in range(0, len(gradient), _PART):
            value, first, second, slope = (tensor[start : start + _PART] for tensor in (*changed, gradient))
            _step(value, first, second, slope, group, state["step"], random)


def _local(tensor: Any) -> torch.Tensor:
    """The part of a sharded tensor (FSDP) that this process holds."""
    local: torch.Tensor = tensor.to_local() if hasattr(tensor, "to_local") else tensor
    return local


def _step(
    weight: torch.Tensor,
    first: torch.Tensor,
    second: torch.Tensor,
    gradient: torch.Tensor,
    group: dict[str, Any],
    step: int,
    random: torch.Generator,
) -> None:
    beta1, beta2 = group["betas"]
    gradient = gradient.float()
    mean = first.float().lerp_(gradient, 1 - beta1)
    square = second.float().mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
    value = weight.float().mul_(1 - group["lr"] * group["weight_decay"])
    spread = (square / (1 - beta2**step)).sqrt_().add_(group["eps"])
    value.addcdiv_(mean, spread, value=-group["lr"] / (1 - beta1**step))
    for target, result in ((weight, value), (first, mean), (second, square)):
        target.copy_(rounded_at_random(result, random) if target.dtype == torch.bfloat16 else result)


def rounded_at_random(values: torch.Tensor, random: torch.Generator) -> torch.Tensor:
    """float32 `values` as bfloat16, each one of its two neighbours: the nearer, the more often."""
    noise = torch.randint(0, 2**16, values.shape, dtype=torch.int32, device=values.device, generator=random)
    # bfloat16 is the upper half of float32: what is added to the lower half carries over in proportion to it.
    bits = (values.view(torch.int32) + noise) & -(2**16)
    return bits.view(torch.float32).to(torch.bfloat16)
