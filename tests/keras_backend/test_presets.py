"""KerasHub's presets: named, found, refused, and trained on like any checkpoint."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from gemma_poetry.artifacts import read_json
from gemma_poetry.config import load_recipe
from gemma_poetry.data.tokenization import tokenizer_fingerprint
from gemma_poetry.errors import IncompleteModelError, ModelAccessError, ModelError, TokenizerMismatchError
from gemma_poetry.keras_backend import presets
from gemma_poetry.keras_backend.presets import as_transformers, fetch_preset, is_handle
from gemma_poetry.model.keras_preset import SENTENCEPIECE
from gemma_poetry.model.loading import load_tokenizer
from gemma_poetry.verbs.train_keras import find_base, train_with_keras
from tests.sentencepiece_model import make_sentencepiece
from tests.tiny import make_model, save_data

GEMMA_3 = {
    "vocabulary_size": 400,
    "num_layers": 7,
    "num_query_heads": 4,
    "num_key_value_heads": 2,
    "hidden_dim": 32,
    "intermediate_dim": 64,
    "head_dim": 16,
    "layer_norm_epsilon": 1e-6,
    "sliding_window_size": 16,
    "use_post_ffw_norm": True,
    "use_post_attention_norm": True,
    "use_sliding_window_attention": True,
    "vision_encoder": None,
    "dtype": {"module": "keras", "class_name": "DTypePolicy"},
}
GEMMA_2 = {**GEMMA_3, "attention_logit_soft_cap": 50.0, "final_logit_soft_cap": 30.0, "intermediate_dim": 128}
GEMMA_1 = {**GEMMA_2} | {"use_post_ffw_norm": False, "use_post_attention_norm": False, "use_sliding_window_attention": False}
GEMMA_1 |= {"attention_logit_soft_cap": None, "final_logit_soft_cap": None}


def written(settings: dict[str, Any], backbone: str = "Gemma3") -> dict[str, Any]:
    return {"registered_name": f"keras_hub>{backbone}Backbone", "config": settings}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "model.weights.h5").write_bytes(b"")
    return tmp_path


@pytest.mark.parametrize(
    ("preset", "model_type", "architecture"),
    [
        (written(GEMMA_1, "Gemma"), "gemma", "GemmaForCausalLM"),
        (written(GEMMA_2, "Gemma"), "gemma2", "Gemma2ForCausalLM"),
        (written(GEMMA_3), "gemma3_text", "Gemma3ForCausalLM"),
    ],
)
def test_a_preset_has_a_configuration_of_transformers(folder, preset, model_type, architecture):
    config = as_transformers(preset, folder)
    assert (config["model_type"], config["architectures"]) == (model_type, [architecture])
    shape = ("vocab_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "hidden_size", "head_dim")
    assert [config[name] for name in shape] == [400, 7, 4, 2, 32, 16] and config["intermediate_size"] == 64
    if model_type == "gemma2":
        assert (config["attn_logit_softcapping"], config["final_logit_softcapping"]) == (50.0, 30.0)
    if model_type != "gemma":
        assert config["sliding_window"] == 16 and config["query_pre_attn_scalar"] == 16


def test_a_stretched_rotation_is_carried_over(folder):
    rotations = as_transformers(written({**GEMMA_3, "global_rope_scaling_factor": 8.0}), folder)["rope_parameters"]
    assert rotations["full_attention"] == {"rope_type": "linear", "rope_theta": 1_000_000.0, "factor": 8.0}


@pytest.mark.parametrize(
    ("preset", "named"),
    [
        (written(GEMMA_3, "Llama"), "class 'keras_hub>LlamaBackbone'"),
        (written({**GEMMA_3, "vision_encoder": {"class_name": "Gemma3VisionEncoder"}}), "vision_encoder: an object"),
        (written({**GEMMA_3, "anything": {"class_name": "Lambda"}}), "anything: an object"),
        (written({**GEMMA_3, "is_embedding_model": True}), "is_embedding_model: True, not False"),
        (written({**GEMMA_3, "dropout": 0.1}), "dropout: 0.1"),
        (written({**GEMMA_3, "local_rope_scaling_factor": 2.0}), "local_rope_scaling_factor"),
        (written({name: value for name, value in GEMMA_3.items() if name != "head_dim"}), "head_dim: missing"),
        (written({**GEMMA_1, "final_logit_soft_cap": 30.0}, "Gemma"), "final_logit_soft_cap: 30.0, not None"),
    ],
)
def test_what_is_no_plain_gemma_of_text_is_refused(folder, preset, named):
    with pytest.raises(ModelError, match=named):
        as_transformers(preset, folder)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"num_layers": 10**9}, "config.num_layers"),
        ({"hidden_dim": "32"}, "config.hidden_dim"),
        ({"intermediate_dim": [64]}, "config.intermediate_dim"),
        ({"layer_norm_epsilon": -1.0}, "config.layer_norm_epsilon"),
        ({"head_dim": None}, "config.head_dim"),
        ({"dtype": {"auto_map": {"a": "evil.B"}}}, "auto_map"),
    ],
)
def test_fields_that_no_preset_has_are_refused_before_keras_sees_them(folder, changes, named):
    (folder / "config.json").write_text(json.dumps(written(GEMMA_3 | changes)))
    with pytest.raises(ModelError, match=re.escape(named)):
        find_base(str(folder), folder)


def test_a_preset_without_weights_is_refused(tmp_path):
    with pytest.raises(IncompleteModelError, match="no weights"):
        as_transformers(written(GEMMA_3), tmp_path)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("gemma3_instruct_1b", True),
        ("kaggle://keras/gemma3/keras/gemma3_1b", True),
        ("hf://keras/gemma3_1b", True),
        ("google/gemma-3-270m", False),
        ("./folder/preset", False),
    ],
)
def test_handles_are_told_from_folders_and_hub_ids(spec, expected):
    assert is_handle(spec) is expected


def test_a_preset_that_was_downloaded_before_is_found_by_its_name_and_its_handle(keras_hub, tmp_path, monkeypatch):
    pytest.importorskip("kagglehub")
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path))
    handle = presets.preset_names()["gemma3_instruct_1b"].removeprefix(presets.KAGGLE)
    place = tmp_path / "models" / handle
    place.mkdir(parents=True)
    (place / "config.json").write_text("{}")
    place.with_name(place.name + ".complete").touch()
    assert fetch_preset("gemma3_instruct_1b") == fetch_preset(f"kaggle://{handle}") == place


def test_a_preset_out_of_reach_is_refused_with_what_to_do(keras_hub, monkeypatch):
    import huggingface_hub
    import kagglehub

    def unreachable(*_: Any, **__: Any) -> str:
        raise OSError("Failed to resolve 'api.kaggle.com'")

    monkeypatch.setattr(kagglehub, "model_download", unreachable)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    with pytest.raises(ModelAccessError) as refused:
        fetch_preset("gemma3_instruct_1b")
    text = str(refused.value)
    assert "Failed to resolve" in text and "KAGGLE_KEY" in text and "https://www.kaggle.com/models/keras/gemma3" in text
    assert "model_download('keras/gemma3/keras/gemma3_instruct_1b/" in text and "--model" in text
    with pytest.raises(ModelAccessError, match=r"(?s)HF_TOKEN.*hf download keras/gemma3_1b"):
        fetch_preset("hf://keras/gemma3_1b")


def test_an_unknown_name_is_refused_with_its_neighbours(keras_hub):
    with pytest.raises(ModelError, match=r"did you mean.*gemma3_instruct_1b"):
        fetch_preset("gemma3_instruct_1bn")


@pytest.fixture(scope="module")
def saved(keras_hub: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A preset as KerasHub saves it: a Gemma 3 with a SentencePiece tokenizer."""
    from transformers import GemmaTokenizer

    base = tmp_path_factory.mktemp("base")
    (base / "tokenizer.model").write_bytes(make_sentencepiece())
    make_model(GemmaTokenizer.from_pretrained(base), num_hidden_layers=7, sliding_window=16).save_pretrained(base)
    folder = tmp_path_factory.mktemp("saved") / "preset"
    keras_hub.models.Gemma3Backbone.from_preset(str(base), dtype="float32").save_to_preset(str(folder))
    proto = str(base / "tokenizer.model")
    keras_hub.models.Gemma3Tokenizer(proto=proto, has_vision_tokens=False).save_to_preset(str(folder))
    return folder


