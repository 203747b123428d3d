"""Architectures of our own: the described shape and size, and a training step."""

from __future__ import annotations

import pytest
import torch

from gemma_poetry.errors import UsageError
from gemma_poetry.model.presets import PRESETS, build_preset, preset_config
from tests.tiny import make_poems, make_tokenizer


def parameters(name: str, pieces: int) -> int:
    from transformers import Gemma3ForCausalLM

    config = preset_config(name, make_tokenizer())
    config.vocab_size = pieces
    with torch.device("meta"):
        model = Gemma3ForCausalLM(config)
    model.tie_weights()
    return sum(weight.numel() for weight in model.parameters())


def test_350m_is_the_described_architecture():
    config = preset_config("350m", make_tokenizer())
    assert (config.num_hidden_layers, config.hidden_size, config.num_attention_heads) == (24, 1024, 16)
    assert 330e6 < parameters("350m", 8_000) < 370e6


def test_mini_fits_the_package():
    # bfloat16: two bytes a parameter; 40 MiB is what the package may carry.
    assert 2 * parameters("mini", 8_500) < 40 * 2**20


def test_two_layers_of_350m_take_a_training_step(monkeypatch):
    from dataclasses import replace

    from gemma_poetry.data.dataset import PaddedCollator, PoemDataset
    from gemma_poetry.data.tokenization import encode_poems
    from gemma_poetry.model.completion_loss import CompletionHead, completion_losses

    monkeypatch.setitem(PRESETS, "350m", replace(PRESETS["350m"], layers=2))
    tokenizer = make_tokenizer()
    model = build_preset("350m", tokenizer, seed=1)
    samples = list(encode_poems(tokenizer, make_poems(2)))
    batch = PaddedCollator(tokenizer.pad_token_id)([PoemDataset(samples)[index] for index in (0, 1)])
    head = CompletionHead(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    losses = []
    for _ in range(3):
        loss = completion_losses(model, head, batch).mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[2] < losses[0]


def test_an_unknown_preset_is_named_with_the_nearest():
    with pytest.raises(UsageError, match="did you mean mini"):
        preset_config("minni", make_tokenizer())


def test_the_seed_decides_the_weights():
    tokenizer = make_tokenizer()
    first, again, other = (build_preset("mini", tokenizer, seed).model.layers[0].mlp.up_proj.weight for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)
