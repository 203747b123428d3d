"""LoRA: exactly the projections that were asked for, and a refusal where nothing matches."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from gemma_poetry.config import LoraSettings
from gemma_poetry.errors import UsageError
from gemma_poetry.model.lora import add_adapter, matched_modules
from tests.tiny import make_model, make_tokenizer

ROOT = Path(__file__).parents[2]


@pytest.fixture
def model():
    return make_model(make_tokenizer())


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        (
            {},
            [
                f"model.layers.{n}.{block}.{p}_proj"
                for n in (0, 1)
                for block, parts in (("self_attn", "qkvo"), ("mlp", ("gate", "up", "down")))
                for p in parts
            ],
        ),
        ({"targets": ("q_proj",)}, ["model.layers.0.self_attn.q_proj", "model.layers.1.self_attn.q_proj"]),
        (
            {"targets": ("q_proj", "v_proj"), "layers": (1,)},
            ["model.layers.1.self_attn.q_proj", "model.layers.1.self_attn.v_proj"],
        ),
        ({"targets": ("down_proj",), "layers": (0,)}, ["model.layers.0.mlp.down_proj"]),
    ],
    ids=["default", "queries", "one layer", "feed-forward"],
)  # fmt: skip
def test_what_matches_is_what_trains(model, settings, names):
    settings = LoraSettings(**settings)
    assert matched_modules(model, settings) == names
    adapted, matched = add_adapter(model, settings, seed=0)
    trained = {
        name.split(".lora_")[0].removeprefix("base_model.model.") for name, p in adapted.named_parameters() if p.requires_grad
    }
    assert matched == names and trained == set(names)


SAVED = """
import sys
from gemma_poetry.config import LoraSettings
from gemma_poetry.model.lora import add_adapter
from tests.tiny import make_model, make_tokenizer
targets = ("v_proj", "q_proj", "down_proj", "o_proj", "up_proj", "k_proj", "gate_proj")
add_adapter(make_model(make_tokenizer()), LoraSettings(targets=targets), seed=1)[0].save_pretrained(sys.argv[1])
"""


def test_what_is_saved_is_the_same_bytes_in_every_process(tmp_path):
    for seed in ("1", "2"):  # of Python's hashes, which decide the order of a set
        environment = os.environ | {"PYTHONHASHSEED": seed}
        subprocess.run([sys.executable, "-c", SAVED, str(tmp_path / seed)], check=True, env=environment, cwd=ROOT)
    first, second = ((tmp_path / seed / "adapter_config.json").read_bytes() for seed in ("1", "2"))
    assert first == second
    assert json.loads(first)["target_modules"] == sorted(json.loads(first)["target_modules"])


def test_towers_are_left_out(model):
    model.vision_tower = torch.nn.ModuleDict(
        {"layers": torch.nn.ModuleList([torch.nn.ModuleDict({"q_proj": torch.nn.Linear(4, 4)})])}
    )
    adapted, matched = add_adapter(model, LoraSettings(targets=("q_proj",)), seed=0)
    assert matched == ["model.layers.0.self_attn.q_proj", "model.layers.1.self_attn.q_proj"]
    assert not any("vision" in name for name, p in adapted.named_parameters() if p.requires_grad)


@pytest.mark.parametrize("settings", [{"targets": ("query",)}, {"layers": (7,)}])
def test_nothing_matched_is_refused_with_what_there_is(model, settings):
    with pytest.raises(UsageError, match="match nothing") as raised:
        matched_modules(model, LoraSettings(**settings))
    assert "q_proj" in raised.value.expected and "layers 0 to 1" in raised.value.expected


def test_the_seed_decides_the_first_update():
    def first(seed):
        adapted, _ = add_adapter(make_model(make_tokenizer()), LoraSettings(), seed)
        return next(p for n, p in adapted.named_parameters() if "lora_A" in n)

    assert torch.equal(first(1), first(1)) and not torch.equal(first(1), first(2))
