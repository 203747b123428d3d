"""Grouped attention multiplies all query heads that share a key head at once; on CPUs, for rows as short as poems.

In: a model whose attention is that of PyTorch (`sdpa`). Out: the same model, whose short rows are attended by plain products.

PyTorch's fused kernel computes on a CPU head by head, and in bfloat16 no faster than in float32: in a training step of
Gemma 3 270M it takes as long as a quarter of all products. With P = softmax(s Q Kᵀ + mask) and g = dL/dO:

    O = P V      dL/dV = Pᵀ g      D = P ∘ (g Vᵀ - rowsum(P ∘ g Vᵀ))      dL/dQ = s D K      dL/dK = s Dᵀ Q

where P is computed again in the backward pass, so that no more is kept than the fused kernel keeps. Softmax is in float32.
"""

from __future__ import annotations

from typing import Any

import torch

GROUPED = "gemma_poetry_grouped"
"""Its name among the attention implementations of transformers."""

_LONGEST = 512
"""Tokens of a row up to which all of its chances may stand in memory at once; longer ones are left to PyTorch."""


class _Grouped(torch.autograd.Function):
    """Shapes: queries (B, key heads, group * T, D), keys and values (B, key heads, S, D), mask (B or 1, 1, T, S), added."""

    @staticmethod
    def forward(
        ctx: Any, queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, mask: torch.Tensor | None, scale: float
    ) -> torch.Tensor:
        ctx.save_for_backward(queries, keys, values, mask)
        ctx.scale = scale
        return _chances(queries, keys, mask, scale).to(values.dtype) @ values

    @staticmethod
    def backward(ctx: Any, *incoming: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        queries, keys, values, mask = ctx.saved_tensors
        (gradient,) = incoming
        chances = _chances(queries, keys, mask, ctx.scale)
        of_values = chances.to(values.dtype).transpose(-1, -2) @ gradient
        of_chances = (gradient @ values.transpose(-1, -2)).float()
        along = (chances * of_chances).sum(-1, keepdim=True)
        of_scores = of_chances.sub_(along).mul_(chances).mul_(ctx.scale).to(queries.dtype)
        return of_scores @ keys, of_scores.transpose(-1, -2) @ queries, of_values, None, None


def _chances(queries: torch.Tensor, keys: torch.Tensor, mask: torch.Tensor | None, scale: float) -> torch.Tensor:
    """What each query gives each key, (B, key heads, group * T, S), float32."""
    scores = (queries @ keys.transpose(-1, -2)).float().mul_(scale)
    if mask is not None:
        rows = scores.view(*scores.shape[:2], -1, mask.shape[-2], scores.shape[-1])
        rows += mask[:, :, None]
    return scores.softmax(dim=-1)


def _attend(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """As transformers calls attention: query (B, heads, T, D), key and value (B, key heads, S, D), a mask that is added."""
    batch, heads, tokens, width = query.shape
    if dropout or max(tokens, key.shape[2]) > _LONGEST:
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        attended, _none = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **options
        )
        return attended, None
    groups = query.reshape(batch, key.shape[1], -1, width)
    mask = None if attention_mask is None else attention_mask[..., : key.shape[2]]
    attended = _Grouped.apply(groups, key, value, mask, width**-0.5 if scaling is None else scaling)
    return attended.view(batch, heads, tokens, -1).transpose(1, 2).contiguous(), None


def group_attention(model: Any) -> bool:
    """Has a model on a CPU attend by groups, where its attention is PyTorch's; returns whether it does now.

    Args:
        model: A causal language model of transformers, wrapped by PEFT or not.
    """
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import eager_mask

    config = model.config.get_text_config()
    if config._attn_implementation != "sdpa" or next(model.parameters()).device.type != "cpu":
        return False
    AttentionInterface.register(GROUPED, _attend)
    AttentionMaskInterface.register(GROUPED, eager_mask)
    config._attn_implementation = GROUPED
    return True
