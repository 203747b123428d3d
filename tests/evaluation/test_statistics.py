"""Intervals: exact where a case can be worked out by hand, close where theory gives the answer."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gemma_poetry.evaluation.statistics import Bootstrap, Difference, Estimate, jackknife, judged, mean, win_rate


def rows(values):
    return [(value, 1.0) for value in values]


def test_the_figure_is_that_of_all_poems_and_the_interval_holds_it():
    bootstrap = Bootstrap(list("abcdef"), samples=500, seed=1)
    estimate = bootstrap.estimate(rows([1, 2, 3, 4, 5, 6]), mean)
    assert estimate.value == 3.5 and estimate.n == 6
    assert 1 <= estimate.low < 3.5 < estimate.high <= 6


def test_equal_poems_leave_no_doubt():
    assert Bootstrap(list("abcd"), samples=200, seed=1).estimate(rows([2, 2, 2, 2]), mean) == Estimate(2, 2, 2, 4)


def test_resamples_keep_the_number_of_units():
    totals = Bootstrap(list("abcdefgh"), samples=300, seed=5).totals(rows(range(8)))
    assert totals.shape == (300, 2)
    assert set(totals[:, 1]) == {8.0}


def test_poems_of_one_cluster_are_drawn_together():
    # Two clusters of two: every total is 2, 1 or 0 times each cluster, so sums of single poems cannot come up.
    totals = Bootstrap(["x", "y", "x", "y"], samples=400, seed=2).totals([[1], [10], [100], [1000]])
    assert set(totals[:, 0]) == {2 * 101.0, 101.0 + 1010.0, 2 * 1010.0}


def test_a_mean_has_the_interval_of_the_central_limit_theorem():
    values = np.random.default_rng(0).normal(10, 2, size=400)
    estimate = Bootstrap([str(index) for index in range(400)], samples=4000, seed=1).estimate(rows(values), mean)
    error = values.std(ddof=1) / math.sqrt(400)
    assert estimate.low == pytest.approx(values.mean() - 1.96 * error, abs=0.02)
    assert estimate.high == pytest.approx(values.mean() + 1.96 * error, abs=0.02)


def test_intervals_cover_the_truth_as_often_as_they_say():
    generator = np.random.default_rng(1)
    covered = 0
    for trial in range(200):
        estimate = Bootstrap([str(index) for index in range(60)], samples=400, seed=trial).estimate(
            rows(generator.normal(size=60)), mean
        )
        covered += estimate.low <= 0 <= estimate.high
    assert 0.90 <= covered / 200 <= 0.98


def test_paired_differences_do_not_see_what_both_systems_share():
    hard = np.random.default_rng(2).normal(0, 50, size=100)
    bootstrap = Bootstrap([str(index) for index in range(100)], samples=500, seed=1)
    difference = bootstrap.difference(rows(hard + 1), rows(hard), mean)
    assert (difference.value, difference.low, difference.high) == pytest.approx((1, 1, 1))
    assert difference.excludes_zero


def test_the_same_seed_gives_the_same_interval_and_another_seed_another():
    values = rows(range(30))
    units = [str(index) for index in range(30)]
    first, again, other = (Bootstrap(units, samples=200, seed=seed).estimate(values, mean) for seed in (7, 7, 8))
    assert first == again
    assert first.low != other.low


@pytest.mark.parametrize(("low", "high", "expected"), [(0.1, 0.2, True), (-0.2, -0.1, True), (-0.1, 0.2, False), (0, 1, False)])
def test_zero_is_excluded_only_where_the_whole_interval_is_on_one_side(low, high, expected):
    assert Difference((low + high) / 2, low, high, 10).excludes_zero is expected


def test_wins_count_ties_half():
    assert mean(win_rate([1, 2, 3, 4], [0, 2, 5, 1]).sum(axis=0)) == (1 + 0.5 + 0 + 1) / 4


def test_resamples_without_a_denominator_take_no_part():
    bootstrap = Bootstrap(["a", "b"], samples=200, seed=1)
    estimate = bootstrap.estimate([(0, 0), (1, 1)], mean)
    assert (estimate.value, estimate.low, estimate.high) == (1, 1, 1)
    nothing = bootstrap.estimate([(0, 0), (0, 0)], mean)
    assert math.isnan(nothing.value) and math.isnan(nothing.low)


def test_poems_without_a_count_take_no_part_in_means_and_in_nothing_else_do_they_lack():
    sums = np.array([(0.0, 0.0), (1.0, 2.0), (0.0, 1.0)])
    assert judged(mean, sums).tolist() == [False, True, True]
    assert judged(lambda totals: float(totals[0]), sums).all()


def test_the_jackknife_of_a_mean_is_the_textbook_standard_error():
    values = np.array([1.0, 4.0, 2.0, 8.0, 5.0])
    estimate = jackknife(values.mean(), [(values.sum() - value) / 4 for value in values])
    error = values.std(ddof=1) / math.sqrt(5)
    assert (estimate.low, estimate.high) == pytest.approx((4 - 1.959964 * error, 4 + 1.959964 * error))
    assert estimate.n == 5
