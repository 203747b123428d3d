"""Without KerasHub (make keras) these tests are skipped, except those that need no Keras."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.tiny import make_model, make_tokenizer

os.environ.setdefault("KERAS_BACKEND", "torch")
INSTALLED = find_spec("keras_hub") is not None

# Seven layers: five that see a window of 16, one that sees all, and one more with a window.
SHAPE = {"num_hidden_layers": 7, "sliding_window": 16}
VARIANTS = ("gemma", "gemma with two key-value heads", "gemma2", "gemma3 stretched", "gemma3")


@pytest.fixture(scope="session")
def keras_hub() -> Any:
    if not INSTALLED:
        pytest.skip("KerasHub is not installed here: run make keras-test")
    from gemma_poetry.keras_backend.environment import import_keras

    return import_keras()


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Gemma 3 on the published recipe, random, in the published layout; its BOS and EOS have unusual ids."""
    return save(tmp_path_factory.mktemp("checkpoint"), "gemma3")


@pytest.fixture(scope="session", params=VARIANTS)
def any_checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of each family that the backend takes; norms and weights far from those of an untrained model."""
    return save(tmp_path_factory.mktemp("any"), request.param)


def save(folder: Path, variant: str) -> Path:
    """Writes a random checkpoint and its tokenizer."""
    tokenizer = make_tokenizer()
    _make(tokenizer, variant).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _make(tokenizer: Any, variant: str) -> Any:
    import torch
    import transformers

    if variant == "gemma3":
        return make_model(tokenizer, **SHAPE)
    if variant == "gemma3 stretched":
        rotations = {
            "sliding_attention": {"rope_type": "default", "rope_theta": 10_000.0},
            "full_attention": {"rope_type": "linear", "rope_theta": 1_000_000.0, "factor": 8.0},
        }
        return disturbed(make_model(tokenizer, **SHAPE, rope_parameters=rotations))
    shape: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "hidden_size": 48,
        "intermediate_size": 64,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 1,
        "head_dim": 16,
        **{name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")},
    }
    torch.manual_seed(0)
    if variant == "gemma2":
        config = transformers.Gemma2Config(**shape, sliding_window=16, query_pre_attn_scalar=16)
        return disturbed(transformers.Gemma2ForCausalLM(config))
    if "two" in variant:
        shape["num_key_value_heads"] = 2
    return disturbed(transformers.GemmaForCausalLM(transformers.GemmaConfig(**shape)))


def disturbed(model: Any) -> Any:
    """A model whose every weight tells: an untrained one's norms are all alike, and its attention is nearly flat."""
    import torch

    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "norm" in name:
                weight.normal_(0, 0.3)
            else:
                weight.mul_(6)
    return model.float().eval()
