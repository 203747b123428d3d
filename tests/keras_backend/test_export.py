"""Exports of what was trained, proven against it; bases proven before anything is trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gemma_poetry.config import LoraSettings
from gemma_poetry.errors import ModelError
from gemma_poetry.keras_backend import export as exporting, model as keras_model
from tests.keras_backend.test_model import PROBES, disturb, furthest, transformers_logits
from tests.tiny import make_tokenizer


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return make_tokenizer()


def trained(folder: Path) -> Any:
    model = keras_model.load_causal_lm(folder)
    keras_model.enable_lora(model, LoraSettings(rank=2, targets=tuple(keras_model.PROJECTIONS)))
    disturb(model)
    return model


def test_an_export_of_every_family_is_the_trained_model(keras_hub, any_checkpoint, tokenizer, tmp_path):
    from transformers import AutoTokenizer

    model = trained(any_checkpoint)
    assert exporting.export(model, any_checkpoint, tmp_path / "merged", PROBES, tokenizer) < exporting.PARITY
    mine = keras_model.logits_of(model, PROBES)
    assert furthest(mine, transformers_logits(tmp_path / "merged")) < exporting.PARITY
    assert furthest(mine, transformers_logits(any_checkpoint)) > 0.001, "the updates tell"
    base, written = (json.loads((folder / "config.json").read_text()) for folder in (any_checkpoint, tmp_path / "merged"))
    assert written == {**base, "dtype": "float32"}
    original, copied = (AutoTokenizer.from_pretrained(folder) for folder in (any_checkpoint, tmp_path / "merged"))
    assert copied.get_vocab() == original.get_vocab()


def test_an_export_of_something_else_is_refused_and_not_kept(keras_hub, checkpoint, tokenizer, tmp_path, monkeypatch):
    model = trained(checkpoint)
    # What KerasHub does by itself: the kernels go out without their updates.
    monkeypatch.setattr(exporting, "_kernel", lambda layer: exporting._array(layer._kernel))
    with pytest.raises(ModelError, match="differs from the trained one"):
        exporting.export(model, checkpoint, tmp_path / "merged", PROBES, tokenizer)
    assert not (tmp_path / "merged").exists()


def test_a_base_that_is_computed_otherwise_is_refused_before_the_training(keras_hub, checkpoint, tokenizer):
    model = keras_model.load_causal_lm(checkpoint)
    assert exporting.prove_base(model, checkpoint, tokenizer, PROBES) < exporting.PARITY
    kernel = model.backbone.transformer_layers[0].ffw_linear._kernel
    kernel.assign(kernel * 3)
    with pytest.raises(ModelError, match="otherwise than transformers"):
        exporting.prove_base(model, checkpoint, tokenizer, PROBES)
