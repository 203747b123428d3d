"""Whose weights a training keeps: the best evaluation's, and what counts as best."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file
from transformers import TrainerCallback, TrainerControl, TrainerState

from gemma_poetry.config import load_recipe
from gemma_poetry.runs import RunFolder, newest_checkpoint
from gemma_poetry.training.best_weights import BEST, BestWeights
from gemma_poetry.training.finetuning import finetune

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
        # No number is no loss at all, whatever came before or after it.
        ([(4, float("nan"), False), (8, 4.0, True)], 8),
        ([(4, 4.0, True), (8, float("nan"), False), (12, float("inf"), False)], 4),
    ],
)
def test_the_best_evaluation_is_kept(tmp_path, evaluations, kept):
    step, number, _ = watch(tmp_path, evaluations)
    assert (step, number) == (kept, kept)


def test_patience_ends_a_training_that_finds_nothing_better(tmp_path):
    *_, seen = watch(tmp_path, [(4, 4.0, False), (8, 4.1, False), (12, 4.2, False), (16, 3.0, False)], patience=2)
    assert seen == [4, 8, 12]


def test_patience_is_kept_through_a_resumption(tiny_model_and_data, tmp_path):
    class Kill(TrainerCallback):
        def on_step_end(self, args, state, control, **_):
            if state.global_step == 5:
                raise KeyboardInterrupt

    class KillAtItsEnd(TrainerCallback):
        def on_train_end(self, args, state, control, **_):
            raise KeyboardInterrupt

    model, data = tiny_model_and_data
    settings = [*SETTINGS, "train.evaluation_steps=2", "train.save_steps=1", "train.patience=2", "train.keep=last"]
    # Steps too small to be seen in float32: no evaluation is better than that of step 2.
    recipe = load_recipe(None, [*settings, "train.learning_rate=1e-30"])
    with pytest.raises(KeyboardInterrupt):
        finetune(data, str(model), tmp_path / "RUN", recipe, callbacks=[Kill()])
    with pytest.raises(KeyboardInterrupt):
        finetune(data, str(model), tmp_path / "RUN", recipe, resume=True, callbacks=[KillAtItsEnd()])
    assert newest_checkpoint(tmp_path / "RUN").name == "checkpoint-6"
    # Its patience is at an end: not a step more.
    assert finetune(data, str(model), tmp_path / "RUN", recipe, resume=True)["steps"] == 6


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


def test_a_run_holds_the_weights_of_its_best_evaluation(tiny_model_and_data, tmp_path, monkeypatch):
    from gemma_poetry.training.trainer import PoetryTrainer

    measured = PoetryTrainer._validation_metrics

    def best_at_8(self, prediction):
        return {**measured(self, prediction), "loss": 1.0 + abs(self.state.global_step - 8)}

    monkeypatch.setattr(PoetryTrainer, "_validation_metrics", best_at_8)
    model, data = tiny_model_and_data
    settings = [*SETTINGS, "train.save_steps=8", "train.save_limit=9", "train.learning_rate=0.01", "train.schedule=constant"]
    for keep, step in (("best", 8), ("last", 32)):
        run = tmp_path / keep
        manifest = finetune(data, str(model), run, load_recipe(None, [*settings, f"train.keep={keep}"]))
        assert manifest["kept_step"] == step
        assert not (run / BEST).exists()
        held = load_file(run / "adapter" / "adapter_model.safetensors")
        for number in (8, 32):
            then = load_file(run / f"checkpoint-{number}" / "adapter_model.safetensors")
            assert all(torch.equal(weight, then[name]) for name, weight in held.items()) == (number == step)


@pytest.mark.parametrize("vocabulary", ["whole", "pruned"])
def test_every_weight_can_be_trained(tiny_model_and_data, tmp_path, vocabulary):
    from gemma_poetry.model.loading import load_model

    model, data = tiny_model_and_data
    settings = [*SETTINGS, "train.method=full", "train.learning_rate=0.003", f"train.vocabulary={vocabulary}"]
    manifest = finetune(data, str(model), tmp_path / "RUN", load_recipe(None, settings))
    before, after = (load_model(str(folder)).model for folder in (model, tmp_path / "RUN"))
    assert manifest["lora_modules"] == []
    changed = [name for name, weight in before.named_parameters() if not torch.equal(weight, after.get_parameter(name))]
    assert {name.split(".")[-2] for name in changed} >= {"embed_tokens", "q_proj", "down_proj", "norm"}
    points = [json.loads(line) for line in (tmp_path / "RUN" / "curve.jsonl").read_text().splitlines()]
    losses = [point["validation_loss"] for point in points if "validation_loss" in point]
    assert min(losses[1:]) < losses[0]
