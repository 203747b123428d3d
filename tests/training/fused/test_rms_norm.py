"""Norms by formula: values and gradients of the plain ones, in every family that has them."""

from __future__ import annotations

import copy

import pytest
import torch

from gemma_poetry.config import LoraSettings
from gemma_poetry.model.lora import add_adapter
from gemma_poetry.training.fused.rms_norm import fuse_norms
from tests.families import family_model, small_tokenizer


def frozen_norm(dtype=torch.float32):
    from transformers.models.gemma3.modeling_gemma3 import Gemma3RMSNorm

    torch.manual_seed(0)
    norm = Gemma3RMSNorm(24).requires_grad_(False).to(dtype)
    norm.weight.copy_(torch.randn(24))
    return norm


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-6), (torch.bfloat16, 2e-2)])
def test_value_and_gradient(dtype, tolerance):
    plain = frozen_norm(dtype)
    fast = copy.deepcopy(plain)
    assert fuse_norms(fast) == 1
    x = torch.randn(3, 5, 24, dtype=dtype)
    weights = torch.randn(3, 5, 24, dtype=dtype)
    found = []
    for norm in (plain, fast):
        inputs = x.clone().requires_grad_()
        result = norm(inputs)
        (result * weights).sum().backward()
        found.append((result.detach(), inputs.grad))
    for expected, actual in zip(*found):
        torch.testing.assert_close(actual, expected, atol=tolerance, rtol=tolerance)


def test_only_the_input_and_a_number_a_row_are_kept():
    norm = frozen_norm()
    fuse_norms(norm)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor.numel()) or tensor, lambda t: t):
        norm(torch.randn(7, 24, requires_grad=True))
    assert sorted(kept) == [7, 24, 7 * 24]


@pytest.mark.parametrize(("family", "count"), [("gemma", 9), ("gemma2", 17), ("gemma3_text", 25), ("gemma4_text", 0)])
def test_models_compute_the_same(family, count):
    tokenizer = small_tokenizer(family)
    ids = torch.arange(110, 150)[None]
    model, _ = add_adapter(family_model(family, len(tokenizer)), LoraSettings(dropout=0.0), seed=1)
    with torch.no_grad():
        before = model(input_ids=ids).logits
        assert fuse_norms(model) == count
        torch.testing.assert_close(model(input_ids=ids).logits, before, atol=1e-5, rtol=1e-4)


def test_norms_that_are_trained_are_left_alone():
    from transformers.models.gemma3.modeling_gemma3 import Gemma3RMSNorm

    assert fuse_norms(Gemma3RMSNorm(8)) == 0
