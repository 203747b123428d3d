"""Krippendorff's alpha: his own worked example, the package `krippendorff`, and cases that can be seen through."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gemma_poetry.evaluation.human.agreement import count_steps, estimate_alpha, ordinal_alpha

# K. Krippendorff, Computing Krippendorff's Alpha-Reliability (2011), section C: four observers, twelve units, 0 for none.
WORKED = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, 0, 0, 0],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, 0, 3],
    [0, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, 0],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, 0],
]
SCALE = (1, 2, 3, 4, 5)


def as_ratings(table):
    return [(f"R{rater}", f"P{poem:02}", step) for rater, row in enumerate(table) for poem, step in enumerate(row) if step]


def test_the_worked_example_of_krippendorff():
    counts = count_steps(as_ratings(WORKED), SCALE)
    assert counts.shape == (11, 5), "the unit with one observer is left out"
    assert ordinal_alpha(counts) == pytest.approx(0.815, abs=5e-4)


@pytest.mark.parametrize("seed", range(5))
def test_it_agrees_with_the_package(seed):
    import krippendorff

    draw = np.random.default_rng(seed)
    truth = draw.integers(1, 6, 30)
    table = np.clip(truth + draw.integers(-1, 2, (6, 30)), 1, 5)
    table[draw.random(table.shape) < 0.3] = 0
    theirs = krippendorff.alpha(np.where(table == 0, np.nan, table.astype(float)), level_of_measurement="ordinal")
    assert ordinal_alpha(count_steps(as_ratings(table.tolist()), SCALE)) == pytest.approx(theirs, abs=1e-12)


@pytest.mark.parametrize(
    ("table", "alpha"),
    [
        ([[1, 3, 5], [1, 3, 5]], 1.0),
        # Two raters who always take opposite ends: observed disagreement is 3/2 of the expected one.
        ([[1, 5], [5, 1]], -0.5),
    ],
)
def test_cases_that_can_be_seen_through(table, alpha):
    assert ordinal_alpha(count_steps(as_ratings(table), SCALE)) == pytest.approx(alpha)


@pytest.mark.parametrize("table", [[[3, 3], [3, 3]], [[1, 2, 3]], []])
def test_no_figure_where_there_is_no_variation_or_no_second_rater(table):
    assert math.isnan(estimate_alpha(as_ratings(table), SCALE, samples=50, seed=0).value)


def test_the_interval_is_over_poems_and_seeded():
    draw = np.random.default_rng(1)
    truth = draw.integers(1, 6, 60)
    ratings = as_ratings(np.clip(truth + draw.integers(-1, 2, (5, 60)), 1, 5).tolist())
    found = estimate_alpha(ratings, SCALE, samples=300, seed=4)
    assert found.n == 60 and found.low < found.value < found.high
    assert 0.03 < found.high - found.low < 0.3
    assert found == estimate_alpha(ratings, SCALE, samples=300, seed=4)
