"""What a model writes is measured while it is trained: figures in the curve, poems in the run, a sentence at the end."""

from __future__ import annotations

import json
import math

import pytest

from gemma_poetry.artifacts import read_jsonl
from gemma_poetry.config import load_recipe
from gemma_poetry.languages import localized
from gemma_poetry.runs import RunFolder
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
    written = dict(summary(manifest))["the writing"]
    assert written == sentence(manifest)
    assert "perplexity of held-out poems" in written and "own title first of ten" in written


def test_watching_does_not_change_what_is_trained(tiny_model_and_data, tmp_path):
    model, data = tiny_model_and_data
    runs = []
    for titles in (0, 4):
        out = tmp_path / str(titles)
        train(data, str(model), out, load_recipe(None, [*SETTINGS, f"train.watched_titles={titles}", "train.keep=last"]))
        runs.append((out / "adapter" / "adapter_model.safetensors").read_bytes())
    assert runs[0] == runs[1]
    assert not (tmp_path / "0" / READINGS).exists()


def reading(fell, first, **changes):
    figures = {"ppl_char": 40.0, "title_first": first, "title_gain": 0.1, "distinct_2": 0.98, "base_ppl": 30.0}
    return figures | {"reading_fell": fell} | changes


def test_the_sentence_says_what_became_of_each_figure():
    start = reading(0.0, 0.9, poets_title_first=0.55, poets_title_gain=0.08)
    kept = start | {"ppl_char": 32.0, "title_first": 0.55, "title_gain": 0.07, "distinct_2": 0.4}
    told = sentence({"reading": {"start": start, "kept": kept}})
    assert told == (
        "worse: own title first of ten 90% -> 55% (of the poets' own poems 55%); different pairs 98% -> 40%. "
        "better: perplexity of held-out poems 40.0 -> 32.0. unchanged: perplexity of its poems under the base 30.0 -> 30.0. "
        "By the rule that chooses weights no fall in reading (title gain 0.10 -> 0.07 nats a character, of the poets' own "
        "poems 0.08: a fall is below both by more than chance)"
    )
    chinese = localized(told, "zh")
    assert "90% -> 55%" in chinese and "worse" not in chinese and "fall" not in chinese


def test_the_sentence_says_whether_the_poems_fell_in_reading():
    start = reading(0.0, 0.8)
    worse = sentence({"reading": {"start": start, "kept": reading(1.0, 0.5, title_gain=0.02)}})
    assert "By the rule that chooses weights a fall in reading (title gain 0.10 -> 0.02" in worse
    assert "train shorter, or with a lower rate" in worse and "worse: own title first of ten 80% -> 50%" in worse
    rose = sentence({"reading": {"start": start, "kept": reading(0.0, 0.8, base_ppl=60.0, ppl_char=math.inf)}})
    assert "worse: perplexity of its poems under the base 30.0 -> 60.0" in rose
    assert "held-out" not in rose and "better" not in rose
    whole = {"recipe": {"train": {"method": "full"}}, "reading": {"start": start, "kept": reading(0.0, 0.8)}}
    assert "perplexity of its poems under the model itself 30.0 -> 30.0" in sentence(whole)
    assert sentence({}) == sentence({"reading": {}}) == ""


def test_several_processes_say_that_they_do_without(tmp_path, monkeypatch, capsys):
    from gemma_poetry.training import finetuning, processes

    run = RunFolder(tmp_path, {})
    made = []
    for count in (1, 4):
        monkeypatch.setattr(processes, "process_count", lambda count=count: count)
        made.append(finetuning._open_watch(lambda loaded, run: "watch", None, run))
        told = capsys.readouterr().err
        assert ("4 processes train without writing to watched titles" in told) == (count == 4)
    assert made == ["watch", None]
    assert finetuning._open_watch(None, None, run) is None and not capsys.readouterr().err
