"""The search for a recipe: what is tried, given up, cut off, kept, and gone on with."""

from __future__ import annotations

import json
import math

import pytest

from gemma_poetry.artifacts import read_jsonl
from gemma_poetry.config import load_recipe
from gemma_poetry.errors import RunError, TrainingError, UsageError
from gemma_poetry.model.loading import load_model
from gemma_poetry.verbs.tune import BEST, BEST_RUN, PICTURE, TRIALS, Trial, recipe_of, table, tune

pytest.importorskip("optuna")

SETTINGS = [
    "train.batch_size=8",
    "train.evaluation_steps=4",
    "train.watched_titles=0",
    "tune.learning_rates=[0.0001, 0.1]",
    "tune.ranks=[2, 4]",
    "tune.epochs=[1]",
    "tune.minutes=5",
]


@pytest.fixture(scope="module")
def searched(tiny_model_and_data, tmp_path_factory):
    model, data = tiny_model_and_data
    out = tmp_path_factory.mktemp("search") / "OUT"
    return out, tune(data, str(model), out, load_recipe(None, [*SETTINGS, "tune.trials=6"]))


def test_the_best_trial_is_left_as_a_recipe_and_a_run(searched):
    out, trials = searched
    assert len(trials) == 6 and [trial.rank for trial in trials] == sorted(trial.rank for trial in trials)
    best = load_recipe(out / BEST)
    assert best.train.learning_rate == trials[0].settings["train.learning_rate"]
    assert best.lora.rank == trials[0].settings["lora.rank"]
    manifest = json.loads((out / BEST_RUN / "manifest.json").read_text())
    assert manifest["recipe"]["train"]["learning_rate"] == best.train.learning_rate
    assert load_model(str(out / BEST_RUN)).adapted
    assert (out / PICTURE).stat().st_size > 1000
    assert {trial["number"] for trial in read_jsonl(out / TRIALS)} == set(range(6))
    assert not (out / "trial").exists()
    assert json.loads((out / "manifest.json").read_text())["best"]["number"] == trials[0].number
    # A higher rate learns more in eight steps.
    whole = [trial for trial in trials if trial.state == "whole"]
    slow = min(whole, key=lambda trial: trial.settings["train.learning_rate"])
    assert slow.loss > trials[0].loss


def test_a_finished_search_stays_as_it_is(searched, tiny_model_and_data):
    out, trials = searched
    model, data = tiny_model_and_data
    before = (out / TRIALS).read_bytes()
    again = tune(data, str(model), out, load_recipe(None, [*SETTINGS, "tune.trials=9"]), resume=True)
    assert [trial.number for trial in again] == [trial.number for trial in trials]
    assert (out / TRIALS).read_bytes() == before
    with pytest.raises(RunError, match="not empty"):
        tune(data, str(model), out, load_recipe(None, SETTINGS))


def test_an_interrupted_search_goes_on_with_what_it_has_tried(tiny_model_and_data, tmp_path, monkeypatch):
    model, data = tiny_model_and_data
    from gemma_poetry.verbs import tune as module

    done = []

    def interrupted(*arguments, **options):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(arguments)
        return train(*arguments, **options)

    train = module.train
    monkeypatch.setattr(module, "train", interrupted)
    recipe = load_recipe(None, [*SETTINGS, "tune.trials=3"])
    with pytest.raises(KeyboardInterrupt):
        tune(data, str(model), tmp_path / "OUT", recipe)
    first = list(read_jsonl(tmp_path / "OUT" / TRIALS))
    assert len(first) == 2
    monkeypatch.setattr(module, "train", train)
    trials = tune(data, str(model), tmp_path / "OUT", recipe, resume=True)
    assert len(trials) == 3
    assert list(read_jsonl(tmp_path / "OUT" / TRIALS))[:2] == first


def test_when_time_is_up_the_trial_in_hand_is_cut_off_and_counts(tiny_model_and_data, tmp_path):
    model, data = tiny_model_and_data
    settings = [*SETTINGS, "tune.minutes=0.02", "tune.epochs=[500]", "train.evaluation_steps=1000"]
    (only,) = tune(data, str(model), tmp_path / "OUT", load_recipe(None, settings))
    assert only.state == "cut off"
    assert only.loss < 10
    assert (tmp_path / "OUT" / BEST).is_file()


def failing(monkeypatch, which):
    """Lets the trials whose numbers `which` holds for end as they do whose loss becomes infinite; returns those begun."""
    from gemma_poetry.verbs import tune as module

    train, begun = module.train, []

    def sometimes(*arguments, **options):
        begun.append(arguments)
        if which(len(begun) - 1):
            raise TrainingError("the loss became nan at step 3")
        return train(*arguments, **options)

    monkeypatch.setattr(module, "train", sometimes)
    return begun


