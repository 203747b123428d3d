"""KerasHub against transformers: the same logits, likelihoods and poems from the same weights; exports of what was trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy
import pytest

from gemma_poetry.config import GenerateSettings, LoraSettings
from gemma_poetry.data.tokenization import encode_poems
from gemma_poetry.errors import ModelError, UsageError
from gemma_poetry.keras_backend import model as keras_model
from tests.tiny import make_poems, make_tokenizer

PROBES = [tuple(range(5, 45)), (2, 9, 8, 7)]  # the first is longer than two windows


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return make_tokenizer()


@pytest.fixture
def loaded(keras_hub: Any, checkpoint: Path) -> Any:
    return keras_model.load_causal_lm(checkpoint)


@pytest.fixture(scope="module")
def theirs(checkpoint: Path) -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32).eval()


def disturb(model: Any) -> None:
    """Updates as a training would leave them: not zero."""
    random = numpy.random.default_rng(1)
    for layer in keras_model._updated_layers(model.backbone):
        layer.lora_kernel_b.assign(random.normal(scale=0.3, size=layer.lora_kernel_b.shape))


def keras_logits(model: Any, ids: tuple[int, ...]) -> Any:
    row = numpy.array([ids], dtype="int32")
    return keras_model.logits(model, row, numpy.ones_like(row))


def test_logits_agree_with_transformers(loaded, theirs):
    import torch

    for probe in PROBES:
        with torch.inference_mode():
            expected = theirs(input_ids=torch.tensor([probe])).logits.numpy()
        assert numpy.abs(keras_logits(loaded, probe) - expected).max() < keras_model.PARITY


def test_likelihoods_and_perplexities_agree_with_transformers(loaded, theirs, tokenizer):
    from gemma_poetry.keras_backend.scoring import completion_nats, perplexities
    from gemma_poetry.model.scoring import score_completions

    poems = make_poems(7)
    samples = list(encode_poems(tokenizer, poems))
    scores = score_completions(theirs, samples)
    assert completion_nats(loaded, samples, pad_id=0, batch_size=3) == pytest.approx([s.nll for s in scores], abs=1e-3)
    found = perplexities(loaded, samples, [poem.characters for poem in poems], pad_id=0)
    nats = sum(score.nll for score in scores)
    assert found["ppl_token"] == pytest.approx(numpy.exp(nats / sum(score.tokens for score in scores)), rel=1e-5)
    assert found["ppl_char"] == pytest.approx(numpy.exp(nats / (7 * 20)), rel=1e-5)


def test_updates_have_the_recipes_rank_scale_and_places(loaded):
    before = keras_logits(loaded, PROBES[0])
    names = keras_model.enable_lora(loaded, LoraSettings(rank=2, alpha=6.0, targets=("q_proj", "v_proj")))
    assert len(names) == 14 and {name.rpartition("/")[2] for name in names} == {"query", "value"}
    assert len(loaded.trainable_variables) == 28
    assert numpy.array_equal(keras_logits(loaded, PROBES[0]), before), "fresh updates are zero"
    from keras import ops

    layer = keras_model._updated_layers(loaded.backbone)[0]
    disturb(loaded)
    product = ops.convert_to_numpy(ops.matmul(layer.lora_kernel_a, layer.lora_kernel_b))
    delta = ops.convert_to_numpy(layer.kernel) - ops.convert_to_numpy(layer._kernel)
    assert numpy.allclose(delta, 3.0 * product, atol=1e-6)


def test_an_export_is_the_trained_model(loaded, checkpoint, tmp_path):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    keras_model.enable_lora(loaded, LoraSettings(rank=2, targets=tuple(keras_model.PROJECTIONS)))
    disturb(loaded)
    trained = keras_logits(loaded, PROBES[0])
    assert keras_model.export(loaded, checkpoint, tmp_path / "merged", PROBES) < keras_model.PARITY
    exported = AutoModelForCausalLM.from_pretrained(tmp_path / "merged").eval()
    with torch.inference_mode():
        theirs = exported(input_ids=torch.tensor([PROBES[0]])).logits.numpy()
    assert numpy.abs(theirs - trained).max() < keras_model.PARITY
    base, written = (json.loads((folder / "config.json").read_text()) for folder in (checkpoint, tmp_path / "merged"))
    assert all(written[name] == base[name] for name in ("bos_token_id", "eos_token_id", "pad_token_id", "layer_types"))
    original, copied = (AutoTokenizer.from_pretrained(folder) for folder in (checkpoint, tmp_path / "merged"))
    assert copied.get_vocab() == original.get_vocab()


def test_an_export_of_something_else_is_refused_and_not_kept(loaded, checkpoint, tmp_path, monkeypatch):
    keras_model.enable_lora(loaded, LoraSettings(rank=2))
    disturb(loaded)
    # What KerasHub does by itself: the kernels go out without their updates.
    monkeypatch.setattr(keras_model, "fold_lora", lambda model: None)
    with pytest.raises(ModelError, match="differs from the trained one"):
        keras_model.export(loaded, checkpoint, tmp_path / "merged", PROBES)
    assert not (tmp_path / "merged").exists()


@pytest.mark.parametrize(
    "settings", [{"dora": True}, {"layers": (0,)}, {"targets": ("lm_head",)}], ids=["dora", "layers", "unknown target"]
)
def test_what_its_lora_does_not_have_is_refused(loaded, settings):
    with pytest.raises(UsageError):
        keras_model.enable_lora(loaded, LoraSettings(**settings))


def test_constrained_poems_are_those_of_transformers(loaded, theirs, tokenizer):
    from gemma_poetry.generation.generator import Generator
    from gemma_poetry.generation.requests import PoemRequest
    from gemma_poetry.keras_backend.bridge import KerasBridge

    wishes = [
        PoemRequest(form="五言绝句", title="春江", metre="free", novel=False),
        PoemRequest(form="五绝", metre="free", novel=False),
    ]
    poems = [
        Generator(model, tokenizer, GenerateSettings(temperature=0.0)).write(wishes)
        for model in (KerasBridge(loaded, tokenizer), theirs)
    ]
    ours, expected = ([written.poem.lines for written in found] for found in poems)
    assert ours == expected
    assert [list(map(len, lines)) for lines in ours] == [[5, 5, 5, 5]] * 2


def test_another_backend_of_keras_is_refused(keras_hub, monkeypatch):
    import keras

    monkeypatch.setattr(keras.backend, "backend", lambda: "tensorflow")
    with pytest.raises(UsageError, match="runs on tensorflow"):
        keras_model.import_keras()
