"""Figures of whole systems, against sums done by hand."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from sacrebleu.metrics import BLEU

from gemma_poetry.config import EvaluateSettings
from gemma_poetry.corpus.poem import Poem
from gemma_poetry.evaluation.evaluator import Evidence, evaluate_records
from gemma_poetry.evaluation.records import Generation, Likelihood, Protocol, TitleRank
from gemma_poetry.evaluation.results import Results
from gemma_poetry.evaluation.table import METRICS, comparison_rows, estimate_text, system_rows, terminal_tables

SETTINGS = EvaluateSettings(bootstrap_samples=200)


def likelihoods(system: str, nats: dict[str, float], form: str = "五言绝句") -> list[Likelihood]:
    return [Likelihood(system, source, source, form, nll, 25, 20) for source, nll in nats.items()]


def writing(system: str, source: str, line: str, protocol: Protocol = Protocol.TITLE) -> Generation:
    return Generation(system, protocol, source, source, "题", "五言绝句", (), (line,), "。", ("白日依山尽",))


def test_perplexities_by_system_and_form():
    records = likelihoods("base", {"a": 60, "b": 80}) + likelihoods("base", {"c": 100}, "七言绝句")
    results = evaluate_records(Evidence(records), SETTINGS)
    assert results.systems["base"]["ppl_token"].value == pytest.approx(math.exp(240 / 75))
    assert results.systems["base"]["ppl_char"].value == pytest.approx(math.exp(240 / 60))
    assert results.by_form["base"]["五言绝句"]["ppl_char"].value == pytest.approx(math.exp(140 / 40))
    assert {form: figures["ppl_char"].n for form, figures in results.by_form["base"].items()} == {"五言绝句": 2, "七言绝句": 1}
    assert results.comparisons == []


def test_a_gain_on_every_poem_excludes_zero():
    poems = {f"p{number}": 50.0 + 3 * number for number in range(20)}
    records = likelihoods("base", poems) + likelihoods("tuned", {name: nll - 2 for name, nll in poems.items()})
    (comparison,) = evaluate_records(Evidence(records), SETTINGS).comparisons
    difference = comparison.differences["log_ppl_char"]
    assert (difference.value, difference.low, difference.high) == pytest.approx((-0.1, -0.1, -0.1))
    assert difference.excludes_zero and difference.n == 20
    assert comparison.win_rates["log_ppl_char"].value == 1


def test_a_gain_by_chance_does_not():
    records = likelihoods("base", {f"p{n}": 60 for n in range(20)})
    records += likelihoods("tuned", {f"p{n}": 60 + (5 if n % 2 else -5.1) for n in range(20)})
    (comparison,) = evaluate_records(Evidence(records), SETTINGS).comparisons
    assert not comparison.differences["log_ppl_token"].excludes_zero
    assert comparison.win_rates["log_ppl_char"].value == 0.5


def test_systems_are_compared_on_the_poems_that_both_have():
    records = likelihoods("base", {"a": 60, "b": 60, "c": 600}) + likelihoods("tuned", {"b": 40, "a": 40, "d": 4})
    (comparison,) = evaluate_records(Evidence(records), SETTINGS).comparisons
    assert comparison.differences["log_ppl_char"].value == pytest.approx(-1)
    assert comparison.differences["log_ppl_char"].n == 2


def test_bleu_by_protocol_beside_the_human():
    written = [
        writing("tuned", "a", "白日依山近"), writing("tuned", "b", "黄河入海流"),
        writing("human", "b", "白日依山尽"), writing("human", "a", "白日照山尽"),
        writing("tuned", "a", "白日依山尽", Protocol.COUPLET),
    ]  # fmt: skip
    results = evaluate_records(Evidence(generations=written), SETTINGS)
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
    record = json.loads(
        json.dumps(evaluate_records(Evidence(records, [writing("tuned", "a", "白日依山近")]), SETTINGS).to_record())
    )
    assert list(record["systems"]) == ["base", "tuned", "human"]
    for figures in record["systems"].values():
        for figure in figures.values():
            assert set(figure) == {"value", "low", "high", "n"} and figure["low"] <= figure["value"] <= figure["high"]
    assert record["comparisons"][0]["differences"]["log_ppl_char"]["excludes_zero"] is True
    assert "tok:char" in record["signatures"]["bleu4"]
    assert Results.from_record(record).to_record() == record


def test_tables_say_what_the_figures_are():
    records = likelihoods("base", {"a": 60, "b": 60}) + likelihoods("tuned", {"a": 40, "b": 40})
    results = evaluate_records(Evidence(records, [writing("tuned", "a", "白日依山近")]), SETTINGS)
    rows = {row[0]: row[1:] for row in system_rows(results)}
    assert rows["perplexity a character ↓"] == ["2", "20.09 [20.09, 20.09]", "7.39 [7.39, 7.39]", "—"]
    assert rows["BLEU-4, title → poem ↑"][:2] == ["1", "—"]
    assert list(rows)[:2] == ["perplexity a token ↓", "perplexity a character ↓"]
    changes = {row[0]: row[1:] for row in comparison_rows(results.comparisons[0])}
    assert changes["log perplexity a character (nats) ↓"] == ["2", "-1.0000 [-1.0000, -1.0000]", "better", "100% [100, 100]"]
    assert estimate_text("ppl_char", None) == "—"
    assert [table.row_count for table in terminal_tables(results)][:2] == [len(rows), len(changes)]


KEPT = ("白日依山尽", "黄河入海流", "欲穷千里目", "更上一层楼")
CORPUS = [
    Poem(("床前明月光", "疑是地上霜", "举头望明月", "低头思故乡"), "，。，。", title="静夜思", author="李白", source_id="x")
]


def quatrain(system: str, source: str, *lines: str) -> Generation:
    return Generation(system, Protocol.TITLE, source, source, "题", "五言绝句", (), lines, "，。，。", KEPT)


@pytest.fixture(scope="module")
def judged():
    written = [
        quatrain("tuned", "a", "床前明月光", *KEPT[1:]), quatrain("tuned", "b", *KEPT),
        quatrain("base", "a", *["一一一一一"] * 4), quatrain("base", "b", *["一一一一一"] * 4),
        quatrain("human", "a", *["甲乙丙丁戊"] * 4),
    ]  # fmt: skip
    ranks = [
        TitleRank(system, source, source, "五言绝句", rank, 10)
        for system, source, rank in (("tuned", "a", 1), ("tuned", "b", 4))
    ]
    return evaluate_records(Evidence(generations=written, title_ranks=ranks, corpus=CORPUS), SETTINGS)


@pytest.mark.parametrize(
    ("system", "metric", "value", "n"),
    [
        ("tuned", "form", 1.0, 2), ("base", "metre_any", 0.0, 2), ("human", "metre_any", 1.0, 2),
        ("tuned", "copied_lines", 1 / 8, 2), ("base", "copied_lines", 0.0, 2), ("human", "copied_lines", 0.0, 2),
        ("tuned", "longest_span", (5 + 0) / 2, 2),
        ("base", "distinct_1", 1 / 40, 2), ("base", "self_bleu", 100.0, 2),
        ("tuned", "title_first", 0.5, 2), ("tuned", "title_reciprocal_rank", (1 + 1 / 4) / 2, 2),
    ],
)  # fmt: skip
def test_poems_judged_on_their_own(judged, system, metric, value, n):
    estimate = judged.systems[system][metric]
    assert (estimate.value, estimate.n) == (pytest.approx(value), n)


def test_the_human_counts_once_however_often_a_title_was_answered():
    again = [replace(quatrain("tuned", f"a~{number}", *["一一一一一"] * 4), cluster_id="a") for number in (2, 3)]
    written = [quatrain("tuned", "a", *KEPT), *again, quatrain("tuned", "b", *reversed(KEPT))]
    results = evaluate_records(Evidence(generations=written), SETTINGS)
    human = results.systems["human"]
    assert human["metre_any"].n == human["distinct_1"].n == human["self_bleu"].n == 2
    (against,) = results.comparisons
    assert (against.against, against.differences["metre_any"].n) == ("human", 4)


def test_n_counts_only_poems_that_can_be_judged():
    free = replace(quatrain("tuned", "c", "君不见", "黄河之水天上来", "甲", "乙"), form="杂言诗")
    octave = replace(quatrain("tuned", "d", *["一二三四五"] * 8), form="五言律诗", reference=("一二三四五",) * 8)
    other = [replace(one, system="base") for one in (quatrain("tuned", "a", *KEPT), free)]
    short = quatrain("tuned", "b", "一", "二", "三", "四")
    results = evaluate_records(
        Evidence(generations=[quatrain("tuned", "a", *KEPT), short, free, octave, *other], corpus=CORPUS), SETTINGS
    )
    tuned = results.systems["tuned"]
    # 杂言诗 has no form to keep; only the 律诗 has middle couplets; the poem of single characters has no line to look up.
    assert {name: tuned[name].n for name in ("form", "metre_any", "parallel_classes", "copied_lines")} == {
        "form": 3, "metre_any": 3, "parallel_classes": 1, "copied_lines": 3,
    }  # fmt: skip
    assert tuned["metre_any"].value == 1 / 3
    assert "杂言诗" not in results.by_form["tuned"]
    (against,) = [one for one in results.comparisons if one.against == "base"]
    assert (against.differences["metre_any"].n, against.win_rates["metre_any"].n) == (1, 1)
    assert "parallel_classes" not in against.differences


def test_metre_is_judged_by_the_rhyme_book():
    # 一层楼 ends in three level tones by modern sounds.
    tower = quatrain("tuned", "a", "白日依山尽", "黄河入海流", "欲穷千里目", "更上一层楼")
    kept = {
        book: evaluate_records(Evidence(generations=[tower], book=book), SETTINGS).systems["tuned"]["metre_any"].value
        for book in ("", "pingshui", "xinyun")
    }
    assert kept == {"": 1.0, "pingshui": 1.0, "xinyun": 0.0}


def test_ranks_and_metre_have_win_rates(judged):
    (against,) = [one for one in judged.comparisons if one.against == "base"]
    # Poem a: a broken first line against nothing kept, a tie; poem b keeps all rules.
    assert against.win_rates["metre_any"].value == (0.5 + 1) / 2
    assert {"bleu4_title", "chrf_title", "form", "rhyme"} < set(against.win_rates)


def test_the_human_of_craft_is_the_reference_and_of_bleu_another_poet(judged):
    assert judged.systems["human"]["bleu1_title"].value == 0
    assert judged.systems["human"]["distinct_1"].value == len(set("".join(KEPT))) / 40


def test_what_is_copied_is_shown_with_its_source(judged):
    longest = judged.copied["tuned"][0]
    assert longest["span"] == {"text": "床前明月光", "length": 5, "author": "李白", "title": "静夜思", "source_id": "x"}


def test_craft_is_compared_and_told_by_form(judged):
    against = {(one.system, one.against): one for one in judged.comparisons}
    assert against["tuned", "base"].differences["copied_lines"].value == pytest.approx(1 / 8)
    assert against["tuned", "human"].differences["longest_span"].n == 2
    assert judged.by_form["human"]["五言绝句"]["metre_any"].value == 1
    # One 绝句 in the corpus is nothing to learn couplets from, so the figure is left out.
    assert "parallel" not in judged.systems["human"]


def test_every_figure_has_a_name_and_a_scale_for_people(judged):
    found = {name for figures in judged.systems.values() for name in figures}
    found |= {name for comparison in judged.comparisons for name in comparison.differences}
    assert found <= set(METRICS)
    rows = {row[0]: row[1:] for row in system_rows(judged)}
    assert rows["lines that the corpus has ↓"][list(judged.systems).index("tuned") + 1].startswith("12.5% [")


def test_without_a_corpus_there_is_no_novelty():
    results = evaluate_records(Evidence(generations=[quatrain("tuned", "a", *KEPT)]), SETTINGS)
    assert "form" in results.systems["tuned"] and "copied_lines" not in results.systems["tuned"]
    json.dumps(results.to_record(), allow_nan=False)
