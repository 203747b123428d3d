"""Dropout by 16 bits: how often, how scaled, and where it stands."""

from __future__ import annotations

import torch

from gemma_poetry.config import LoraSettings
from gemma_poetry.model.lora import add_adapter
from gemma_poetry.training.fused.dropout import CoarseDropout, replace_dropout
from tests.tiny import make_model, make_tokenizer


def test_the_share_that_is_dropped_and_the_scale_of_the_rest():
    torch.manual_seed(0)
    dropout = CoarseDropout(0.05)
    result = dropout(torch.ones(1001, 1003))
    # A million draws: the standard deviation of the share is 0.0002.
    assert abs((result == 0).double().mean().item() - 0.05) < 0.001
    assert torch.unique(result).tolist() == [0, torch.tensor(1 / (1 - dropout.p)).item()]
    assert abs(dropout.p - 0.05) < 1 / 2**16


def test_neighbours_are_dropped_independently():
    torch.manual_seed(0)
    dropped = (CoarseDropout(0.5)(torch.ones(400_000)) == 0).double().view(-1, 4)
    correlation = torch.corrcoef(dropped.T) - torch.eye(4)
    assert correlation.abs().max() < 0.02


def test_evaluation_and_zero_probability_leave_everything():
    x = torch.randn(5, 7)
    assert CoarseDropout(0.3).eval()(x) is x
    assert CoarseDropout(0.0)(x) is x


def test_the_gradient_passes_where_the_value_does_and_a_seed_repeats_it():
    dropout = CoarseDropout(0.3)
    x = torch.ones(50, 30, dtype=torch.bfloat16, requires_grad=True)
    torch.manual_seed(4)
    result = dropout(x)
    result.sum().backward()
    assert torch.equal(x.grad, result.detach()) and result.dtype == torch.bfloat16
    torch.manual_seed(4)
    assert torch.equal(dropout(x), result)


def test_every_update_gets_it_and_the_adapter_stays_the_same():
    model, names = add_adapter(make_model(make_tokenizer()), LoraSettings(dropout=0.1), seed=1)
    before = set(model.state_dict())
    assert replace_dropout(model) == len(names)
    assert set(model.state_dict()) == before
    assert sum(isinstance(module, CoarseDropout) for module in model.modules()) == len(names)
    assert not any(isinstance(module, torch.nn.Dropout) for name, module in model.named_modules() if "lora_dropout" in name)
