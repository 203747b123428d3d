"""Projections with update as one operation: values and gradients of PEFT's, and what is left to PEFT."""

from __future__ import annotations

import copy

import pytest
import torch

from gemma_poetry.config import LoraSettings
from gemma_poetry.model.lora import add_adapter
from gemma_poetry.training.fused.dropout import replace_dropout
from gemma_poetry.training.fused.lora_linear import fuse_projections
from tests.families import family_model, small_tokenizer
from tests.tiny import make_model, make_tokenizer


def adapted(dtype=torch.float32, **settings):
    model, names = add_adapter(make_model(make_tokenizer()).to(dtype), LoraSettings(**settings), seed=1)
    generator = torch.Generator().manual_seed(3)
    for name, weight in model.named_parameters():
        if "lora_" in name:
            # A fresh B is zero, and an update of zero would prove nothing. PEFT keeps updates in float32.
            weight.data = torch.randn(weight.shape, generator=generator) * 0.1
    return model.train(), names


def loss_and_gradients(model):
    ids = torch.arange(20, 60).view(2, 20)
    torch.manual_seed(5)
    loss = model(input_ids=ids, labels=ids).loss
    loss.backward()
    return loss.item(), {name: weight.grad for name, weight in model.named_parameters() if weight.requires_grad}


@pytest.mark.parametrize("dropout", [0.0, 0.25])
def test_loss_and_gradients_are_those_of_peft(dropout):
    plain, names = adapted(dropout=dropout, targets=("q_proj", "v_proj", "o_proj", "down_proj"))
    replace_dropout(plain)
    fast = copy.deepcopy(plain)
    assert fuse_projections(fast) == len(names)
    (loss, expected), (fast_loss, found) = loss_and_gradients(plain), loss_and_gradients(fast)
    assert fast_loss == pytest.approx(loss, rel=1e-6)
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        assert gradient.abs().max() > 0
        torch.testing.assert_close(found[name], gradient, atol=1e-7, rtol=1e-4, msg=name)


def test_bfloat16_differs_by_rounding_only():
    plain, _ = adapted(torch.bfloat16, dropout=0.25)
    replace_dropout(plain)
    fast = copy.deepcopy(plain)
    fuse_projections(fast)
    (loss, expected), (fast_loss, found) = loss_and_gradients(plain), loss_and_gradients(fast)
    assert fast_loss == pytest.approx(loss, rel=1e-2)
    for name, gradient in expected.items():
        assert found[name].dtype == gradient.dtype == torch.float32
        assert (found[name] - gradient).norm() < 0.05 * gradient.norm(), name


def test_each_update_draws_its_own_mask():
    model, _ = adapted(dropout=0.5)
    replace_dropout(model)
    fuse_projections(model)
    first, second = loss_and_gradients(model)[0], loss_and_gradients(model)[0]
    assert first == second, "a seed repeats the masks"
    attention = next(module for module in model.modules() if hasattr(module, "q_proj"))
    x = torch.ones(1, 4, attention.q_proj.in_features)
    with torch.no_grad():
        base = attention.q_proj.base_layer(x)
        assert not torch.equal(attention.q_proj(x) - base, attention.q_proj(x) - base)


def test_compiled_layers_compute_the_same_and_draw_their_own_masks():
    plain, _ = adapted(dropout=0.25)
    replace_dropout(plain)
    fuse_projections(plain)
    compiled = copy.deepcopy(plain)
    for layer in compiled.get_base_model().model.layers:
        layer.compile(backend="aot_eager")  # traced and differentiated as by any backend, without a C++ compiler
    (loss, expected), (fast_loss, found) = loss_and_gradients(plain), loss_and_gradients(compiled)
    assert fast_loss == pytest.approx(loss, rel=1e-5)
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, atol=1e-6, rtol=1e-3, msg=name)


def test_little_is_kept_for_the_backward_pass():
    model, _ = adapted(dropout=0.25)
    replace_dropout(model)
    fuse_projections(model)
    layer = next(module for module in model.modules() if hasattr(module, "lora_A"))
    x = torch.randn(50, layer.in_features, requires_grad=True)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor) or tensor, lambda tensor: tensor):
        layer(x)
    activations = sorted((tensor.numel() * tensor.element_size() for tensor in kept if tensor.shape[0] == 50), reverse=True)
    narrow = LoraSettings().rank
    assert activations == sorted((50 * layer.in_features * 4, 50 * layer.in_features * 2, 50 * narrow * 4), reverse=True)


def test_evaluation_and_switched_off_adapters_are_peft():
    plain, _ = adapted(dropout=0.25)
    fast = copy.deepcopy(plain)
    replace_dropout(fast)
    fuse_projections(fast)
    ids = torch.arange(20, 40)[None]
    with torch.no_grad():
        with plain.disable_adapter(), fast.disable_adapter():
            bare = fast(input_ids=ids).logits
            assert torch.equal(bare, plain(input_ids=ids).logits)
        evaluated = fast.eval()(input_ids=ids).logits
        assert torch.equal(evaluated, plain.eval()(input_ids=ids).logits)
    assert not torch.equal(bare, evaluated)


def test_what_is_more_than_a_plain_update_is_left_to_peft():
    assert fuse_projections(adapted(dora=True)[0]) == 0
    assert fuse_projections(adapted(dropout=0.2)[0]) == 0, "its dropout is torch's own"
    trained, _ = adapted(dropout=0.0)
    for module in trained.modules():
        if hasattr(module, "lora_A"):
            module.base_layer.weight.requires_grad_(True)
    assert fuse_projections(trained) == 0


@pytest.mark.parametrize("family", ["gemma", "gemma2", "gemma3_text", "gemma3n_text", "gemma4_text"])
def test_every_family_computes_the_same(family):
    tokenizer = small_tokenizer(family)
    ids = torch.arange(110, 150)[None]
    model, names = add_adapter(family_model(family, len(tokenizer)), LoraSettings(dropout=0.0), seed=1)
    model.train()
    before = model(input_ids=ids).logits.detach()
    assert fuse_projections(model) == len(names)
    torch.testing.assert_close(model(input_ids=ids).logits.detach(), before, atol=1e-5, rtol=1e-4)
