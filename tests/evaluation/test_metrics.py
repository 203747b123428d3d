"""Each metric against a computation of its own."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from sacrebleu.metrics import BLEU, CHRF

from gemma_poetry.evaluation import metrics

WRITTEN = ["春眠不觉晓处处闻啼鸟", "白日依山尽黄河入海流", "空山不见人"]
REFERENCES = ["春眠不知晓处处闻鸟啼", "红日依山尽长江入海流", "千山鸟飞绝"]


def grams(text: str, n: int) -> Counter[str]:
    return Counter(text[index : index + n] for index in range(len(text) - n + 1))


def hand_bleu(written: list[str], references: list[str], order: int) -> float:
    """BLEU after Papineni et al. (2002): clipped n-gram precisions, geometric mean, brevity penalty; no smoothing."""
    logs = []
    for n in range(1, order + 1):
        matched = total = 0
        for text, reference in zip(written, references):
            ours, theirs = grams(text, n), grams(reference, n)
            matched += sum((ours & theirs).values())
            total += sum(ours.values())
        logs.append(math.log(matched / total))
    lengths = sum(map(len, written)), sum(map(len, references))
    brevity = 1.0 if lengths[0] >= lengths[1] else math.exp(1 - lengths[1] / lengths[0])
    return 100 * brevity * math.exp(sum(logs) / order)


def hand_chrf(written: list[str], references: list[str]) -> float:
    """chrF2 after Popović (2015): precision and recall averaged over n = 1..6, then F with beta 2."""
    precisions, recalls = [], []
    for n in range(1, 7):
        matched = ours_total = theirs_total = 0
        for text, reference in zip(written, references):
            ours, theirs = grams(text, n), grams(reference, n)
            matched += sum((ours & theirs).values())
            ours_total += sum(ours.values())
            theirs_total += sum(theirs.values())
        precisions.append(matched / ours_total)
        recalls.append(matched / theirs_total)
    p, r = sum(precisions) / 6, sum(recalls) / 6
    return 100 * 5 * p * r / (4 * p + r)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize("written", [WRITTEN, ["春眠不知", *WRITTEN[1:]]], ids=["equal lengths", "too short"])
def test_bleu_is_that_of_its_definition(order, written):
    overlap = metrics.bleu(order)
    totals = overlap.sums(written, REFERENCES).sum(axis=0)
    assert overlap.figure(totals) == pytest.approx(hand_bleu(written, REFERENCES, order), rel=1e-9)


def test_chrf_is_that_of_its_definition():
    totals = metrics.chrf().sums(WRITTEN, REFERENCES).sum(axis=0)
    assert metrics.chrf().figure(totals) == pytest.approx(hand_chrf(WRITTEN, REFERENCES), rel=1e-9)


@pytest.mark.parametrize(
    ("overlap", "whole"),
    [
        (metrics.bleu(4), BLEU(tokenize="char")),
        (metrics.bleu(2), BLEU(tokenize="char", max_ngram_order=2)),
        (metrics.chrf(), CHRF()),
    ],
    ids=["bleu4", "bleu2", "chrf"],
)
def test_summed_parts_are_sacrebleus_corpus_score(overlap, whole):
    totals = overlap.sums(WRITTEN, REFERENCES).sum(axis=0)
    assert overlap.figure(totals) == pytest.approx(whole.corpus_score(WRITTEN, [REFERENCES]).score, rel=1e-12)


def test_a_copy_scores_100_and_a_stranger_0():
    for overlap in metrics.overlaps():
        assert overlap.figure(overlap.sums(WRITTEN, WRITTEN).sum(axis=0)) == pytest.approx(100)
        assert overlap.figure(overlap.sums(["甲乙丙丁"], ["子丑寅卯"]).sum(axis=0)) == 0


def test_no_match_of_four_is_smoothed_not_zero():
    # One match of each of n = 1..3 out of 4, 3, 2; none of 1 fourgram: NIST smoothing counts it as 1/2.
    totals = metrics.bleu(4).sums(["甲乙丙丁"], ["甲乙丙戊"]).sum(axis=0)
    expected = 100 * (3 / 4 * 2 / 3 * 1 / 2 * 1 / 2) ** 0.25
    assert metrics.bleu(4).figure(totals) == pytest.approx(expected)


def test_signatures_name_what_decides_the_score():
    assert "tok:char" in metrics.bleu(4).signature and "smooth:exp" in metrics.bleu(4).signature
    assert "nc:6" in metrics.chrf().signature


def test_perplexities_come_from_total_sums():
    # 3 nats over 4 tokens and 3 characters, 9 nats over 8 tokens and 6 characters: a mean of exponentials differs.
    totals = np.array([(3, 4, 3), (9, 8, 6)], dtype=float).sum(axis=0)
    assert metrics.ppl_token(totals) == pytest.approx(math.exp(12 / 12))
    assert metrics.ppl_char(totals) == pytest.approx(math.exp(12 / 9))
    assert metrics.nats_per_token(totals) == pytest.approx(1)
    assert metrics.nats_per_character(totals) == pytest.approx(12 / 9)


def test_a_model_that_knows_nothing_has_the_perplexity_of_its_alphabet():
    uniform = np.array([6 * math.log(5000), 6, 6])
    assert metrics.ppl_token(uniform) == pytest.approx(5000)
