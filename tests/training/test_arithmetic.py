"""The arithmetic of a training: settled once, by what the device has, and kept by whoever goes on."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from gemma_poetry.artifacts import read_json, write_json
from gemma_poetry.config import load_recipe
from gemma_poetry.runs import STARTED, RunFolder
from gemma_poetry.training import arithmetic
from gemma_poetry.training.finetuning import finetune

CONFIG = SimpleNamespace(hidden_size=640, intermediate_size=[2048])
CONFIG.get_text_config = lambda: CONFIG


def gpu(monkeypatch: pytest.MonkeyPatch, kind: str | None) -> None:
    """A machine without a GPU, or with one that only emulates bfloat16, or with one that has it."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: kind is not None)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation or kind == "new")


@pytest.mark.parametrize("kind", ["old", "new"])
def test_products_are_in_bfloat16_on_gpus_that_have_it(tmp_path, monkeypatch, kind):
    gpu(monkeypatch, kind)
    multiplies = lambda wanted: arithmetic.multiplies_in_bfloat16(RunFolder(tmp_path, {}), wanted, CONFIG)  # noqa: E731
    assert multiplies("auto") == (kind == "new")
    assert multiplies("bfloat16") and not multiplies("float32")


@pytest.mark.parametrize("processes", [1, 2])
def test_only_a_process_that_works_alone_times_the_processor(tmp_path, monkeypatch, processes):
    gpu(monkeypatch, None)
    monkeypatch.setattr(arithmetic, "is_faster_in_bfloat16", lambda hidden, width: (hidden, width) == (640, 2048))
    monkeypatch.setenv("WORLD_SIZE", str(processes))
    run = RunFolder(tmp_path, {})
    assert arithmetic.multiplies_in_bfloat16(run, "auto", CONFIG) == (processes == 1)
    assert arithmetic.weights_dtype(run, "auto") == ("fastest" if processes == 1 else "auto")


@pytest.mark.parametrize("begun", ["bfloat16", "float32"])
def test_whoever_goes_on_keeps_the_arithmetic(tmp_path, monkeypatch, begun):
    monkeypatch.setattr(arithmetic, "is_faster_in_bfloat16", lambda *_: begun == "float32")
    write_json(tmp_path / STARTED, {"dtype": begun})
    run = RunFolder(tmp_path, {}, checkpoint=tmp_path / "checkpoint-1")
    assert arithmetic.multiplies_in_bfloat16(run, "auto", CONFIG) == (begun == "bfloat16")
    assert arithmetic.weights_dtype(run, "auto") == begun
    run.note_dtype(begun)
    (tmp_path / STARTED).unlink()
    run.restore()
    assert read_json(tmp_path / STARTED) == {"dtype": begun}, "a folder that went missing"


def test_a_training_of_every_weight_notes_what_it_multiplies_in(tiny_model_and_data, tmp_path, monkeypatch):
    monkeypatch.setattr(arithmetic, "is_faster_in_bfloat16", lambda *_: True)
    model, data = tiny_model_and_data
    manifest = finetune(data, str(model), tmp_path / "RUN", load_recipe(None, ["train.method=full", "train.max_steps=1"]))
    assert read_json(tmp_path / "RUN" / STARTED)["dtype"] == "bfloat16" and manifest["dtype"] == "float32"
