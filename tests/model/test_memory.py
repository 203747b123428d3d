"""Memory estimates: counts of parameters as published, activations as autograd keeps them, and what each setting changes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import Any

import pytest
import torch

from gemma_poetry.config import LoraSettings
from gemma_poetry.model.catalogue import PUBLISHED
from gemma_poetry.model.families import FAMILIES
from gemma_poetry.model.lora import add_adapter
from gemma_poetry.model.memory import ATTENTION_PROJECTIONS, CHUNK_BYTES, estimate_memory, kept_by_all, kept_bytes, read_shape
from gemma_poetry.training.fused.dropout import replace_dropout
from gemma_poetry.training.fused.lora_linear import fuse_projections
from gemma_poetry.training.fused.rms_norm import fuse_norms

# Parameters of the language models as KerasHub publishes them, counted there by another implementation. Its embedding of
# the Gemma 3 sizes with vision has the 262,144 rows of text; the published checkpoints have 64 rows more.
COUNTS = {
    "google/gemma-2b": 2_506_172_416,
    "google/gemma-7b": 8_537_680_896,
    "google/gemma-2-2b": 2_614_341_888,
    "google/gemma-2-9b": 9_241_705_984,
    "google/gemma-2-27b": 27_227_128_320,
    "google/gemma-3-270m": 268_098_176,
    "google/gemma-3-1b-pt": 999_885_952,
    "google/gemma-3-4b-pt": 3_880_099_328 + 64 * 2560,
    "google/gemma-3-12b-pt": 11_765_788_416 + 64 * 3840,
    "google/gemma-3-27b-pt": 27_009_002_240 + 64 * 5376,
}
BASE = {
    "vocab_size": 64,
    "hidden_size": 64,
    "num_hidden_layers": 6,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "intermediate_size": 192,
    "pad_token_id": 0,
    "sliding_window": 64,
}
PER_LAYER = {"vocab_size_per_layer_input": 64, "hidden_size_per_layer_input": 16}
TINY: dict[str, dict[str, Any]] = {
    "gemma": {},
    "gemma2": {"query_pre_attn_scalar": 16},
    "gemma3_text": {"query_pre_attn_scalar": 16},
    "gemma3n_text": {
        **PER_LAYER,
        "num_kv_shared_layers": 0,
        "laurel_rank": 8,
        "activation_sparsity_pattern": [0.0] * 6,
        "layer_types": ["sliding_attention", "sliding_attention", "full_attention"] * 2,
    },
    "gemma4_text": {**PER_LAYER, "global_head_dim": 32},
}


def tiny(family: str) -> Any:
    from transformers import AutoConfig

    return AutoConfig.for_model(family, **BASE, **TINY[family])


@pytest.mark.parametrize("model", [model for model in PUBLISHED if model.name in COUNTS], ids=lambda model: model.name)
def test_shapes_have_the_published_number_of_parameters(model):
    assert read_shape(model.config()).parameters == COUNTS[model.name]


def test_the_names_and_licences_of_what_is_published():
    assert {FAMILIES[model.model_type] for model in PUBLISHED} == set(FAMILIES.values())
    assert {model.name for model in PUBLISHED} >= set(COUNTS)
    tuned = {model.name: model.tuned for model in PUBLISHED}
    assert tuned["google/gemma-3-1b-pt"] == "google/gemma-3-1b-it"
    assert tuned["google/gemma-3-270m"] == "google/gemma-3-270m-it"
    assert all(("4" in model.name.split("-")[1]) == (model.licence == "Apache-2.0") for model in PUBLISHED)


@contextmanager
def activation_meter(model: Any) -> Iterator[list[int]]:
    """Counts the bytes that autograd keeps while the block runs; parameters, and tensors kept twice, count once.

    The outputs of the block must live until the count is read: freed storages would be taken for others.
    """

    weights = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
    kept: set[int] = set()
    total = [0]

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights and storage.data_ptr() not in kept:
            kept.add(storage.data_ptr())
            total[0] += storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        yield total


@pytest.mark.parametrize("dropout", [0.05, 0.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("family", TINY)
def test_activations_are_those_that_autograd_keeps(family, dtype, dropout):
    from transformers import AutoModelForCausalLM

    config = tiny(family)
    base = AutoModelForCausalLM.from_config(config, attn_implementation="eager", dtype=dtype)
    model, _ = add_adapter(base, LoraSettings(rank=2, dropout=dropout, targets=ATTENTION_PROJECTIONS), 1)
    for hasten in (fuse_norms, replace_dropout, fuse_projections):  # as training does on a CPU
        hasten(model)
    model.train()
    ids = torch.randint(3, 60, (4, 32))
    mask = torch.ones_like(ids)
    mask[1:, -3:] = 0  # real batches have padding: its mask keeps attention from sharing keys between heads
    with activation_meter(model) as kept:
        states = base.model(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
        measured = kept[0]
    assert states.requires_grad
    expected = kept_bytes(read_shape(config), dtype.itemsize, 32, dropout=dropout > 0, rank=2) * ids.numel()
    assert measured == pytest.approx(expected, rel=0.09)


@pytest.mark.parametrize("family", TINY)
def test_activations_of_a_full_training_are_those_that_autograd_keeps(family):
    from transformers import AutoModelForCausalLM

    config = tiny(family)
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").train()
    ids = torch.randint(3, 60, (4, 32))
    mask = torch.ones_like(ids)
    mask[1:, -3:] = 0
    with activation_meter(model) as kept:
        states = model.model(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
        measured = kept[0]
    assert states.requires_grad
    assert measured == pytest.approx(kept_by_all(read_shape(config), 4, 32) * ids.numel(), rel=0.09)


def test_a_full_training_counts_moments_of_every_weight_and_all_logits():
    shape = read_shape(tiny("gemma3_text"))
    full = estimate_memory(shape, batch=2, tokens=50, full=True)
    assert full.weights == 4 * shape.parameters and full.adapter == 12 * shape.parameters
    assert full.logits == 12 * 2 * 50 * shape.vocabulary
    assert full.activations > estimate_memory(shape, batch=2, tokens=50).activations


def test_an_adapter_has_as_many_parameters_as_peft_gives_it():
    from transformers import AutoModelForCausalLM

    shape = read_shape(tiny("gemma3_text"))
    for targets in (ATTENTION_PROJECTIONS, (*ATTENTION_PROJECTIONS, "gate_proj", "up_proj", "down_proj")):
        model, _ = add_adapter(
            AutoModelForCausalLM.from_config(tiny("gemma3_text")), LoraSettings(rank=3, targets=targets), seed=1
        )
        trainable = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
        assert shape.lora_parameters(3, targets) == trainable


def test_what_each_setting_changes():
    shape = read_shape(next(model for model in PUBLISHED if model.name == "google/gemma-3-270m").config())

    def parts(**settings: Any) -> dict[str, int]:
        estimate = estimate_memory(shape, batch=4, tokens=100, **settings)
        return {part.name: getattr(estimate, part.name) for part in fields(estimate)}

    def changed(**settings: Any) -> dict[str, float]:
        found = parts(**settings)
        return {part: found[part] / max(1, value) for part, value in plain.items() if found[part] != value}

    plain = parts()
    assert plain["weights"] == 4 * shape.parameters
    assert plain["logits"] == 2 * CHUNK_BYTES + 4 * 100 * 640 * 4
    assert changed(vocabulary_rows=14_000).keys() == {"weights", "logits"}
    assert parts(vocabulary_rows=14_000)["logits"] == 2 * 4 * 400 * 14_000 + 4 * 400 * 640
    assert changed(completion_tokens=200).keys() == {"logits"}
    assert changed(lora_rank=16)["adapter"] == 2.0 and 1 < changed(lora_rank=16)["activations"] < 1.01
    assert changed(gradient_checkpointing=True).keys() == {"activations", "heap"}
    assert changed(gradient_checkpointing=True)["activations"] < 0.25
    half = changed(dtype="bfloat16")
    assert plain["kernels"] == 0 < half["kernels"] and parts(dtype="bfloat16", on_gpu=True)["kernels"] == 0
    packed = parts(dtype="bfloat16", packed=True)["kernels"] - parts(dtype="bfloat16")["kernels"]
    assert packed == 2 * shape.linear_parameters, "a second copy of the layers"
    assert half["weights"] == 0.5 and 0.5 < half["activations"] < 1
    quantized = parts(dtype="bfloat16", quantized=True)
    four_bit = shape.linear_parameters * 4.127 / 8
    assert quantized["weights"] == pytest.approx(four_bit + 2 * (shape.parameters - shape.linear_parameters), rel=1e-6)
    scoring = parts(lora_rank=0)
    assert scoring["adapter"] == scoring["activations"] == scoring["heap"] == 0
    assert plain["heap"] == plain["activations"] // 2 and parts(on_gpu=True)["heap"] == 0


def test_the_chunk_is_that_of_the_trainers_loss():
    from gemma_poetry.model import completion_loss

    assert CHUNK_BYTES == completion_loss.CHUNK_BYTES


def test_total_is_the_sum_of_the_parts():
    estimate = estimate_memory(read_shape(tiny("gemma")), batch=1, tokens=8)
    assert estimate.total == sum(getattr(estimate, part.name) for part in fields(estimate))
