"""Muon: orthogonal directions, AdamW beside it, and state that resumes."""

from __future__ import annotations

import copy

import pytest
import torch

from gemma_poetry.training.muon import MuonWithAdamW, orthogonalize


@pytest.mark.parametrize("shape", [(8, 8), (8, 24), (24, 8)])
def test_singular_values_come_near_one(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(orthogonalize(matrix))
    assert values.min() > 0.6 and values.max() < 1.3
    assert orthogonalize(matrix).dtype == matrix.dtype


def test_products_in_bfloat16_point_the_same_way():
    matrix = torch.randn((12, 20), generator=torch.Generator().manual_seed(2))
    exact, rounded = orthogonalize(matrix), orthogonalize(matrix, dtype=torch.bfloat16)
    assert rounded.dtype == torch.float32
    assert torch.nn.functional.cosine_similarity(exact.flatten(), rounded.flatten(), dim=0) > 0.99


def test_the_direction_is_that_of_the_exact_polar_factor():
    matrix = torch.randn((12, 20), generator=torch.Generator().manual_seed(1))
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    exact = left @ right
    cosine = torch.nn.functional.cosine_similarity(orthogonalize(matrix).flatten(), exact.flatten(), dim=0)
    assert cosine > 0.97


def test_the_other_parameters_step_as_torchs_adamw():
    ours, theirs = (torch.nn.Parameter(torch.linspace(-1, 1, 6)) for _ in range(2))
    optimizer = MuonWithAdamW([], [ours], learning_rate=0.1, adamw_learning_rate=0.01)
    reference = torch.optim.AdamW([theirs], lr=0.01, betas=(0.9, 0.98), eps=1e-8, weight_decay=0.0)
    for step in range(5):
        for parameter in (ours, theirs):
            parameter.grad = torch.sin(parameter.detach() * 3 + step)
        optimizer.step()
        reference.step()
    torch.testing.assert_close(ours, theirs)


def test_saved_state_resumes_to_the_bit():
    def train(parameters, optimizer, steps):
        for step in steps:
            for parameter in parameters:
                parameter.grad = torch.cos(parameter.detach() + step)
            optimizer.step()

    def fresh():
        generator = torch.Generator().manual_seed(2)
        parameters = [
            torch.nn.Parameter(torch.randn(4, 6, generator=generator)),
            torch.nn.Parameter(torch.randn(5, generator=generator)),
        ]
        return parameters, MuonWithAdamW(parameters[:1], parameters[1:], learning_rate=0.02, adamw_learning_rate=0.01)

    whole, optimizer = fresh()
    train(whole, optimizer, range(6))
    half, optimizer = fresh()
    train(half, optimizer, range(3))
    saved = copy.deepcopy(optimizer.state_dict())
    resumed = [torch.nn.Parameter(parameter.detach().clone()) for parameter in half]
    optimizer = MuonWithAdamW(resumed[:1], resumed[1:], learning_rate=0.02, adamw_learning_rate=0.01)
    optimizer.load_state_dict(saved)
    train(resumed, optimizer, range(3, 6))
    assert all(torch.equal(a, b) for a, b in zip(whole, resumed))
