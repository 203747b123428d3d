"""This dropout does not wait for its random numbers on a CPU.

In: an adapted model. Out: the same model, whose dropout draws four decisions from one random number.

torch draws one Bernoulli number an element, on one thread: with an update on q, k, v and o an eighth of a CPU training's
time. Sixteen random bits decide as well: the probability is met to within 1 / 131,072, and the scale follows it exactly.
A mask is a word of ones or zeros an element, which keeps or clears the element's own bits: no multiplication, no cast.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

_STEPS = 2**16
"""Values of the 16 bits that decide an element."""


class _Masked(torch.autograd.Function):
    """x · mask · scale, which keeps two bytes an element for the backward pass."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, mask: torch.Tensor, scale: float) -> torch.Tensor:
        ctx.save_for_backward(mask)
        ctx.scale = scale
        return masked(x, mask).mul_(scale)

    @staticmethod
    def backward(ctx: Any, *incoming: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (mask,) = ctx.saved_tensors
        return masked(incoming[0].contiguous(), mask).mul_(ctx.scale), None, None


def masked(x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """A copy of x, zero where the mask is: x contiguous and of 16 or 32 bits, mask of `CoarseDropout.draw`, alike in shape."""
    words = torch.int16 if x.element_size() == 2 else torch.int32
    return (x.view(words) & mask.to(words)).view(x.dtype)


# An operation of its own: a compiler would take NumPy's numbers for constants. Its seed is drawn by torch outside, for of two
# calls that are alike a compiler keeps one.
@torch.library.custom_op("gemma_poetry::coarse_mask", mutates_args=())
def _mask_of(seed: torch.Tensor, shape: Sequence[int], dropped: int) -> torch.Tensor:
    import numpy

    source, count = numpy.random.SFC64(int(seed)), math.prod(shape)
    words = torch.from_numpy(source.random_raw(-(-count // 4)).view(numpy.int16))
    bits = words[:count].view(shape)
    return torch.ge(bits, dropped - _STEPS // 2, out=bits).neg_()


@_mask_of.register_fake
def _(seed: torch.Tensor, shape: Sequence[int], dropped: int) -> torch.Tensor:
    return torch.empty(shape, dtype=torch.int16)


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

    @property
    def active(self) -> bool:
        """Whether anything is dropped now."""
        return self.training and self._dropped > 0

    def draw(self, shape: torch.Size) -> torch.Tensor:
        """A fresh mask of int16: -1 (all bits) where an element is kept, 0 where it is dropped.

        The bits come from NumPy's SFC64, which makes them twice as fast; its seed comes from torch, so that `torch.manual_seed`
        repeats the mask and a resumed training draws the one that the unbroken training would have drawn.
        """
        mask: torch.Tensor = _mask_of(torch.randint(2**62, (1,)), shape, self._dropped)
        return mask

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Zeroes elements in training and scales the others by 1 / (1 - p)."""
        if not self.active:
            return x
        result: torch.Tensor = _Masked.apply(x.contiguous(), self.draw(x.shape), 1 / (1 - self.p))
        return result


def replace_dropout(model: torch.nn.Module) -> int:
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
