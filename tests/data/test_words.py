"""Words of a poem: compounds where the metre has a pair, characters that say something, none of them a particle."""

from __future__ import annotations

import random

import pytest

from gemma_poetry.data.words import (
    MOST_WORDS,
    OFFERED_WORDS,
    PARTICLES,
    company_of,
    compounds,
    content_words,
    draw_words,
    modern_company,
    offer_words,
    pair_places,
    strange_pairs,
)
from gemma_poetry.prosody.lexicon import readings

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


@pytest.mark.parametrize(
    ("title", "expected", "why"),
    [
        ("高铁", ("千里", "飞轮"), "a word of the list"),
        ("乘高铁过江", ("千里", "飞轮"), "a word of the list within a title"),
        ("猫", ("狸奴",), "a single character that is the whole title"),
        ("小猫眠", (), "a single character within a title is no word of its own"),
        ("大熊猫", ("竹",), "the longest word counts"),
        ("加班归来", ("残灯", "夜阑"), "another"),
        ("秋夜", (), "a title that poets know"),
        ("", (), "no title"),
    ],
)
def test_modern_titles_have_classical_company(title, expected, why):
    company = company_of(title)
    assert set(expected) <= set(company) and bool(expected) == bool(company), why


def test_offered_words_are_of_the_company_and_few():
    offers = {offer_words("高铁", random.Random(seed)) for seed in range(20)}
    assert len(offers) > 3
    assert all(1 <= len(offer) <= OFFERED_WORDS and set(offer) <= set(company_of("高铁")) for offer in offers)
    assert offer_words("秋夜", random.Random(1)) == ()


def test_every_word_of_the_list_can_stand_in_a_poem():
    words = {word for company in modern_company().values() for word in company}
    assert 150 <= len(set(modern_company().values())) <= 300
    assert all(1 <= len(word) <= 4 and all(map(readings, word)) for word in words)


@pytest.mark.parametrize(
    ("line", "expected", "why"),
    [
        ("空山新雨后", 0, "two feet and a pair that crosses"),
        ("空龘新雨后", 1, "a foot that no poet has"),
        ("空山新龘后", 1, "neither pair of the last three is used"),
        ("明月", 0, "one foot"),
        ("龘", 0, "no foot"),
        ("夜深庭树树阴阴", 1, "树树 stands across two feet, 阴阴 is a reduplication"),
        ("无边落木萧萧下", 0, "萧萧 is one foot"),
        ("漠漠水田飞白鹭", 0, "漠漠 is one foot"),
    ],
)
def test_strange_pairs(line, expected, why):
    assert strange_pairs([line]) == expected, why
