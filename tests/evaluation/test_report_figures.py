"""Where figures stand on their scales."""

from __future__ import annotations

import pytest

from gemma_poetry.evaluation.report_figures import colours, form_panels, metric_groups, tiles
from gemma_poetry.evaluation.results import Results
from gemma_poetry.evaluation.statistics import Estimate
from gemma_poetry.evaluation.table import METRICS

RESULTS = Results(
    {
        "base": {"ppl_token": Estimate(80.0, 60.0, 100.0, 9), "metre_any": Estimate(0.25, 0.0, 0.5, 4)},
        "run 7": {"ppl_token": Estimate(40.0, 30.0, 50.0, 9), "metre_any": Estimate(0.5, 0.25, 0.75, 4)},
        "human": {"metre_any": Estimate(0.9, 0.8, 1.0, 5)},
    },
    by_form={
        "human": {
            "五言绝句": {"metre_any": Estimate(1.0, 1.0, 1.0, 2), "metre_every": Estimate(0.5, 0.0, 1.0, 2)},
            "七言绝句": {"metre_any": Estimate(0.5, 0.0, 1.0, 3), "metre_every": Estimate(0.0, 0.0, 0.0, 3)},
            "词": {"ppl_char": Estimate(9.0, 8.0, 10.0, 3)},
        }
    },
)


def cards() -> dict:
    return {card.label: card for group in metric_groups(RESULTS) for card in group.cards}


def test_shares_have_a_scale_of_all_and_others_one_that_holds_every_interval():
    base, run, human = cards()[METRICS["metre_any"].label].bars
    assert (base.low, base.width, base.place) == (0, 50, 25)
    assert (human.low, human.width, human.place) == (80, 20, 90)
    base, run = cards()[METRICS["ppl_token"].label].bars
    assert base.place == pytest.approx(100 * 80 / 105, abs=0.01) and base.low + base.width == pytest.approx(
        100 * 100 / 105, abs=0.01
    )
    assert (run.value, run.interval) == ("40.00", "[30.00, 50.00]")


def test_the_described_result_stands_where_it_belongs():
    card = cards()[METRICS["ppl_token"].label]
    assert (card.described, card.described_place) == ("15.2", pytest.approx(100 * 15.2 / 105))
    assert cards()[METRICS["metre_any"].label].described == ""


def test_n_is_a_range_where_systems_differ():
    assert cards()[METRICS["metre_any"].label].poems == "4–5"
    assert cards()[METRICS["ppl_token"].label].poems == "9"


def test_forms_that_can_be_judged_come_first_by_number():
    panels = form_panels(RESULTS)
    assert [(panel.form, panel.poems) for panel in panels] == [("七言绝句", "3"), ("五言绝句", "2")]
    ((some, every),) = panels[1].rows
    assert (some.place, every.place) == (100, 50)


def test_models_come_before_people_in_short():
    assert [[bar.system for bar in tile.bars] for tile in tiles(RESULTS)] == [["run 7", "base", "human"]]


def test_every_system_has_a_colour_and_runs_different_ones():
    named = colours(Results({name: {} for name in ("base", "one", "two", "human", "retrieval")}))
    assert named["base"] == "base" and named["human"] == "human"
    assert named["one"] != named["two"] and not {named["one"], named["two"]} & {"base", "human", "retrieval"}


def test_every_metric_has_a_place():
    from gemma_poetry.evaluation.report_figures import GROUPS

    shown = {name for *_, names in GROUPS for name in names}
    # The shorter BLEUs stand in the table of all figures, logarithms in the comparisons.
    left = {name for name in METRICS if name not in shown}
    assert all(name.startswith(("bleu1", "bleu2", "bleu3", "log_")) for name in left)
