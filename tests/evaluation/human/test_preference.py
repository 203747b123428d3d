"""Bradley-Terry strengths: a published worked example, the package `choix`, and ties."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gemma_poetry.evaluation.human.preference import Choice, bradley_terry, estimate_preferences

# A. Agresti, Categorical Data Analysis, 2nd edition (2002), table 10.10: the American League of 1987, wins of row over column.
TEAMS = ("Milwaukee", "Detroit", "Toronto", "New York", "Boston", "Cleveland", "Baltimore")
WINS = [
    [0, 7, 9, 7, 7, 9, 11],
    [6, 0, 7, 5, 11, 9, 9],
    [4, 6, 0, 7, 7, 8, 12],
    [6, 8, 6, 0, 6, 7, 10],
    [6, 2, 6, 7, 0, 7, 12],
    [4, 4, 5, 6, 6, 0, 6],
    [2, 4, 1, 3, 1, 7, 0],
]
# The estimates that Agresti gives there, with Baltimore at 0.
PUBLISHED = (1.581, 1.436, 1.294, 1.248, 1.108, 0.684, 0.0)


def test_the_worked_example_of_agresti():
    found = bradley_terry(WINS)
    assert found.mean() == pytest.approx(0, abs=1e-9)
    assert found - found[-1] == pytest.approx(PUBLISHED, abs=2e-3)


@pytest.mark.parametrize("seed", range(3))
def test_it_agrees_with_choix(seed):
    import choix

    draw = np.random.default_rng(seed)
    wins = draw.integers(1, 9, (5, 5)) + 0.5 * draw.integers(0, 2, (5, 5))
    np.fill_diagonal(wins, 0)
    theirs = choix.ilsr_pairwise_dense(wins)
    assert bradley_terry(wins) == pytest.approx(theirs - theirs.mean(), abs=1e-6)


def test_two_systems_are_their_odds():
    first, second = bradley_terry([[0, 30], [10, 0]])
    assert first - second == pytest.approx(math.log(3))


def test_many_tables_at_once_are_each_alone():
    tables = np.array([WINS, np.transpose(WINS)])
    together = bradley_terry(tables)
    assert together[0] == pytest.approx(bradley_terry(WINS), abs=1e-7)
    assert together[1] == pytest.approx(-together[0], abs=0.2), "whoever lost now wins"


def test_the_prior_keeps_a_system_that_never_lost_finite():
    found = bradley_terry([[0, 5], [0, 0]], prior_wins=0.1)
    assert found[0] - found[1] == pytest.approx(math.log(5.1 / 0.1))


def choices(won, count=12):
    return [Choice(f"R{n % 4}", f"T{n % 6}", "good", "bad", won[n % len(won)]) for n in range(count)]


def test_win_rates_count_ties_half():
    found = estimate_preferences(choices([1.0, 0.5]), ["good", "bad"], samples=200, seed=0)
    assert found.win_rates["good", "bad"].value == pytest.approx(0.75)
    assert found.win_rates["good", "bad"].n == 12
    assert found.strengths["good"].value == pytest.approx(-found.strengths["bad"].value)
    assert found.differences["good", "bad"].low <= found.differences["good", "bad"].value


def test_nothing_compared_gives_nothing():
    assert estimate_preferences([], ["a", "b"], samples=10, seed=0).strengths == {}
