"""A KerasHub training from DATA to RUN, by the verb: figures, files, and what is refused."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from gemma_poetry.artifacts import read_json, write_json
from gemma_poetry.config import load_recipe
from gemma_poetry.errors import RunError, TokenizerMismatchError, UsageError
from gemma_poetry.manifests import check_manifest
from gemma_poetry.verbs.train_keras import summary, train_with_keras
from tests.tiny import save_data

RECIPE = load_recipe(
    None,
    [
        "train.max_steps=12",
        "train.batch_size=8",
        "train.learning_rate=0.02",
        "train.warmup_steps=2",
        "train.logging_steps=3",
        "train.evaluation_steps=6",
        "train.save_steps=3",
        "lora.dropout=0",
        "lora.rank=8",
        "lora.targets=[q_proj, k_proj, v_proj, o_proj]",
    ],
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = save_data(tmp_path_factory.mktemp("data") / "DATA", train=20)
    manifest = read_json(folder / "manifest.json")
    write_json(folder / "manifest.json", {**manifest, "domain": "classical-chinese"})
    return folder


@pytest.fixture(scope="module")
def run(keras_hub: Any, data: Path, checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    out = tmp_path_factory.mktemp("run") / "RUN"
    return out, train_with_keras(data, str(checkpoint), out, RECIPE)


def test_perplexity_falls_on_held_out_poems(run):
    _, manifest = run
    for split in ("val", "test"):
        before, after = (manifest["perplexity"][when][split] for when in ("before", "after"))
        assert after["ppl_token"] < 0.9 * before["ppl_token"] and after["ppl_char"] < 0.9 * before["ppl_char"]


def test_the_run_is_whole_and_listed(run):
    out, manifest = run
    assert read_json(out / "manifest.json") == manifest
    files = [path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()]
    resumable = ("started.json", *(name for name in files if name.startswith("checkpoint-")))
    listed = [name for name in files if name not in ("manifest.json", "curve.png", *resumable)]
    assert {"updates.lora.h5", "curve.jsonl", "merged/model.safetensors", "merged/tokenizer.json", "known_lines.npz"} <= set(
        listed
    )
    check_manifest(out, listed)
    assert manifest["export_difference"] < 1e-4 > manifest["base_difference"]
    assert manifest["recipe"]["lora"]["dropout"] == 0 and manifest["data"]["domain"] == "classical-chinese"
    assert manifest["trainable_parameters"] < 20_000, "the updates alone, no kernel"
    assert sorted(path.name for path in out.glob("checkpoint-*")) == ["checkpoint-6", "checkpoint-9"]
    assert any("->" in value for _, value in summary(manifest))


def test_the_curve_has_losses_and_validations(run):
    from gemma_poetry.evaluation.curves import read_curve

    points = read_curve(run[0] / "curve.jsonl")
    assert [point["step"] for point in points] == [0, 3, 6, 9, 12]
    assert [point["step"] for point in points if "ppl_char" in point] == [0, 6, 12]
    assert points[-1]["loss"] < points[1]["loss"]


def test_the_run_loads_with_transformers_and_scores_as_it_says(run, data):
    from gemma_poetry.data.tokenization import read_tokenized
    from gemma_poetry.model.loading import load_model
    from gemma_poetry.model.scoring import score_completions

    out, manifest = run
    loaded = load_model(str(out))  # finds merged/ in it
    assert loaded.folder == out / "merged"
    scores = score_completions(loaded.model, read_tokenized(data / "test.txt", loaded.tokenizer))
    expected = math.exp(sum(score.nll for score in scores) / sum(score.tokens for score in scores))
    assert manifest["perplexity"]["after"]["test"]["ppl_token"] == pytest.approx(expected, rel=1e-4)


def test_the_first_loss_is_that_of_completions_alone(keras_hub, data, checkpoint, tmp_path):
    # One batch of all twenty poems: the mean over completion tokens that transformers computes, prompts and padding apart.
    from gemma_poetry.data.tokenization import read_tokenized
    from gemma_poetry.model.loading import load_model
    from gemma_poetry.model.scoring import score_completions

    recipe = load_recipe(None, ["train.max_steps=1", "train.batch_size=10", "train.gradient_accumulation=2", "lora.dropout=0"])
    train_with_keras(data, str(checkpoint), tmp_path / "RUN", recipe)
    loaded = load_model(str(checkpoint))
    scores = score_completions(loaded.model, read_tokenized(data / "train.txt", loaded.tokenizer))
    expected = sum(score.nll for score in scores) / sum(score.tokens for score in scores)
    last = (tmp_path / "RUN" / "curve.jsonl").read_text().splitlines()[-1]
    import json

    assert json.loads(last)["loss"] == pytest.approx(expected, rel=1e-4)


def test_a_run_that_was_cut_ends_as_one_that_was_not(run, data, checkpoint, tmp_path, monkeypatch):
    from gemma_poetry.evaluation.curves import read_curve
    from gemma_poetry.keras_backend import training

    out, whole = run
    write = training._write_curve

    def killed(path, points):
        write(path, points)
        if points[-1]["step"] == 9:  # its checkpoint would come next
            raise KeyboardInterrupt

    monkeypatch.setattr(training, "_write_curve", killed)
    with pytest.raises(KeyboardInterrupt):
        train_with_keras(data, str(checkpoint), tmp_path / "RUN", RECIPE)
    monkeypatch.undo()
    with pytest.raises(RunError, match="--resume"):
        train_with_keras(data, str(checkpoint), tmp_path / "RUN", RECIPE)
    with pytest.raises(RunError, match=r"other settings \(lora\)"):
        other = load_recipe(None, ["lora.rank=2", "lora.dropout=0"])
        changed = RECIPE.model_copy(update={"lora": other.lora})
        train_with_keras(data, str(checkpoint), tmp_path / "RUN", changed, resume=True)
    manifest = train_with_keras(data, str(checkpoint), tmp_path / "RUN", RECIPE, resume=True)
    assert manifest["resumed"] and not whole["resumed"]
    assert manifest["perplexity"]["before"] == whole["perplexity"]["before"]
    for split in ("val", "test"):
        expected = pytest.approx(whole["perplexity"]["after"][split], rel=1e-5)
        assert manifest["perplexity"]["after"][split] == expected
    losses, expected = (
        [point.get("loss", 0) for point in read_curve(folder / "curve.jsonl")] for folder in (tmp_path / "RUN", out)
    )
    assert losses == pytest.approx(expected, rel=1e-5) and len(losses) == 5
    assert train_with_keras(data, str(checkpoint), tmp_path / "RUN", RECIPE, resume=True) == manifest, "finished"


def test_resuming_where_nothing_was_begun_is_an_error(keras_hub, data, checkpoint, tmp_path):
    with pytest.raises(RunError, match="no run to resume"):
        train_with_keras(data, str(checkpoint), tmp_path / "RUN", RECIPE, resume=True)
    assert not (tmp_path / "RUN").exists()


def test_jax_compiles_the_step_once_for_each_width(keras_hub, checkpoint, monkeypatch):
    import keras

    if keras.backend.backend() != "jax":
        pytest.skip("PyTorch does not compile")
    import jax

    from gemma_poetry.data.tokenization import TokenizedPoem
    from gemma_poetry.keras_backend import training
    from gemma_poetry.keras_backend.batches import bucket
    from gemma_poetry.keras_backend.model import enable_lora, load_causal_lm

    compiled = []

    def listen(event, seconds, **details):
        if "backend_compile" in event and "train_step" in str(details.get("fun_name")):
            compiled.append(event)

    lengths = [12, 20, 29, 40, 51, 60, 33, 9] * 2
    samples = [TokenizedPoem((2,) * (length - 4), (5, 6, 7, 1)) for length in lengths]
    settings = load_recipe(None, ["train.batch_size=2", "train.logging_steps=3"]).train
    model = load_causal_lm(checkpoint)
    enable_lora(model, RECIPE.lora)
    training._compile(model, settings, 16)
    jax.monitoring.register_event_duration_secs_listener(listen)
    points = list(training._fit(model, samples, settings, 16, 0, 0))  # two epochs of eight batches
    assert len(points) == 6 and len({bucket(length) for length in lengths}) == 2
    assert len(compiled) == 2


def test_a_used_folder_and_other_data_are_refused(keras_hub, run, data, checkpoint, tmp_path):
    with pytest.raises(RunError, match="not empty"):
        train_with_keras(data, str(checkpoint), run[0], RECIPE)
    with pytest.raises(TokenizerMismatchError):
        train_with_keras(data, "mini", tmp_path / "RUN", RECIPE)
    with pytest.raises(UsageError, match=r"lora\.dora"):
        train_with_keras(data, str(checkpoint), tmp_path / "RUN", load_recipe(None, ["lora.dora=true"]))
    assert not (tmp_path / "RUN").exists()


def test_without_keras_hub_the_way_to_it_is_told(data, checkpoint, tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "keras_hub", None)
    with pytest.raises(UsageError, match="make keras"):
        train_with_keras(data, str(checkpoint), tmp_path / "RUN", RECIPE)
