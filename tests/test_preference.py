"""`benchmarks/preference.py`: which pairs are made, that none is of a held-out title, and that a model learns from them."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.preference import (
    BEST_WORST,
    FORMS,
    HUMAN,
    RATED,
    Judged,
    Pair,
    distinct_difference,
    draw_poems,
    measures,
    rated_pairs,
    running,
    table,
    train,
    written_pairs,
)
from gemma_poetry.evaluation.human.answers import AnswerStore
from gemma_poetry.evaluation.human.questions import ASPECT_NAMES, EQUAL, LEFT, PREFERENCE, RIGHT
from gemma_poetry.evaluation.human.study import COMPARE, RATE, read_key, read_study
from tests.rating import SYSTEMS, make_study, make_writings
from tests.tiny import make_poems, save_model


def titled(count: int, form: str = FORMS[0]) -> list:
    return [replace(poem, title=f"题{number}", form=form) for number, poem in enumerate(make_poems(count))]


def test_titles_are_drawn_once_and_none_that_is_held_out():
    poems = titled(30)
    drawn = draw_poems([*poems, *poems], [poem.title for poem in poems[:10]], 100, 1)
    assert sorted(poem.title for poem in drawn) == sorted(poem.title for poem in poems[10:])


def test_titles_of_other_forms_and_poems_without_a_title_are_not_drawn():
    poems = [
        replace(titled(1)[0], title=""),
        *titled(3, "五言绝句"),
        replace(titled(1)[0], tune="竹枝"),
        *titled(5, FORMS[1])[4:],
    ]
    assert [poem.form for poem in draw_poems(poems, [], 9, 1)] == [FORMS[1]]


def test_the_same_seed_draws_the_same_titles_and_another_others():
    poems = titled(40)
    first, again, other = (draw_poems(poems, [], 9, seed) for seed in (1, 1, 2))
    assert first == again != other
    assert len(first) == 9


def test_the_best_stands_before_the_worst_and_the_poet_before_the_best():
    poem = titled(1)[0]
    pairs = written_pairs(poem, ["甲。", "乙。", "丙。"], [0.5, -1.0, 2.0])
    assert pairs == [
        Pair(BEST_WORST, poem.form, poem.title, "丙。", "乙。"),
        Pair(HUMAN, poem.form, poem.title, poem.text, "丙。"),
    ]


def test_no_pair_of_equal_texts():
    poem = titled(1)[0]
    assert written_pairs(poem, [poem.text, poem.text], [1.0, 0.0]) == []
    assert [one.source for one in written_pairs(poem, ["甲。", "甲。"], [1.0, 0.0])] == [HUMAN]


def study_with(tmp_path, choose, steps):
    """Pairs of a study whose raters choose and rate by the system: source, who is preferred, to whom."""
    make_study(tmp_path / "study")
    study, key = read_study(tmp_path / "study"), read_key(tmp_path / "study")
    store = AnswerStore(tmp_path / "answers.sqlite")
    for rater, tasks in study.tasks.items():
        for task in tasks:
            systems = [key.sources[item].system for item in task.items]
            if task.kind == COMPARE:
                # A check stands beside its shuffled copy, which no system wrote.
                store.save(rater, task.task, {PREFERENCE: choose(systems) if all(systems) else EQUAL})
            if task.kind == RATE and (step := steps.get(systems[0])):
                store.save(rater, task.task, dict.fromkeys(ASPECT_NAMES, str(step)))
    pairs = list(rated_pairs(study, key, store.all_answers()))
    of_text = {running(item): key.sources[name].system for name, item in study.items.items()}
    return [(one.source, of_text[one.chosen], of_text[one.rejected]) for one in pairs]


RANKS = {SYSTEMS[0]: 1, "human": 3, SYSTEMS[1]: 5}


def test_raters_choices_make_pairs(tmp_path):
    pairs = study_with(tmp_path, lambda systems: LEFT if RANKS[systems[0]] > RANKS[systems[1]] else RIGHT, {})
    assert pairs
    assert all(source == RATED and RANKS[chosen] > RANKS[rejected] for source, chosen, rejected in pairs)


def test_ratings_decide_where_raters_chose_neither(tmp_path):
    pairs = study_with(tmp_path, lambda _: EQUAL, RANKS)
    assert len({one[1:] for one in pairs}) == len(RANKS)
    assert all(RANKS[chosen] > RANKS[rejected] for _, chosen, rejected in pairs)


def test_equal_ratings_make_no_pair(tmp_path):
    assert study_with(tmp_path, lambda _: EQUAL, dict.fromkeys(RANKS, 3)) == []


def test_a_table_shows_what_is_gained_and_that_poems_grow_alike():
    poems = titled(12)
    start = make_writings(poems, "start", 3)
    alike = [replace(one, lines=start[0].lines) for one in start]
    before = [Judged(0.1 + 0.01 * number, 0.0, 40.0, 20.0, 1.0, 0.1) for number in range(12)]
    after = [replace(one, gain=one.gain + 0.5, nats=30.0) for one in before]
    found = {"start": measures(start, start, (before, before), 1), "tuned": measures(alike, start, (after, before), 1)}
    value, gap = found["tuned"]["title_gain"]
    assert gap.excludes_zero
    assert (gap.value, gap.low, gap.high) == pytest.approx((0.5, 0.5, 0.5))
    assert value == pytest.approx(0.655)
    assert found["tuned"]["base_ppl"][0] == pytest.approx(math.exp(1.5))
    assert found["tuned"]["distinct_2"][1].high < 0
    assert found["tuned"]["self_bleu"][1].low > 0
    assert not found["tuned"]["title_first"][1].excludes_zero
    rows = list(table(found))
    assert len(rows) == 2 + len(found["tuned"])
    assert next(row for row in rows if row.startswith("| title_gain")) == (
        "| title_gain | 0.155 | 0.655 (**+0.500** [+0.500, +0.500]) |"
    )


def test_the_same_poems_are_as_different():
    start = make_writings(titled(6), "start", 3)
    gap = distinct_difference(start, start, 2)
    assert (gap.value, gap.low, gap.high) == (0, 0, 0)


def test_a_model_learns_what_is_preferred_and_its_adapter_learns_on(tmp_path):
    pytest.importorskip("trl", reason="the extra `bench`")
    from gemma_poetry.data.prompts import Conditions
    from gemma_poetry.data.tokenization import encode_samples
    from gemma_poetry.model.loading import load_model
    from gemma_poetry.model.scoring import score_completions

    poems = make_poems(16)
    # The tiny tokenizer has no 题: titles are of its own characters.
    pairs = [Pair(BEST_WORST, one.form, one.title, one.text, other.text) for one, other in zip(poems[::2], poems[1::2])]
    model = save_model(tmp_path / "model")

    def margin(spec: Path) -> float:
        loaded = load_model(str(spec))
        texts = [(Conditions(one.form, one.title), text) for one in pairs for text in (one.rejected, one.chosen)]
        nats = [score.nll for score in score_completions(loaded.model, list(encode_samples(loaded.tokenizer, texts)))]
        return sum(nats[::2]) - sum(nats[1::2])

    first, second = tmp_path / "first", tmp_path / "second"
    train(str(model), pairs, first, 5e-3, 0.1, 20, 1)
    train(str(first), pairs, second, 5e-3, 0.1, 20, 1)
    assert margin(model) < margin(first) < margin(second)
