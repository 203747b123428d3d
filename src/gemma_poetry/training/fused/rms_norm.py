"""Root-mean-square norms that keep their input and one number a row for the backward pass, and nothing else.

In: a model whose norms are frozen, as under LoRA. Out: the same model, its norms differentiated by formula.

A layer of Gemma 3 has six norms. Written in plain operations each keeps some five copies of its input, in float32 even
where the model computes in bfloat16: with an update on each projection that is the larger part of all activations. With
s = 1 + weight, r = 1 / sqrt(mean(x²) + eps) and H elements a row:

    y = x r s        dL/dx = r (g s - x r² sum(g s x) / H)        where g = dL/dy

Gemma 3n and 4 scale otherwise, and their norms are left as they are.
"""

from __future__ import annotations

import types
from typing import Any

import torch

_ONE_PLUS_WEIGHT = ("GemmaRMSNorm", "Gemma2RMSNorm", "Gemma3RMSNorm")


class _FrozenNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, scale: torch.Tensor, eps: float) -> torch.Tensor:
        # One cast, and then one type: operations on two types at once take many times as long on a CPU.
        wide = x.float()
        length = torch.linalg.vector_norm(wide, dim=-1, keepdim=True)
        inverse = length.square_().div_(x.shape[-1]).add_(eps).rsqrt_()  # (..., 1) float32
        ctx.save_for_backward(x, scale, inverse)
        return (wide * inverse).mul_(scale).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *incoming: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, scale, inverse = ctx.saved_tensors
        wide, scaled = x.float(), incoming[0].float() * scale  # (..., H) float32
        along = (scaled * wide).sum(-1, keepdim=True).mul_(inverse.square()).div_(-x.shape[-1])
        return scaled.addcmul_(wide, along).mul_(inverse).to(x.dtype), None, None


def _forward(norm: Any, x: torch.Tensor) -> torch.Tensor:
    # Taken at each call: sharded weights are whole only then.
    result: torch.Tensor = _FrozenNorm.apply(x, 1 + norm.weight.float(), norm.eps)
    return result


def fuse_norms(model: torch.nn.Module) -> int:
    """Replaces the forward pass of every frozen norm of Gemma 1 to 3 in place; returns how many there are."""
    replaced = 0
    for module in model.modules():
        if type(module).__name__ in _ONE_PLUS_WEIGHT and not any(weight.requires_grad for weight in module.parameters()):
            norm: Any = module
            norm.forward = types.MethodType(_forward, norm)
            replaced += 1
    return replaced
