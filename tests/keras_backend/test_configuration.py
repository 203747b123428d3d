"""What KerasHub would compute wrongly is refused before it is loaded. (No Keras is needed for this.)"""

from __future__ import annotations

import re
from typing import Any

import pytest

from gemma_poetry.artifacts import read_json
from gemma_poetry.errors import ModelError
from gemma_poetry.keras_backend.configuration import check_configuration


def test_the_published_recipe_and_our_own_models_are_taken(checkpoint):
    from gemma_poetry.model.catalogue import PUBLISHED
    from gemma_poetry.model.locating import packaged_model

    check_configuration(read_json(checkpoint / "config.json"), checkpoint)
    check_configuration(read_json(packaged_model("mini") / "config.json"), "mini")
    for model in PUBLISHED:
        if model.name in {"google/gemma-3-270m", "google/gemma-3-1b-pt"}:
            settings = {"query_pre_attn_scalar": 256, "sliding_window": 512}
            check_configuration({**model.config().to_dict(), **settings}, model.name)


def _rotation(kind: str, **changes: Any) -> dict[str, Any]:
    entries = {
        "sliding_attention": {"rope_theta": 10_000.0, "rope_type": "default"},
        "full_attention": {"rope_theta": 1_000_000.0, "rope_type": "default"},
    }
    return {"rope_parameters": {**entries, kind: entries[kind] | changes}}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"layer_types": ["full_attention"] * 7}, "layer_types: layer 0"),
        ({"layer_types": (["sliding_attention"] * 2 + ["full_attention"]) * 2 + ["sliding_attention"]}, "layer 2"),
        ({"query_pre_attn_scalar": 24}, "query_pre_attn_scalar: 24, not the head size 16"),
        ({"attn_logit_softcapping": 50.0}, "attn_logit_softcapping: 50.0"),
        ({"final_logit_softcapping": 30.0}, "final_logit_softcapping: 30.0"),
        ({"use_bidirectional_attention": True}, "use_bidirectional_attention"),
        ({"tie_word_embeddings": False}, "tie_word_embeddings"),
        ({"attention_bias": True}, "attention_bias"),
        ({"hidden_activation": "silu"}, "hidden_activation: silu"),
        ({"sliding_window": None}, "sliding_window: none"),
        (_rotation("full_attention", rope_theta=500_000.0), "full_attention.rope_theta: 500000.0, not 1e+06"),
        (_rotation("sliding_attention", rope_theta=1e6), "sliding_attention.rope_theta"),
        (_rotation("full_attention", rope_type="yarn", factor=8.0), "full_attention.rope_type: yarn"),
        (_rotation("sliding_attention", rope_type="linear", factor=8.0), "sliding_attention.rope_type: linear, not default"),
        ({"rope_scaling": {"rope_type": "linear", "factor": 8.0}}, "rope_scaling"),
        ({"model_type": "gemma3"}, "does not take models of type 'gemma3'"),
        ({"model_type": "gemma4_text"}, "type 'gemma4_text'"),
    ],
)
def test_what_is_off_the_recipe_is_refused_by_name(checkpoint, changes, named):
    config = {**read_json(checkpoint / "config.json"), **changes}
    with pytest.raises(ModelError, match=re.escape(named)):
        check_configuration(config, checkpoint)


def test_all_faults_are_named_at_once(checkpoint):
    config = read_json(checkpoint / "config.json")
    with pytest.raises(ModelError, match=r"query_pre_attn_scalar.*attn_logit_softcapping"):
        check_configuration({**config, "query_pre_attn_scalar": 8, "attn_logit_softcapping": 50.0}, checkpoint)


GEMMA_1 = {"model_type": "gemma", "num_hidden_layers": 3, "num_key_value_heads": 2, "head_dim": 16, "rms_norm_eps": 1e-6}
GEMMA_2 = {**GEMMA_1, "model_type": "gemma2", "query_pre_attn_scalar": 16, "sliding_window": 16}


def test_the_recipes_of_gemma_1_and_2_are_taken():
    for config in (GEMMA_1, {**GEMMA_1, "hidden_act": "gelu"}, GEMMA_2, {**GEMMA_2, "attn_logit_softcapping": 50.0}):
        check_configuration(config, "FOLDER")


@pytest.mark.parametrize(
    ("config", "changes", "named"),
    [
        (GEMMA_1, {"rms_norm_eps": 1e-5}, "rms_norm_eps: 1e-05, not 1e-06"),
        (GEMMA_1, {"hidden_act": "silu"}, "hidden_act: silu"),
        (GEMMA_1, {"rope_theta": 20_000.0}, "rope_parameters.rope_theta: 20000.0, not 10000"),
        (GEMMA_1, {"rope_parameters": {"rope_type": "linear", "factor": 2.0}}, "rope_parameters.rope_type: linear"),
        (GEMMA_2, {"query_pre_attn_scalar": 144}, "query_pre_attn_scalar: 144, not the head size 16"),
        (GEMMA_2, {"layer_types": ["full_attention", "sliding_attention", "full_attention"]}, "layer 0 is not as in 1 sliding"),
        (GEMMA_2, {"sliding_window": None}, "sliding_window: none"),
        (GEMMA_2, {"tie_word_embeddings": False}, "tie_word_embeddings"),
    ],
)
def test_what_is_off_the_recipes_of_gemma_1_and_2_is_refused(config, changes, named):
    with pytest.raises(ModelError, match=re.escape(named)):
        check_configuration({**config, **changes}, "FOLDER")
