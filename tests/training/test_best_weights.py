"""Whose weights a training keeps: the best evaluation's, and what counts as best."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file
from transformers import TrainerControl, TrainerState

from gemma_poetry.config import load_recipe
from gemma_poetry.runs import RunFolder
from gemma_poetry.training.best_weights import BEST, BestWeights
from gemma_poetry.training.finetuning import finetune
from tests.tiny import save_data, save_model

SETTINGS = ["train.epochs=4", "train.batch_size=8", "train.evaluation_steps=4", "train.logging_steps=4", "lora.rank=4"]


class Weight(torch.nn.Module):
    """A model of one number."""

    def __init__(self) -> None:
        super().__init__()
        self.number = torch.nn.Parameter(torch.zeros(1))


def watch(folder, evaluations, patience=None):
    """Goes through evaluations (step, loss, whether reading fell); the number of the model is the step."""
    model, control, state = Weight(), TrainerControl(), TrainerState()
    best = BestWeights(model, RunFolder(folder, {}), patience)
    seen = []
    for step, loss, fell in evaluations:
        model.number.data.fill_(step)
        state.global_step = step
        best.on_evaluate(None, state, control, {"eval_loss": loss, "eval_reading_fell": float(fell)})
        seen.append(step)
        if control.should_training_stop:
            break
    kept = best.restore()
    return kept["step"], model.number.item(), seen


@pytest.mark.parametrize(
    ("evaluations", "kept"),
    [
        ([(0, 5.0, False), (4, 4.0, False), (8, 4.5, False)], 4),
        ([(0, 5.0, False), (4, 4.0, False), (8, 3.5, False)], 8),
        # A lower loss does not make up for poems that lost their titles ...
        ([(0, 5.0, False), (4, 4.0, False), (8, 3.0, True)], 4),
        # ... but where all did, the beginning does not win by being itself.
        ([(0, 5.0, False), (4, 4.0, True), (8, 3.0, True)], 8),
        ([(0, 5.0, False), (4, 6.0, True), (8, 7.0, True)], 0),
        ([(0, 5.0, False), (4, 6.0, False)], 4),
    ],
)
def test_the_best_evaluation_is_kept(tmp_path, evaluations, kept):
    step, number, _ = watch(tmp_path, evaluations)
    assert (step, number) == (kept, kept)


def test_patience_ends_a_training_that_finds_nothing_better(tmp_path):
    *_, seen = watch(tmp_path, [(4, 4.0, False), (8, 4.1, False), (12, 4.2, False), (16, 3.0, False)], patience=2)
    assert seen == [4, 8, 12]


def test_a_training_that_goes_on_knows_the_best_so_far(tmp_path):
    watch(tmp_path, [(4, 4.0, False)])
    (tmp_path / "checkpoint-8").mkdir()
    model, state = Weight(), TrainerState()
    again = BestWeights(model, RunFolder(tmp_path, {}, checkpoint=tmp_path / "checkpoint-8"), None)
    state.global_step = 12
    model.number.data.fill_(12)
    again.on_evaluate(None, state, TrainerControl(), {"eval_loss": 4.5})
    assert again.restore()["step"] == 4
    assert model.number.item() == 4


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    return save_model(folder / "model"), save_data(folder / "DATA")


def test_a_training_that_runs_wild_keeps_what_it_was_at_its_best(tiny, tmp_path):
    model, data = tiny
    settings = [*SETTINGS, "train.method=full", "train.learning_rate=0.1", "train.schedule=constant"]
    manifest = finetune(data, str(model), tmp_path / "best", load_recipe(None, settings))
    points = [json.loads(line) for line in (tmp_path / "best" / "curve.jsonl").read_text().splitlines()]
    by_step = {point["step"]: point["ppl_char"] for point in points if "ppl_char" in point}
    later = {step: value for step, value in by_step.items() if step}
    assert manifest["kept_step"] == min(later, key=later.get) < manifest["steps"]
    assert manifest["validation"]["ppl_char"] == by_step[manifest["kept_step"]]
    assert not (tmp_path / "best" / BEST).exists()

    last = finetune(data, str(model), tmp_path / "last", load_recipe(None, [*settings, "train.keep=last"]))
    assert last["kept_step"] == last["steps"]
    weights = [load_file(tmp_path / name / "merged" / "model.safetensors") for name in ("best", "last")]
    assert any(not torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


@pytest.mark.parametrize("vocabulary", ["whole", "pruned"])
def test_every_weight_can_be_trained(tiny, tmp_path, vocabulary):
    from gemma_poetry.model.loading import load_model

    model, data = tiny
    settings = [*SETTINGS, "train.method=full", "train.learning_rate=0.003", f"train.vocabulary={vocabulary}"]
    manifest = finetune(data, str(model), tmp_path / "RUN", load_recipe(None, settings))
    before, after = (load_model(str(folder)).model for folder in (model, tmp_path / "RUN"))
    assert manifest["lora_modules"] == []
    changed = [name for name, weight in before.named_parameters() if not torch.equal(weight, after.get_parameter(name))]
    assert {name.split(".")[-2] for name in changed} >= {"embed_tokens", "q_proj", "down_proj", "norm"}
    points = [json.loads(line) for line in (tmp_path / "RUN" / "curve.jsonl").read_text().splitlines()]
    losses = [point["validation_loss"] for point in points if "validation_loss" in point]
    assert min(losses[1:]) < losses[0]
