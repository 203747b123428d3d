"""Dropout that does not wait for its random numbers on a CPU.

In: an adapted model. Out: the same model, whose dropout draws four decisions from one random number.

torch draws one Bernoulli number an element, on one thread: with an update on q, k, v and o an eighth of a CPU training's
time. Sixteen random bits decide as well: the probability is met to within 1 / 131,072, and the scale follows it exactly.
"""

from __future__ import annotations

from typing import Any

import torch

_STEPS = 2**16
"""Values of the 16 bits that decide an element."""


class _Masked(torch.autograd.Function):
    """x · mask · scale, which keeps a byte an element for the backward pass."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, mask: torch.Tensor, scale: float) -> torch.Tensor:
        ctx.save_for_backward(mask)
        ctx.scale = scale
        return (x * mask).mul_(scale)

    @staticmethod
    def backward(ctx: Any, *incoming: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (mask,) = ctx.saved_tensors
        return (incoming[0] * mask).mul_(ctx.scale), None, None


class CoarseDropout(torch.nn.Module):
    """Dropout by 16 random bits an element.

    Args:
        p: Probability that an element becomes zero.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self._dropped = round(p * _STEPS)

    @property
    def p(self) -> float:
        """The probability that is really used."""
        return self._dropped / _STEPS

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Zeroes elements in training and scales the others by 1 / (1 - p)."""
        if not self.training or self._dropped == 0:
            return x
        words = torch.empty(-(-x.numel() // 4), dtype=torch.int64, device=x.device).random_(-(2**63), None)
        bits = words.view(torch.int16)[: x.numel()].view(x.shape)
        result: torch.Tensor = _Masked.apply(x, bits >= self._dropped - _STEPS // 2, 1 / (1 - self.p))
        return result


def hasten_dropout(model: torch.nn.Module) -> int:
    """Replaces the dropout of every LoRA update in place; returns how many there are."""
    replaced = 0
    for module in model.modules():
        updates = getattr(module, "lora_dropout", None)
        if isinstance(updates, torch.nn.ModuleDict):
            for name, dropout in updates.items():
                if type(dropout) is torch.nn.Dropout and dropout.p < 1:
                    updates[name] = CoarseDropout(dropout.p).train(dropout.training)
                    replaced += 1
    return replaced