def test_a_preset_is_trained_and_exported_with_its_tokenizer(saved, tmp_path):
    from gemma_poetry.model.loading import load_model
    from gemma_poetry.model.scoring import score_completions

    data = save_data(tmp_path / "DATA", load_tokenizer(str(saved)), train=16, held_out=4)
    recipe = load_recipe(None, ["train.max_steps=2", "train.learning_rate=0.01", "lora.dropout=0"])
    manifest = train_with_keras(data, str(saved), tmp_path / "RUN", recipe)
    assert manifest["base"]["name"] == "preset" and manifest["base_difference"] < 1e-4 > manifest["export_difference"]
    merged = load_model(str(tmp_path / "RUN" / "merged"))
    assert tokenizer_fingerprint(merged.tokenizer) == read_json(data / "manifest.json")["tokenizer"]["fingerprint"]
    config = read_json(tmp_path / "RUN" / "merged" / "config.json")
    assert (config["pad_token_id"], config["eos_token_id"], config["bos_token_id"]) == (0, 1, 2)
    from gemma_poetry.data.tokenization import read_tokenized

    scores = score_completions(merged.model, read_tokenized(data / "test.txt", merged.tokenizer))
    nats = sum(score.nll for score in scores) / sum(score.tokens for score in scores)
    import math

    assert manifest["perplexity"]["after"]["test"]["ppl_token"] == pytest.approx(math.exp(nats), rel=1e-4)


