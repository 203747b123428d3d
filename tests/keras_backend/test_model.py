"""KerasHub against transformers: the same logits and likelihoods from the same weights; updates as the recipe says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import pytest

from gemma_poetry.config import LoraSettings
from gemma_poetry.data.tokenization import encode_poems
from gemma_poetry.errors import IncompleteModelError, UsageError
from gemma_poetry.keras_backend import model as keras_model
from gemma_poetry.keras_backend.export import PARITY
from tests.tiny import make_poems, make_tokenizer

PROBES = [tuple(range(5, 45)), (2, 9, 8, 7)]  # the first is longer than two windows


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return make_tokenizer()


@pytest.fixture
def loaded(keras_hub: Any, checkpoint: Path) -> Any:
    return keras_model.load_causal_lm(checkpoint)


def transformers_logits(folder: Path) -> list[Any]:
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.inference_mode():
        return [model(input_ids=torch.tensor([probe])).logits[0].numpy() for probe in PROBES]


def disturb(model: Any) -> None:
    """Updates as a training would leave them: not zero, and not so large that attention jumps at the last digit."""
    random = numpy.random.default_rng(1)
    for layer in keras_model.updated_layers(model).values():
        layer.lora_kernel_b.assign(random.normal(scale=0.05, size=layer.lora_kernel_b.shape))


def furthest(mine: list[Any], theirs: list[Any]) -> float:
    return max(float(numpy.abs(ours - others).max()) for ours, others in zip(mine, theirs, strict=True))


def test_logits_of_every_family_agree_with_transformers(keras_hub, any_checkpoint):
    theirs = transformers_logits(any_checkpoint)
    assert furthest(keras_model.logits_of(keras_model.load_causal_lm(any_checkpoint), PROBES), theirs) < PARITY
    assert max(numpy.abs(scores).max() for scores in theirs) > 0.1, "there is something to agree on"


def test_likelihoods_and_perplexities_agree_with_transformers(keras_hub, any_checkpoint, tokenizer):
    import torch
    from transformers import AutoModelForCausalLM

    from gemma_poetry.keras_backend.scoring import completion_nats, perplexities
    from gemma_poetry.model.scoring import score_completions

    model = keras_model.load_causal_lm(any_checkpoint)
    poems = make_poems(7)
    samples = list(encode_poems(tokenizer, poems))
    theirs = AutoModelForCausalLM.from_pretrained(any_checkpoint, dtype=torch.float32).eval()
    scores = score_completions(theirs, samples)
    assert completion_nats(model, samples, pad_id=0, batch_size=3) == pytest.approx([s.nll for s in scores], rel=1e-5)
    found = perplexities(model, samples, [poem.characters for poem in poems], pad_id=0)
    nats = sum(score.nll for score in scores)
    assert found["ppl_token"] == pytest.approx(numpy.exp(nats / sum(score.tokens for score in scores)), rel=1e-5)
    assert found["ppl_char"] == pytest.approx(numpy.exp(nats / (7 * 20)), rel=1e-5)
    words = perplexities(model, samples, [3] * len(samples), pad_id=0, unit="word")
    assert words == {"ppl_token": found["ppl_token"], "ppl_word": pytest.approx(numpy.exp(nats / (3 * len(samples))), rel=1e-5)}


def test_updates_have_the_recipes_rank_scale_and_places(loaded):
    before = keras_model.logits_of(loaded, PROBES)
    names = keras_model.enable_lora(loaded, LoraSettings(rank=2, alpha=6.0, targets=("q_proj", "v_proj")))
    assert len(names) == 14 and {name.rpartition("/")[2] for name in names} == {"query", "value"}
    assert len(loaded.trainable_variables) == 28, "two factors a layer, no kernel"
    assert furthest(keras_model.logits_of(loaded, PROBES), before) == 0, "fresh updates are zero"
    from keras import ops

    layer = keras_model.updated_layers(loaded)[names[0]]
    disturb(loaded)
    product = ops.convert_to_numpy(ops.matmul(layer.lora_kernel_a, layer.lora_kernel_b))
    delta = ops.convert_to_numpy(layer.kernel) - ops.convert_to_numpy(layer._kernel)
    assert numpy.allclose(delta, 3.0 * product, atol=1e-6)


def test_updates_on_some_layers_alone_are_trained(loaded):
    names = keras_model.enable_lora(loaded, LoraSettings(rank=2, layers=(1, 6), targets=("q_proj", "down_proj")))
    places = {f"decoder_block_{layer}/{name}" for layer in (1, 6) for name in ("attention/query", "ffw_linear")}
    assert set(names) == places and len(names) == 4
    assert len(loaded.trainable_variables) == 8


def test_saved_updates_are_the_trained_model_for_kerashub_too(loaded, checkpoint, tmp_path):
    keras_model.enable_lora(loaded, LoraSettings(rank=2, alpha=8.0, rslora=True))
    disturb(loaded)
    trained = keras_model.logits_of(loaded, PROBES)
    keras_model.save_updates(loaded, tmp_path / "updates.lora.h5")
    assert furthest(keras_model.logits_of(loaded, PROBES), trained) < PARITY
    fresh = keras_model.load_causal_lm(checkpoint)
    fresh.backbone.enable_lora(2, target_layer_names=["query", "key", "value", "attention_output"])
    fresh.backbone.load_lora_weights(str(tmp_path / "updates.lora.h5"))
    assert furthest(keras_model.logits_of(fresh, PROBES), trained) < PARITY


@pytest.mark.parametrize("settings", [{"layers": (7,)}, {"layers": ()}, {"targets": ("lm_head",)}], ids=str)
def test_places_that_the_model_does_not_have_are_refused(loaded, settings):
    with pytest.raises(UsageError, match=next(iter(settings))):
        keras_model.enable_lora(loaded, LoraSettings(**settings))


def test_weights_of_another_shape_are_refused(keras_hub, checkpoint, tmp_path):
    import json
    import shutil

    folder = shutil.copytree(checkpoint, tmp_path / "other")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "intermediate_size": config["intermediate_size"] * 2}))
    with pytest.raises(IncompleteModelError, match="cannot read the weights"):
        keras_model.load_causal_lm(folder)


def test_another_backend_of_keras_is_refused(keras_hub, monkeypatch):
    import keras

    monkeypatch.setattr(keras.backend, "backend", lambda: "tensorflow")
    with pytest.raises(UsageError, match="runs on tensorflow"):
        keras_model.import_keras()
