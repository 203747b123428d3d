"""Words of a poem: compounds where the metre has a pair, characters that say something, none of them a particle."""

from __future__ import annotations

import random

import pytest

from gemma_poetry.data.words import MOST_WORDS, PARTICLES, compounds, content_words, draw_words, pair_places

POEM = ("白日依山尽", "黄河入海流", "欲穷千里目", "更上一层楼")


@pytest.mark.parametrize(
    ("length", "places"),
    [(5, (0, 2, 3)), (7, (0, 2, 4, 5)), (4, (0, 1, 2)), (1, ())],
)
def test_the_feet_of_a_line(length, places):
    assert pair_places(length) == places


@pytest.mark.parametrize(
    ("lines", "found", "missing"),
    [
        (POEM, ["白日", "黄河", "山", "海", "层楼"], ["一", "上", "更", "日", "楼"]),
        (("春风得意马蹄疾", "一日看尽长安花"), ["春风", "马蹄", "疾", "花"], ["春", "一"]),
        (("何不为之",), [], ["何", "不", "为", "之"]),
        ((), [], []),
    ],
)
def test_content_words(lines, found, missing):
    words = content_words(lines)
    assert set(found) <= set(words) and not set(missing) & set(words)
    assert len(words) == len(set(words))


def test_a_compound_counts_only_where_the_metre_has_a_pair():
    assert "明月" in compounds()
    assert "明月" in content_words(("明月照高楼",)) and "明月" not in content_words(("一明月照楼",))


def test_the_draw_is_seeded_and_takes_words_of_the_poem_alone():
    drawn = [draw_words(POEM, random.Random(seed)) for seed in range(200)]
    assert drawn == [draw_words(POEM, random.Random(seed)) for seed in range(200)]
    assert {len(words) for words in drawn} == set(range(1, MOST_WORDS + 1))
    assert all(set(words) <= set(content_words(POEM)) for words in drawn)
    assert draw_words(("何不为之",), random.Random(0)) == ()


def test_no_compound_holds_a_particle():
    assert len(compounds()) > 5_000
    assert not [pair for pair in compounds() if len(pair) != 2 or PARTICLES & set(pair)]
