"""Layers with packed weights: the same numbers, bit for bit, and nothing of it left behind."""

from __future__ import annotations

import pytest
import torch

from gemma_poetry.config import LoraSettings
from gemma_poetry.model import packed_layers as module
from gemma_poetry.model.families import cpu_has_bfloat16
from gemma_poetry.model.lora import add_adapter
from gemma_poetry.model.packed_layers import packed_layers
from tests.families import FAMILY_NAMES, family_model

needs_bfloat16 = pytest.mark.skipif(not cpu_has_bfloat16(), reason="this processor has no bfloat16")
IDS = torch.arange(3, 15).reshape(2, 6)


@pytest.fixture(autouse=True)
def small_layers_too(monkeypatch):
    monkeypatch.setattr(module, "_LEAST_VALUES", 1)


def replaced(model) -> int:
    return sum("forward" in vars(part) for part in model.modules())


def logits(model) -> torch.Tensor:
    with torch.inference_mode():
        return model(input_ids=IDS).logits


@needs_bfloat16
@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_every_family_computes_the_same_bits(family):
    model = family_model(family, 64).bfloat16().eval()
    plain, before = logits(model), replaced(model)
    with torch.inference_mode(), packed_layers(model):
        assert replaced(model) > before
        with packed_layers(model):
            assert torch.equal(logits(model), plain)
        assert torch.equal(logits(model), plain), "a block within another leaves the layers to that"
    assert replaced(model) == before


@needs_bfloat16
def test_weights_that_have_changed_are_packed_anew():
    model = family_model("gemma3", 64).bfloat16().eval()
    with torch.inference_mode(), packed_layers(model):
        first = logits(model)
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(1.5)
    with torch.inference_mode(), packed_layers(model):
        packed = logits(model)
    assert torch.equal(packed, logits(model)) and not torch.equal(packed, first)


@needs_bfloat16
def test_an_adapter_counts():
    model, _ = add_adapter(family_model("gemma3", 64).bfloat16(), LoraSettings(rank=2), seed=3)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_(generator=torch.Generator().manual_seed(4))
    model.eval()
    with torch.inference_mode(), packed_layers(model):
        packed = logits(model)
    assert torch.equal(packed, logits(model))


def test_other_models_and_trainings_stay_as_they_are():
    model = family_model("gemma3", 64)
    before = replaced(model)
    with torch.inference_mode(), packed_layers(model):
        assert replaced(model) == before, "float32"
    with packed_layers(model.bfloat16()):
        assert replaced(model) == before, "gradients are wanted"


@needs_bfloat16
def test_layers_of_large_models_are_not_held_twice(monkeypatch):
    monkeypatch.setattr(module, "_MOST_BYTES", 1000)
    model = family_model("gemma3", 64).bfloat16()
    with torch.inference_mode(), packed_layers(model):
        assert replaced(model) == replaced(family_model("gemma3", 64))


@needs_bfloat16
def test_what_breaks_off_leaves_nothing_behind():
    model = family_model("gemma3", 64).bfloat16()
    before = replaced(model)
    with pytest.raises(KeyboardInterrupt), torch.inference_mode(), packed_layers(model):
        raise KeyboardInterrupt
    assert replaced(model) == before
