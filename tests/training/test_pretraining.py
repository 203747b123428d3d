"""Pretraining from a DATA folder to a MODEL that loads, and resuming it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from gemma_poetry.artifacts import read_json, sha256_file, write_json
from gemma_poetry.config import load_recipe
from gemma_poetry.corpus.reading import load_poems
from gemma_poetry.data.prompts import CLASSICAL
from gemma_poetry.errors import DataError, ModelError, RunError
from gemma_poetry.generation.carried_lines import find_guards
from gemma_poetry.model.loading import load_model
from gemma_poetry.model.presets import PRESETS, Preset
from gemma_poetry.training.best_weights import BEST
from gemma_poetry.training.pretraining import pretrain
from tests.tiny import save_data

SETTINGS = load_recipe(
    None,
    [
        "pretrain.max_steps=12",
        "pretrain.batch_blocks=4",
        "pretrain.save_steps=6",
        "pretrain.evaluation_steps=6",
        "pretrain.warmup_steps=2",
        "pretrain.logging_steps=2",
        "pretrain.minimum_count=1",
        "pretrain.epochs=20",
    ],
).pretrain
TINY = Preset(layers=2, hidden=32, heads=2, key_value_heads=1, head_size=16, feed_forward=64)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> tuple[Path, Path]:
    """DATA and a MODEL of 12 unbroken steps."""
    folder = tmp_path_factory.mktemp("pretraining")
    data = save_data(folder / "DATA", train=200, held_out=8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PRESETS, "mini", TINY)
        pretrain(data, folder / "MODEL", SETTINGS)
    return data, folder / "MODEL"


def test_the_model_loads_and_learnt(trained):
    _, model = trained
    loaded = load_model(str(model), device="cpu")
    assert loaded.model.config.num_hidden_layers == 2 and loaded.model.dtype == torch.float32
    points = [json.loads(line) for line in (model / "curve.jsonl").read_text().splitlines()]
    losses = [point["loss"] for point in points if "loss" in point]
    assert losses[-1] < losses[0]
    assert any("ppl_char/五言绝句" in point for point in points)


def test_the_manifest_names_the_splits_it_saw_and_was_kept_from(trained):
    data, model = trained
    manifest = json.loads((model / "manifest.json").read_text())
    assert manifest["data"]["splits"] == {name: sha256_file(data / name) for name in ("train.jsonl", "val.jsonl", "test.jsonl")}
    assert manifest["steps"] == 12 and manifest["tokens_seen"] > 0
    assert manifest["files"]["model.safetensors"]["sha256"] == sha256_file(model / "model.safetensors")


def test_the_model_carries_the_lines_that_it_was_trained_on(trained):
    data, model = trained
    (guard,) = find_guards(str(model))
    assert all(line in guard for poem in load_poems(data, "train") for line in poem.lines)
    assert "known_lines.npz" in read_json(model / "manifest.json")["files"]


def test_resuming_gives_the_same_weights(trained, tmp_path, monkeypatch):
    data, model = trained
    monkeypatch.setitem(PRESETS, "mini", TINY)
    out = tmp_path / "MODEL"
    shutil.copytree(model, out)
    shutil.rmtree(out / "checkpoint-12")
    for name in ("model.safetensors", "manifest.json"):
        (out / name).unlink()
    pretrain(data, out, SETTINGS, resume=True)
    assert sha256_file(out / "model.safetensors") == sha256_file(model / "model.safetensors")


def test_a_model_that_is_at_its_end_trains_no_step_more(trained, tmp_path, monkeypatch):
    data, model = trained
    monkeypatch.setitem(PRESETS, "mini", TINY)
    out = tmp_path / "MODEL"
    shutil.copytree(model, out)
    weights = sha256_file(model / "model.safetensors")
    assert pretrain(data, out, SETTINGS, resume=True) == read_json(model / "manifest.json")  # finished
    for name in ("model.safetensors", "manifest.json"):
        (out / name).unlink()
    assert pretrain(data, out, SETTINGS, resume=True)["steps"] == 12
    assert sha256_file(out / "model.safetensors") == weights
    with pytest.raises(RunError, match=r"other settings \(pretrain\)"):
        pretrain(data, out, SETTINGS.model_copy(update={"max_steps": 20}), resume=True)


def test_the_model_of_the_best_evaluation_is_kept_and_resumed(trained, tmp_path, monkeypatch, capsys):
    from gemma_poetry.cli.commands import pretrain as command
    from gemma_poetry.training.trainer import PoetryTrainer

    data, _ = trained
    monkeypatch.setitem(PRESETS, "mini", TINY)
    # The rate rises until the model falls apart: the last evaluation is worse than an earlier one.
    rising = {"optimizer": "adamw", "learning_rate": 2.0, "warmup_steps": 12, "decay_share": 0.0, "save_steps": 2}
    settings = SETTINGS.model_copy(update={**rising, "evaluation_steps": 2})
    weights, manifests, losses = {}, {}, {}
    for keep in ("best", "last"):
        out = tmp_path / keep
        manifests[keep] = pretrain(data, out, settings.model_copy(update={"keep": keep}))
        weights[keep] = sha256_file(out / "model.safetensors")
        points = [json.loads(line) for line in (out / "curve.jsonl").read_text().splitlines()]
        losses = {point["step"]: point["ppl_char"] for point in points if "ppl_char" in point}
        assert not (out / BEST).exists()
    best = min(losses, key=losses.__getitem__)
    assert best < 12 and losses[12] > 1.05 * losses[best]
    assert (manifests["best"]["kept_step"], manifests["last"]["kept_step"]) == (best, 12)
    assert manifests["best"]["validation"]["ppl_char"] == pytest.approx(losses[best], rel=0.01)
    assert manifests["last"]["validation"]["ppl_char"] == pytest.approx(losses[12], rel=0.01)

    saved = PoetryTrainer._save_checkpoint

    def killed(self, *arguments):
        saved(self, *arguments)
        if self.state.global_step == 10:
            raise KeyboardInterrupt

    out = tmp_path / "killed"
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(PoetryTrainer, "_save_checkpoint", killed)
        pretrain(data, out, settings)
    assert pretrain(data, out, settings, resume=True)["kept_step"] == best
    assert sha256_file(out / "model.safetensors") == weights["best"] != weights["last"]

    monkeypatch.setattr("gemma_poetry.training.pretraining.pretrain", lambda *_, **__: manifests["best"])
    command.pretrain(data, out)
    assert f"those of step {best}, the best evaluation" in capsys.readouterr().out


def test_a_model_that_is_there_is_not_written_over(trained):
    data, model = trained
    before = sha256_file(model / "model.safetensors")
    with pytest.raises(RunError, match="not empty"):
        pretrain(data, model, SETTINGS)
    assert sha256_file(model / "model.safetensors") == before


def test_a_finished_model_is_trained_on(trained, tmp_path, monkeypatch):
    data, model = trained
    monkeypatch.setitem(PRESETS, "mini", TINY)
    manifest = pretrain(data, tmp_path / "MODEL", SETTINGS, start=model)
    assert manifest["began_with"]["weights_sha256"] == {"model.safetensors": sha256_file(model / "model.safetensors")}
    assert manifest["began_with"]["steps"] == 12 and manifest["steps"] == 12
    earlier = json.loads((model / "manifest.json").read_text())
    assert manifest["validation"]["ppl_char"] < earlier["validation"]["ppl_char"]
    assert (tmp_path / "MODEL" / "tokenizer.json").read_bytes() == (model / "tokenizer.json").read_bytes()


def test_data_of_another_domain_are_refused(tmp_path):
    from gemma_poetry.domains.registry import DEFAULT

    data = save_data(tmp_path / "DATA", train=4, held_out=2)
    manifest = json.loads((data / "manifest.json").read_text())
    (data / "manifest.json").write_text(json.dumps(manifest | {"domain": "english-verse"}))
    with pytest.raises(DataError, match="of the domain 'english-verse'"):
        pretrain(data, tmp_path / "MODEL", load_recipe().pretrain)
    assert not (tmp_path / "MODEL").exists() and CLASSICAL == DEFAULT


def test_a_beginning_that_saw_other_poems_is_refused(trained, tmp_path):
    data, model = trained
    other = tmp_path / "OTHER"
    shutil.copytree(model, other)
    manifest = read_json(other / "manifest.json")
    manifest["data"]["clusters"]["train"] = "0" * 64
    write_json(other / "manifest.json", manifest)
    with pytest.raises(ModelError, match="trained on other poems"):
        pretrain(data, tmp_path / "MODEL", SETTINGS, start=other)


def test_a_beginning_of_another_shape_is_refused(trained, tmp_path):
    data, model = trained
    with pytest.raises(ModelError, match="cannot grow into this preset: head_dim 16 and 64"):
        pretrain(data, tmp_path / "MODEL", SETTINGS.model_copy(update={"preset": "350m"}), start=model)


@pytest.mark.parametrize(("steps", "warmup"), [(1000, 100), (100, 50), (1, 1)])
def test_the_warm_up_ends_where_the_decay_begins(tmp_path, steps, warmup):
    from gemma_poetry.training.pretraining import _arguments

    settings = SETTINGS.model_copy(update={"max_steps": steps, "warmup_steps": 100, "decay_share": 0.5})
    arguments = _arguments(tmp_path, settings, 1, bfloat16=False)
    assert arguments.get_warmup_steps(steps) == warmup
    assert warmup + arguments.lr_scheduler_kwargs["num_decay_steps"] <= steps
