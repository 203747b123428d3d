"""A model that grew computes what the small one did, and refuses shapes that it cannot grow into."""

from __future__ import annotations

import pytest
import torch

from gemma_poetry.errors import ModelError
from gemma_poetry.model.character_tokenizer import build_character_tokenizer
from gemma_poetry.model.presets import PRESETS, Preset, build_preset
from gemma_poetry.training.growth import grow

SMALL = Preset(layers=2, hidden=32, heads=2, key_value_heads=1, head_size=16, feed_forward=64)
KNOWN, MORE = build_character_tokenizer("春江花月夜"), build_character_tokenizer("月夜春江花潮水")


def make(shape: Preset, tokenizer, monkeypatch, seed: int = 1):
    monkeypatch.setitem(PRESETS, "mini", shape)
    model = build_preset("mini", tokenizer, seed)
    if shape == SMALL:
        with torch.no_grad():
            for weight in model.parameters():
                # Large enough that the epsilon of the norms does not count.
                weight.add_(torch.randn(weight.shape, generator=torch.Generator().manual_seed(2)) * 0.3)
    return model


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"layers": 3},
        {"hidden": 48},
        {"heads": 4},
        {"feed_forward": 96},
        {"layers": 4, "hidden": 64, "heads": 4, "feed_forward": 128},
    ],
)
def test_nothing_is_forgotten(change, monkeypatch):
    small = make(SMALL, KNOWN, monkeypatch)
    shape = Preset(**{field: change.get(field, getattr(SMALL, field)) for field in SMALL.__slots__})
    large = make(shape, MORE, monkeypatch, seed=3)
    grow(small, KNOWN, large, MORE, new_share=0.0)
    text = "春江花月夜"
    before = small(KNOWN(text, return_tensors="pt").input_ids).logits[0]
    after = large(MORE(text, return_tensors="pt").input_ids).logits[0]
    pieces = list(KNOWN.get_vocab())
    old, new = (tokenizer.convert_tokens_to_ids(pieces) for tokenizer in (KNOWN, MORE))
    torch.testing.assert_close(after[:, new], before[:, old], atol=2e-5, rtol=1e-4)


def test_every_new_place_learns(monkeypatch):
    small = make(SMALL, KNOWN, monkeypatch)
    large = make(
        Preset(layers=3, hidden=48, heads=4, key_value_heads=1, head_size=16, feed_forward=96), MORE, monkeypatch, seed=3
    )
    grow(small, KNOWN, large, MORE)
    ids = MORE("春江花月夜", return_tensors="pt").input_ids
    large(ids, labels=ids).loss.backward()
    weights = dict(large.named_parameters())
    assert weights["model.layers.0.self_attn.q_proj.weight"].grad[:, 32:].abs().sum() > 0
    assert weights["model.layers.0.mlp.down_proj.weight"].grad[:, 64:].abs().sum() > 0
    assert weights["model.layers.2.post_feedforward_layernorm.weight"].grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("change", "said"),
    [({"hidden": 16}, "hidden_size 32 and 16"), ({"layers": 1}, "num_hidden_layers"), ({"head_size": 8}, "head_dim 16 and 8")],
)
def test_what_cannot_grow_is_refused(change, said, monkeypatch):
    small = make(SMALL, KNOWN, monkeypatch)
    shape = Preset(**{field: change.get(field, getattr(SMALL, field)) for field in SMALL.__slots__})
    with pytest.raises(ModelError, match=said):
        grow(small, KNOWN, make(shape, KNOWN, monkeypatch, seed=3), KNOWN)
