"""A frozen projection with its LoRA update as one operation, for CPU training.

In: an adapted model with `replace_dropout`'s dropout. Out: the same model, whose projections are differentiated by formula.

A projection with update is y = x Wᵀ + s (x∘m Aᵀ) Bᵀ, with m the dropout's mask, already scaled. Module by module, as PEFT
computes it, x is cast to float32 for A and kept, and each product, scaling and sum makes a tensor of its own: at rank 8 a
hundredth of the arithmetic, and an eighth of a pass is saved without it (docs/results.md). With g = dL/dy the whole is

    h = x∘m Aᵀ          y = x Wᵀ + s h Bᵀ
    k = s g B           dL/dx = g W + (k A)∘m          dL/dA = kᵀ (x∘m)          dL/dB = s gᵀ h

where only x (which q, k and v share), m and the narrow h are kept. The narrow products are computed in the type of x: in
float32 that is what PEFT computes, in bfloat16 what autocast would; A and B themselves, and their gradients' sums over
parts of a batch, stay float32.
"""

from __future__ import annotations

import types
from typing import Any

import torch
from torch.nn import functional

from gemma_poetry.training.fused.dropout import CoarseDropout, masked


class _AdaptedProjection(torch.autograd.Function):
    """Shapes: x (N, in), weight (out, in), down A (rank, in), up B (out, rank), mask (N, in) or None."""

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        weight: torch.Tensor,
        down: torch.Tensor,
        up: torch.Tensor,
        mask: torch.Tensor | None,
        scale: float,
        kept: float,
    ) -> torch.Tensor:
        seen = x if mask is None else masked(x, mask)
        narrow = seen @ down.to(x.dtype).T  # (N, rank)
        ctx.save_for_backward(x, weight, down, up, narrow, *(() if mask is None else (mask,)))
        ctx.factor = scale / kept
        return functional.linear(x, weight).addmm_(narrow, up.to(x.dtype).T, alpha=ctx.factor)

    @staticmethod
    def backward(ctx: Any, *incoming: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, weight, down, up, narrow, *masks = ctx.saved_tensors
        gradient = incoming[0]
        into_narrow = (gradient @ up.to(x.dtype)).mul_(ctx.factor)  # (N, rank)
        seen = masked(x, masks[0]) if masks else x
        of_down = (into_narrow.T @ seen).to(down.dtype)
        of_up = (gradient.T @ narrow).to(up.dtype).mul_(ctx.factor)
        of_x = None
        if ctx.needs_input_grad[0]:
            through = into_narrow @ down.to(x.dtype)
            of_x = (gradient @ weight).add_(masked(through, masks[0]) if masks else through)
        return of_x, None, of_down, of_up, None, None, None


def _forward(layer: Any, x: torch.Tensor, *arguments: Any, **options: Any) -> torch.Tensor:
    if arguments or options or not layer.training or layer.disable_adapters or layer.merged or x.element_size() not in (2, 4):
        result: torch.Tensor = type(layer).forward(layer, x, *arguments, **options)
        return result
    (name,) = layer.active_adapters
    dropout = layer.lora_dropout[name]
    rows = x.reshape(-1, x.shape[-1])
    mask = dropout.draw(rows.shape) if isinstance(dropout, CoarseDropout) and dropout.active else None
    y: torch.Tensor = _AdaptedProjection.apply(
        rows, layer.base_layer.weight, layer.lora_A[name].weight, layer.lora_B[name].weight, mask, layer.scaling[name],
        1.0 if mask is None else 1 - dropout.p,
    )  # fmt: skip
    return y.view(*x.shape[:-1], -1)


def fuse_projections(model: torch.nn.Module) -> int:
    """Replaces the forward pass of every plain update on a frozen projection in place; returns how many there are.

    Left to PEFT are updates with more to them (DoRA, several adapters, a bias), bases that are more than a matrix
    (quantized), and evaluation.
    """
    from peft.tuners.lora.layer import Linear

    return sum(_replace(module) for module in model.modules() if type(module) is Linear)


def _replace(layer: Any) -> bool:
    base = layer.base_layer
    plain = (
        type(base) is torch.nn.Linear
        and base.bias is None
        and not base.weight.requires_grad
        and len(layer.lora_A) == 1
        and len(layer.active_adapters) == 1
        and not layer.lora_variant
        and all(update.bias is None for update in layer.lora_B.values())
        and all(isinstance(each, CoarseDropout | torch.nn.Identity) for each in layer.lora_dropout.values())
    )
    if plain:
        layer.forward = types.MethodType(_forward, layer)
    return plain
