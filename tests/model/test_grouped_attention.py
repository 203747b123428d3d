"""Attention by groups is PyTorch's own: values, gradients, windows, padding, caches, of every family."""

from __future__ import annotations

import pytest
import torch

from gemma_poetry.model import grouped_attention
from gemma_poetry.model.grouped_attention import GROUPED, group_attention
from tests.families import FAMILY_NAMES, family_model

IDS = torch.arange(2, 42).reshape(2, 20) % 50 + 3
PADDED = torch.ones_like(IDS)
PADDED[1, :6] = 0


def passes(model):
    """Logits of padded rows, gradients of all weights, and the logits of tokens read one by one."""
    model.train()
    output = model(input_ids=IDS, attention_mask=PADDED, use_cache=False)
    logits = output.logits * PADDED[..., None]
    logits.square().mean().backward()
    gradients = {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}
    model.zero_grad()
    model.eval()
    with torch.no_grad():
        read = model(input_ids=IDS[:, :15], attention_mask=PADDED[:, :15], use_cache=True)
        steps = [read.logits[:, -1]]
        for place in range(15, 20):
            read = model(
                input_ids=IDS[:, place : place + 1], attention_mask=PADDED[:, : place + 1], use_cache=True, cache=read.cache
            )
            steps.append(read.logits[:, -1])
    return logits.detach(), gradients, torch.stack(steps)


@pytest.mark.parametrize("longest", [512, 4], ids=["short rows", "left to PyTorch"])
@pytest.mark.parametrize("name", FAMILY_NAMES)
def test_values_and_gradients_are_those_of_pytorch(name, longest, monkeypatch):
    monkeypatch.setattr(grouped_attention, "_LONGEST", longest)
    model = family_model(name, 60)
    config = model.config.get_text_config()
    capped = config._attn_implementation != "sdpa"
    expected = passes(model)
    called, attend = [], grouped_attention._Grouped.apply
    monkeypatch.setattr(grouped_attention._Grouped, "apply", lambda *own: called.append(1) or attend(*own))
    assert group_attention(model) is not capped
    found = passes(model)
    assert (config._attn_implementation == GROUPED) is not capped
    assert bool(called) == (not capped and longest == 512)
    for ours, theirs in zip((found[0], found[2]), (expected[0], expected[2])):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    assert found[1].keys() == expected[1].keys()
    for weight, gradient in expected[1].items():
        assert (found[1][weight] - gradient).abs().max() <= 1e-4 * gradient.abs().max() + 1e-7, weight


def test_in_bfloat16_it_is_as_near_to_float32_as_pytorch():
    q, k, v = (torch.randn(2, heads, 20, 16, generator=torch.Generator().manual_seed(heads + 1)) for heads in (4, 2, 2))
    exact = torch.nn.functional.scaled_dot_product_attention(q, k, v, scale=0.3, enable_gqa=True).transpose(1, 2)
    half = [part.bfloat16() for part in (q, k, v)]
    theirs = torch.nn.functional.scaled_dot_product_attention(*half, scale=0.3, enable_gqa=True).transpose(1, 2)
    ours, _none = grouped_attention._attend(None, *half, None, scaling=0.3)
    assert ours.dtype == torch.bfloat16
    assert (ours.float() - exact).abs().mean() < 1.5 * (theirs.float() - exact).abs().mean()
