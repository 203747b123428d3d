"""Variety of a system's poems, against counting by hand and sacrebleu with many references."""

from __future__ import annotations

import pytest
from sacrebleu.metrics import BLEU

from gemma_poetry.evaluation.diversity import distinct, self_bleu_sums

POEMS = [["春江花月", "春江"], ["春山春水"], ["秋月春江花"], ["春江花月夜春江花月"], ["秋月春江花"]]


def test_distinct_counts_different_among_all():
    # Characters 春江花月春江: 4 different of 6; pairs 春江 江花 花月 春江, none across the line end: 3 of 4.
    assert distinct([["春江花月", "春江"]], 1).value == 4 / 6
    assert distinct([["春江花月", "春江"]], 2).value == 3 / 4


def test_distinct_over_several_poems():
    texts = ["".join(lines) for lines in POEMS]
    assert distinct(POEMS, 1).value == len(set("".join(texts))) / sum(map(len, texts))
    assert distinct(POEMS, 1).n == len(POEMS)


def test_the_interval_comes_from_leaving_each_poem_out():
    poems = [["甲乙"], ["甲丙"], ["丁戊"]]
    without = [4 / 4, 4 / 4, 3 / 4]  # {甲丙丁戊}, {甲乙丁戊}, {甲乙丙}
    mean = sum(without) / 3
    error = (2 / 3 * sum((value - mean) ** 2 for value in without)) ** 0.5
    estimate = distinct(poems, 1)
    assert estimate.value == 5 / 6
    assert estimate.value - estimate.low == pytest.approx(1.959964 * error)
    assert estimate.high == 1  # 5/6 and 1.96 errors would be more than all


def test_nothing_written_has_no_variety():
    assert distinct([], 1) is None
    assert distinct([["甲"]], 2) is None
    assert len(self_bleu_sums([["甲乙"]])) == 0


def test_self_bleu_is_bleu_against_all_other_poems():
    texts = ["".join(lines) for lines in POEMS]
    bleu = BLEU(tokenize="char", effective_order=True)
    expected = [bleu.sentence_score(text, texts[:index] + texts[index + 1 :]).score for index, text in enumerate(texts)]
    assert self_bleu_sums(POEMS)[:, 0] == pytest.approx(expected)
    assert expected[2] == pytest.approx(100)  # the fifth poem is the same


def test_poems_with_nothing_in_common_have_self_bleu_0():
    assert self_bleu_sums([["甲乙丙丁"], ["子丑寅卯"]])[:, 0].tolist() == [0, 0]