def test_a_damaged_preset_is_refused(saved, tmp_path):
    import shutil

    from gemma_poetry.keras_backend.model import load_causal_lm

    broken = shutil.copytree(saved, tmp_path / "broken")
    (broken / "model.weights.h5").write_bytes((saved / "model.weights.h5").read_bytes()[:5000])
    with pytest.raises(IncompleteModelError, match="cannot read the weights"):
        load_causal_lm(broken)


def test_data_of_another_tokenizer_is_refused_and_that_of_a_like_one_taken(saved, tmp_path):
    other = save_data(tmp_path / "OTHER", train=4, held_out=2)
    with pytest.raises(TokenizerMismatchError, match=f"prepare again with --model {saved}"):
        find_base(str(saved), other)

    # The tokenizer of the same model in the format of transformers, whose data has chat prompts.
    like = tmp_path / "like"
    tokenizer = load_tokenizer(str(saved))
    tokenizer.chat_template = "{{ messages[0]['content'] }}<end_of_turn>\n"
    tokenizer.save_pretrained(like)
    data = save_data(tmp_path / "DATA", load_tokenizer(str(like)), train=4, held_out=2)
    manifest = read_json(data / "manifest.json")
    manifest["tokenizer"]["name"] = str(like)
    (data / "manifest.json").write_text(json.dumps(manifest))
    assert find_base(str(saved), data).tokenizer.chat_template == tokenizer.chat_template

    # The same with pieces that the preset has under other ids.
    moved = tmp_path / "moved"
    (moved / SENTENCEPIECE).parent.mkdir(parents=True)
    (moved / SENTENCEPIECE).write_bytes(make_sentencepiece(turns=("<end_of_turn>", "<start_of_turn>")))
    (moved / "config.json").write_text(json.dumps(written(GEMMA_3)))
    data = save_data(tmp_path / "MOVED", load_tokenizer(str(moved)), train=4, held_out=2)
    manifest = read_json(data / "manifest.json")
    manifest["tokenizer"]["name"] = str(moved)
    (data / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(TokenizerMismatchError, match="2 pieces under other ids"):
        find_base(str(saved), data)
