"""The simulation: its own truth, and that the statistics find it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from gemma_poetry.errors import UsageError
from gemma_poetry.evaluation.human import simulation
from gemma_poetry.evaluation.human.simulation import SimulationSettings, simulate, simulate_answers, true_mean, true_win_rate


@pytest.fixture(scope="module")
def found():
    return simulate(SimulationSettings(effect=0.8, systems=3, raters=(12,), poems=(20,), ratings=20, pairs=15, studies=12))


def test_the_truth_is_what_very_many_raters_say():
    draw = np.random.default_rng(0)
    spread = np.sqrt(sum(one**2 for one in (0.3, 0.4, 0.5, 0.5, 0.8)))
    steps = np.clip(np.rint(draw.normal(3.4, spread, 400_000)), 1, 5)
    assert true_mean(3.4) == pytest.approx(steps.mean(), abs=0.01)
    assert true_mean(3.0) == pytest.approx(3.0) and true_win_rate(0.0) == pytest.approx(0.5)
    gaps = draw.normal(0.5, np.sqrt(2 * 0.4**2 + 1), 400_000)
    assert true_win_rate(0.5) == pytest.approx(np.mean(gaps > 0.25) + 0.5 * np.mean(abs(gaps) <= 0.25), abs=0.005)


def test_strong_effects_are_found_and_intervals_hold_them(found):
    (size,) = found.sizes
    assert size.mean_estimate == pytest.approx(size.true_difference, abs=0.08)
    assert size.coverage >= 0.85 and size.power >= 0.9 and size.pair_power >= 0.7
    assert size.false_alarms <= 0.2 and size.win_coverage >= 0.85
    assert found.smallest is size


def test_the_checks_tell_clicking_from_reading(found):
    assert found.careless_flagged > 0.7 and found.careful_flagged < 0.06


def test_more_raters_bring_more_power():
    sizes = simulate(SimulationSettings(effect=0.4, raters=(4, 24), poems=(20,), studies=10, seed=1)).sizes
    assert sizes[0].power < sizes[1].power


def test_everything_is_seeded():
    settings = SimulationSettings()
    assert simulate_answers(settings, 6, 20, 0.4, 3) == simulate_answers(settings, 6, 20, 0.4, 3)
    assert simulate_answers(settings, 6, 20, 0.4, 3) != simulate_answers(settings, 6, 20, 0.4, 4)


@pytest.mark.parametrize("changes", [{"effect": 0.0}, {"systems": 1}, {"raters": ()}, {"poems": (1,)}, {"studies": 0}], ids=str)
def test_what_cannot_be_simulated_is_refused(changes):
    with pytest.raises(UsageError):
        simulate(SimulationSettings(**changes))


def test_tables_show_every_size(found):
    table, verdict = simulation.simulation_tables(found)
    assert table.row_count == 1 and verdict.row_count == 3


def test_poems_rated_once_have_no_agreement_rather_than_a_number_that_is_none():
    found = simulate(SimulationSettings(raters=(3,), poems=(40,), ratings=20, pairs=2, studies=1))
    assert found.sizes[0].alpha is None
    assert "NaN" not in json.dumps(found.to_record())
    simulation.simulation_tables(found)
