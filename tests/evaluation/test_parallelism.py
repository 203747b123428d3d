"""Parallel couplets, learned from couplets whose pairs are known."""

from __future__ import annotations

import math
import random

import pytest

from gemma_poetry.corpus.poem import Poem
from gemma_poetry.evaluation.parallelism import Parallelism, class_sums, middle_couplets

UPPER, LOWER = "天山日云花春红高东大", "地水月雨鸟秋绿深西小"


def regulated(draw: random.Random, number: int) -> Poem:
    """A 律诗 whose middle couplets answer 天 with 地, 山 with 水 ..., whose other lines are drawn blindly."""
    lines = ["".join(draw.choices(UPPER + LOWER, k=5)) for _ in range(8)]
    for first in (2, 4):
        chosen = draw.choices(range(10), k=5)
        lines[first] = "".join(UPPER[index] for index in chosen)
        lines[first + 1] = "".join(LOWER[index] for index in chosen)
    return Poem(tuple(lines), "，。" * 4, form="五言律诗", source_id=str(number))


@pytest.fixture(scope="module")
def learned():
    draw = random.Random(1)
    return Parallelism([regulated(draw, number) for number in range(150)], seed=1)


def test_only_couplets_two_and_three_of_regulated_verse_count():
    lines = [f"{number}甲甲甲甲" for number in range(8)]
    assert middle_couplets(lines, "五言律诗") == [("2甲甲甲甲", "3甲甲甲甲"), ("4甲甲甲甲", "5甲甲甲甲")]
    assert middle_couplets(lines, "五言古诗") == middle_couplets(lines[:4], "五言律诗") == []


def test_association_is_the_smoothed_log_of_count_over_chance():
    poem = Poem(("一", "一", "天", "地", "天", "水", "一", "一"), "，。" * 4, form="五言律诗")
    # Pairs 天地 1, 天水 1: by chance 天地 comes 2 * 1 / 2 = 1 time.
    learned = Parallelism([poem], seed=1)
    assert learned.association(("天", "地")) == pytest.approx(math.log(1.5 / 1.5))
    assert learned.association(("地", "天")) == pytest.approx(math.log(0.5 / 0.5))
    assert learned.association(("天", "天")) == pytest.approx(math.log(0.5 / 0.5))


def test_answers_are_told_from_strangers(learned):
    assert learned.couplets == 300
    assert learned.answers_best(("天山日云花", "地水月雨鸟"))
    assert not learned.answers_best(("天山日云花", "鸟雨月地水"))
    draw = random.Random(2)
    poems = [regulated(draw, number) for number in range(40)]
    kept = learned.sums((poem.lines, poem.form) for poem in poems)
    assert kept.shape == (40, 2) and kept[:, 1].sum() == 80
    assert kept[:, 0].sum() >= 76
    blind = learned.sums(((*poem.lines[2:3], *poem.lines[:7]), poem.form) for poem in poems)
    assert blind[:, 0].sum() <= 30


def test_the_draw_follows_the_couplet_and_the_seed(learned):
    couplet = ("天山日云花", "地水月秋西")
    assert len({learned.answers_best(couplet) for _ in range(5)}) == 1


def test_variants_and_scripts_are_one(learned):
    assert learned.association(("天山日雲花", "地水月雨鳥")) == learned.association(("天山日云花", "地水月雨鸟"))


def test_too_few_couplets_teach_nothing():
    draw = random.Random(1)
    few = Parallelism([regulated(draw, number) for number in range(20)], seed=1)
    assert few.answers_best(("天山日云花", "地水月雨鸟")) is None
    assert few.sums([(regulated(draw, 0).lines, "五言律诗")]).tolist() == [[0, 0]]


def test_classes_of_words_need_no_corpus():
    # 王维, 山居秋暝: couplets 2 and 3 are parallel.
    poem = ("空山新雨后", "天气晚来秋", "明月松间照", "清泉石上流", "竹喧归浣女", "莲动下渔舟", "随意春芳歇", "王孙自可留")
    crossed = (*poem[:3], poem[7], *poem[4:7], poem[3])
    uneven = (*poem[:3], "清泉石上", *poem[4:])
    form = "五言律诗"
    sums = class_sums([(poem, form), (crossed, form), (uneven, form), (poem[:4], "五言绝句"), (poem[:7], form)])
    assert sums.tolist() == [[2, 2], [1, 2], [1, 2], [0, 0], [0, 0]]
