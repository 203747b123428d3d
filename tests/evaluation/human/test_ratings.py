"""Means of systems and their intervals."""

from __future__ import annotations

import numpy as np
import pytest

from gemma_poetry.evaluation.human.questions import ASPECT_NAMES
from gemma_poetry.evaluation.human.ratings import OVERALL, Rating, estimate_means, with_overall
from gemma_poetry.evaluation.human.resampling import TwoWayBootstrap


def rating(rater, title, system, step, aspect="fluency"):
    return Rating(rater, f"{title}-{system}", title, system, aspect, step)


def test_means_and_differences_by_hand():
    given = [rating("R1", "T1", "a", 5), rating("R1", "T2", "b", 2), rating("R2", "T1", "b", 1), rating("R2", "T2", "a", 4)]
    found = estimate_means(given, ["a", "b"], samples=100, seed=0)
    assert (found.systems["a"].value, found.systems["b"].value) == (4.5, 1.5)
    assert (found.systems["a"].n, found.differences["a", "b"].value, found.differences["a", "b"].n) == (2, 3.0, 4)


def test_overall_is_the_mean_of_a_rating_answered_in_full():
    full = [rating("R1", "T1", "a", step, aspect) for step, aspect in zip((1, 2, 3, 4, 5), ASPECT_NAMES)]
    partial = [rating("R2", "T1", "a", 5, aspect) for aspect in ASPECT_NAMES[:4]]
    overall = [one for one in with_overall([*full, *partial]) if one.aspect == OVERALL]
    assert [(one.rater, one.step) for one in overall] == [("R1", 3.0)]


@pytest.mark.parametrize("varies", ["rater", "title"])
def test_intervals_know_that_answers_hang_together(varies):
    """Ten raters (or titles) who differ, twenty answers each: there are ten facts, not two hundred."""
    draw = np.random.default_rng(0)
    levels = draw.normal(3, 1, 10)
    raters = [str(number // 20) if varies == "rater" else str(number % 20) for number in range(200)]
    titles = [str(number % 20) if varies == "rater" else str(number // 20) for number in range(200)]
    values = np.repeat(levels, 20)
    bootstrap = TwoWayBootstrap(raters, titles, samples=1000, seed=0)
    spread = bootstrap.spread(np.column_stack([values, np.ones(200)]), lambda totals: totals[:, :1] / totals[:, 1:])
    error = levels.std(ddof=1) / np.sqrt(10)
    assert spread.value[0] == pytest.approx(levels.mean())
    # Student's t of nine degrees of freedom: 2.26 standard errors each side.
    assert spread.high[0] - spread.low[0] == pytest.approx(2 * 2.262 * error, rel=0.12)


def test_answers_that_vary_alone_are_not_counted_thrice():
    draw = np.random.default_rng(1)
    raters = [str(number // 40) for number in range(1600)]
    titles = [str(number % 40) for number in range(1600)]
    rows = np.column_stack([draw.normal(0, 1, 1600), np.ones(1600)])
    spread = TwoWayBootstrap(raters, titles, samples=1000, seed=0).spread(rows, lambda totals: totals[:, :1] / totals[:, 1:])
    assert spread.high[0] - spread.low[0] == pytest.approx(2 * 1.96 / 40, rel=0.35)


def test_nothing_rated_gives_nothing():
    assert estimate_means([], ["a", "b"], samples=10, seed=0).systems == {}
