"""Figures of whole systems, against sums done by hand."""

from __future__ import annotations

import json
import math

import pytest
from sacrebleu.metrics import BLEU

from gemma_poetry.config import EvaluateSettings
from gemma_poetry.evaluation.evaluator import evaluate_records
from gemma_poetry.evaluation.records import Likelihood, Protocol, Writing
from gemma_poetry.evaluation.table import comparison_rows, estimate_text, system_rows, terminal_tables

SETTINGS = EvaluateSettings(bootstrap_samples=200)


def likelihoods(system: str, nats: dict[str, float], form: str = "五言绝句") -> list[Likelihood]:
    return [Likelihood(system, source, source, form, nll, 25, 20) for source, nll in nats.items()]


def writing(system: str, source: str, line: str, protocol: Protocol = Protocol.TITLE) -> Writing:
    return Writing(system, protocol, source, source, "题", "五言绝句", (), (line,), "。", ("白日依山尽",))


def test_perplexities_by_system_and_form():
    records = likelihoods("base", {"a": 60, "b": 80}) + likelihoods("base", {"c": 100}, "七言绝句")
    results = evaluate_records(records, [], SETTINGS)
    assert results.systems["base"]["ppl_token"].value == pytest.approx(math.exp(240 / 75))
    assert results.systems["base"]["ppl_char"].value == pytest.approx(math.exp(240 / 60))
    assert results.by_form["base"]["五言绝句"]["ppl_char"].value == pytest.approx(math.exp(140 / 40))
    assert {form: figures["ppl_char"].n for form, figures in results.by_form["base"].items()} == {"五言绝句": 2, "七言绝句": 1}
    assert results.comparisons == []


def test_a_gain_on_every_poem_excludes_zero():
    poems = {f"p{number}": 50.0 + 3 * number for number in range(20)}
    records = likelihoods("base", poems) + likelihoods("tuned", {name: nll - 2 for name, nll in poems.items()})
    (comparison,) = evaluate_records(records, [], SETTINGS).comparisons
    difference = comparison.differences["log_ppl_char"]
    assert (difference.value, difference.low, difference.high) == pytest.approx((-0.1, -0.1, -0.1))
    assert difference.excludes_zero and difference.n == 20
    assert comparison.win_rates["ppl_char"].value == 1


def test_a_gain_by_chance_does_not():
    records = likelihoods("base", {f"p{n}": 60 for n in range(20)})
    records += likelihoods("tuned", {f"p{n}": 60 + (5 if n % 2 else -5.1) for n in range(20)})
    (comparison,) = evaluate_records(records, [], SETTINGS).comparisons
    assert not comparison.differences["log_ppl_token"].excludes_zero
    assert comparison.win_rates["ppl_char"].value == 0.5


def test_systems_are_compared_on_the_poems_that_both_have():
    records = likelihoods("base", {"a": 60, "b": 60, "c": 600}) + likelihoods("tuned", {"b": 40, "a": 40, "d": 4})
    (comparison,) = evaluate_records(records, [], SETTINGS).comparisons
    assert comparison.differences["log_ppl_char"].value == pytest.approx(-1)
    assert comparison.differences["log_ppl_char"].n == 2


def test_bleu_by_protocol_beside_the_human():
    written = [
        writing("tuned", "a", "白日依山近"), writing("tuned", "b", "黄河入海流"),
        writing("human", "b", "白日依山尽"), writing("human", "a", "白日照山尽"),
        writing("tuned", "a", "白日依山尽", Protocol.COUPLET),
    ]  # fmt: skip
    results = evaluate_records([], written, SETTINGS)
    expected = BLEU(tokenize="char").corpus_score(["白日依山近", "黄河入海流"], [["白日依山尽"] * 2]).score
    assert results.systems["tuned"]["bleu4_title"].value == pytest.approx(expected)
    assert results.systems["tuned"]["bleu4_couplet"].value == pytest.approx(100)
    assert (results.systems["tuned"]["bleu4_title"].n, results.systems["tuned"]["bleu4_couplet"].n) == (2, 1)
    assert "bleu4_couplet" not in results.systems["human"]
    (comparison,) = results.comparisons
    assert (comparison.system, comparison.against) == ("tuned", "human")
    # a: 白日依山近 holds a match of four characters, 白日照山尽 none of three; b: the human copies the reference.
    assert comparison.win_rates["bleu4_title"].value == 0.5
    assert comparison.differences["bleu4_title"].value == pytest.approx(
        expected - results.systems["human"]["bleu4_title"].value
    )


def test_results_are_json_with_value_interval_and_n():
    records = likelihoods("base", {"a": 60, "b": 70}) + likelihoods("tuned", {"a": 50, "b": 66})
    record = json.loads(json.dumps(evaluate_records(records, [writing("tuned", "a", "白日依山近")], SETTINGS).to_record()))
    assert set(record["systems"]) == {"base", "tuned"}
    for figures in record["systems"].values():
        for figure in figures.values():
            assert set(figure) == {"value", "low", "high", "n"} and figure["low"] <= figure["value"] <= figure["high"]
    assert record["comparisons"][0]["differences"]["log_ppl_char"]["excludes_zero"] is True
    assert "tok:char" in record["signatures"]["bleu4"]


def test_tables_say_what_the_figures_are():
    records = likelihoods("base", {"a": 60, "b": 60}) + likelihoods("tuned", {"a": 40, "b": 40})
    results = evaluate_records(records, [writing("tuned", "a", "白日依山近")], SETTINGS)
    rows = {row[0]: row[1:] for row in system_rows(results)}
    assert rows["perplexity a character ↓"] == ["2", "20.09 [20.09, 20.09]", "7.39 [7.39, 7.39]"]
    assert rows["BLEU-4, title → poem ↑"][:2] == ["1", "—"]
    assert list(rows)[:2] == ["perplexity a token ↓", "perplexity a character ↓"]
    changes = {row[0]: row[1:] for row in comparison_rows(results.comparisons[0])}
    assert changes["log perplexity a character (nats) ↓"] == ["2", "-1.0000 [-1.0000, -1.0000]", "better", "100% [100, 100]"]
    assert estimate_text("ppl_char", None) == "—"
    assert [table.row_count for table in terminal_tables(results)] == [len(rows), len(changes)]
