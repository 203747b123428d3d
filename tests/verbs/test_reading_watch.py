"""What a model writes is measured while it is trained: figures in the curve, poems in the run, a sentence at the end."""

from __future__ import annotations

import json
import math

import pytest

from gemma_poetry.artifacts import read_jsonl
from gemma_poetry.config import load_recipe
from gemma_poetry.verbs.reading_watch import READINGS, sentence
from gemma_poetry.verbs.train import summary, train

SETTINGS = [
    "train.epochs=1",
    "train.batch_size=8",
    "train.evaluation_steps=4",
    "train.learning_rate=0.01",
    "train.watched_titles=4",
    "lora.rank=2",
]


@pytest.mark.parametrize("changes", [["train.vocabulary=whole"], ["train.vocabulary=pruned"], ["train.method=full"]])
def test_poems_to_fixed_titles_are_measured_at_each_evaluation(tiny_model_and_data, tmp_path, changes):
    model, data = tiny_model_and_data
    manifest = train(data, str(model), tmp_path / "RUN", load_recipe(None, [*SETTINGS, *changes]))
    points = [json.loads(line) for line in (tmp_path / "RUN" / "curve.jsonl").read_text().splitlines()]
    watched = {point["step"]: point for point in points if "title_first" in point}
    assert set(watched) >= {0, 2, 4, 6, 8}
    for point in watched.values():
        assert 0 <= point["title_first"] <= 1 and 0 < point["distinct_2"] <= 1
        assert math.isfinite(point["title_gain"]) and point["base_ppl"] > 1
        assert 0 <= point["poets_title_first"] <= 1 and math.isfinite(point["poets_title_gain"])
        fell_behind = point["title_gain"] < min(watched[0]["title_gain"], point["poets_title_gain"])
        assert not point["reading_fell"] or fell_behind
    records = list(read_jsonl(tmp_path / "RUN" / READINGS))
    by_step = {step: [one for one in records if one["step"] == step] for step in watched}
    titles = [one["title"] for one in by_step[0]]
    assert len(set(titles)) == 4
    for own in by_step.values():
        assert [one["title"] for one in own] == titles
        assert all([len(line) for line in one["lines"]] == [5] * 4 for one in own)
    assert manifest["reading"]["start"]["step"] == 0
    assert manifest["reading"]["kept"]["step"] == manifest["kept_step"]
    assert dict(summary(manifest))["the writing"] == sentence(manifest)


def test_watching_does_not_change_what_is_trained(tiny_model_and_data, tmp_path):
    model, data = tiny_model_and_data
    runs = []
    for titles in (0, 4):
        out = tmp_path / str(titles)
        train(data, str(model), out, load_recipe(None, [*SETTINGS, f"train.watched_titles={titles}", "train.keep=last"]))
        runs.append((out / "adapter" / "adapter_model.safetensors").read_bytes())
    assert runs[0] == runs[1]
    assert not (tmp_path / "0" / READINGS).exists()


def reading(fell, first):
    return {"title_first": first, "title_gain": 0.1, "distinct_2": 0.98, "base_ppl": 30.0, "reading_fell": fell}


def test_the_sentence_says_what_became_of_the_poems():
    start = reading(0.0, 0.8)
    worse = sentence({"reading": {"start": start, "kept": reading(1.0, 0.5)}})
    same = sentence({"reading": {"start": start, "kept": reading(0.0, 0.75)}})
    assert "less than before, and less than those of the poets" in worse and "80% -> 50%" in worse
    assert "no less than before, or no less than those of the poets" in same and "80% -> 75%" in same
    told = sentence({"reading": {"start": start, "kept": reading(0.0, 0.4) | {"poets_title_first": 0.3}}})
    assert "80% -> 40%, of the poets' own poems 30%" in told
    assert sentence({}) == sentence({"reading": {}}) == ""