def test_a_trial_that_fails_is_recorded_and_the_search_goes_on(tiny_model_and_data, tmp_path, monkeypatch, capsys):
    model, data = tiny_model_and_data
    begun = failing(monkeypatch, lambda number: number == 0)
    trials = tune(data, str(model), tmp_path / "OUT", load_recipe(None, [*SETTINGS, "tune.trials=2"]))
    assert len(begun) == 2
    assert [(trial.number, trial.state) for trial in trials] == [(1, "whole"), (0, "failed")]
    first = next(iter(read_jsonl(tmp_path / "OUT" / TRIALS)))
    assert (first["state"], first["loss"], first["error"]) == ("failed", math.inf, "the loss became nan at step 3")
    assert "trial 0 failed, the loss became nan at step 3: " in capsys.readouterr().err
    assert load_recipe(tmp_path / "OUT" / BEST).train.learning_rate == trials[0].settings["train.learning_rate"]


def test_a_resumed_search_does_not_repeat_what_failed(tiny_model_and_data, tmp_path, monkeypatch):
    model, data = tiny_model_and_data
    out = tmp_path / "OUT"
    begun = failing(monkeypatch, lambda number: number < 5)
    with pytest.raises(TrainingError, match="every trial failed, the last of them: the loss became nan"):
        tune(data, str(model), out, load_recipe(None, [*SETTINGS, "tune.trials=9"]))
    assert len(begun) == 4  # the fault is not their settings
    with pytest.raises(TrainingError, match="every trial failed"):
        tune(data, str(model), out, load_recipe(None, [*SETTINGS, "tune.trials=9"]), resume=True)
    assert len(begun) == 5
    trials = tune(data, str(model), out, load_recipe(None, [*SETTINGS, "tune.trials=6"]), resume=True)
    assert len(begun) == 6 and [trial.state for trial in trials] == ["whole", *["failed"] * 5]
    assert len({trial.settings["train.learning_rate"] for trial in trials}) == 6


def test_a_trial_is_judged_by_the_weights_that_its_run_keeps(tiny_model_and_data, tmp_path):
    model, data = tiny_model_and_data
    # At a rate as high as this, and that stays so, the loss rises and falls.
    settings = [*SETTINGS, "tune.trials=1", "tune.learning_rates=[0.5, 0.5]", "train.schedule=constant", "train.keep=last"]
    settings += ["train.evaluation_steps=1"]
    (only,) = tune(data, str(model), tmp_path / "OUT", load_recipe(None, settings))
    curve = read_jsonl(tmp_path / "OUT" / BEST_RUN / "curve.jsonl")
    losses = [point["validation_loss"] for point in curve if "validation_loss" in point]
    assert only.loss == losses[-1] > min(losses[1:])


def test_settings_that_do_nothing_are_not_searched(tiny_model_and_data, tmp_path):
    model, data = tiny_model_and_data
    with pytest.raises(UsageError, match=r"train\.method is full"):
        tune(data, str(model), tmp_path / "OUT", load_recipe(None, [*SETTINGS, "train.method=full"]))
    assert not (tmp_path / "OUT").exists()
    steps = [*SETTINGS, "tune.trials=1", "tune.epochs=[1, 2]", "train.max_steps=4", "train.epochs=7"]
    (only,) = tune(data, str(model), tmp_path / "OUT", load_recipe(None, steps))
    assert set(only.settings) == {"train.learning_rate", "lora.rank", "lora.targets", "variant"}
    assert load_recipe(tmp_path / "OUT" / BEST).train.epochs == 7
    assert table([only]).row_count == 1


def trial(number, loss, state="whole", fell=False):
    settings = {
        "train.learning_rate": 0.001,
        "lora.rank": 8,
        "lora.targets": "all",
        "train.epochs": 2.0,
        "variant": "dora",
    }
    return Trial(number, settings, loss, fell, 0.1, 3.0, state)


def test_poems_that_lost_their_titles_come_behind_all_others():
    order = sorted(
        [
            trial(0, 4.0, fell=True),
            trial(1, 4.5),
            trial(4, math.inf, "failed"),
            trial(2, 3.0, "given up", fell=True),
            trial(3, 4.4),
        ],
        key=lambda one: one.rank,
    )
    assert [one.number for one in order] == [3, 1, 0, 2, 4]
    assert table(order).row_count == 5


def test_the_scale_of_the_update_stays_that_of_the_recipe():
    recipe = load_recipe(None, ["lora.rank=8", "lora.alpha=16"])
    own = recipe_of(recipe, {**trial(0, 1.0).settings, "lora.rank": 64})
    assert (own.lora.rank, own.lora.alpha, own.lora.dora) == (64, 128, True)
    assert len(own.lora.targets) == 7 and own.train.epochs == 2.0
