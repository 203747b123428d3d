"""The lexicon: readings of characters in every script, and the table that they come from."""

from __future__ import annotations

import pytest

from gemma_poetry.errors import DataError
from gemma_poetry.prosody.interpretation import heard_at_word
from gemma_poetry.prosody.lexicon import lexicon, parse_table, readings, readings_of_heads
from scripts.build_lexicon import one_word_pairs


def groups(char: str) -> set[str]:
    return {reading.group for reading in readings(char)}


@pytest.mark.parametrize(
    ("char", "expected"),
    [
        # One reading; the entering tone, which Mandarin has lost.
        ("東", {"一东"}),
        ("白", {"十一陌"}),
        ("一", {"四质"}),
        # Two supplements that the index of syllables lacks.
        ("忘", {"七阳", "二十三漾"}),
        ("韻", {"十二震", "十三问"}),
        # Readings of the 廣韻 that differ in tone.
        ("看", {"十四寒", "十五翰"}),
        ("重", {"二冬", "二肿", "二宋"}),
        ("教", {"三肴", "十九效"}),
        ("過", {"五歌", "二十一个"}),
        # Later readings, derived from usage.
        ("涯", {"四支", "九佳", "六麻"}),
        ("粗", {"七麌", "七虞"}),
        ("他", {"五歌", "六麻"}),
        ("衰", {"四支", "十灰"}),
        ("悲", {"四支"}),
        ("歎", {"十五翰", "十四寒"}),
        # Books differ.
        ("嚴", {"十四盐", "十五咸"}),
    ],
)
def test_readings_of_a_character(char: str, expected: set[str]):
    assert groups(char) == expected


@pytest.mark.parametrize(
    ("variant", "head"),
    [
        ("窗", "窻"),
        ("劍", "劒"),
        ("間", "閒"),
        ("鞍", "鞌"),
        ("胸", "胷"),
        ("魂", "䰟"),
        ("裙", "裠"),
        ("皓", "晧"),
        ("瀟", "蕭"),
    ],
)
def test_a_variant_reads_as_the_word_it_writes(variant: str, head: str):
    assert readings(variant)
    assert groups(variant) <= groups(head)


@pytest.mark.parametrize(
    ("simplified", "heads"),
    [("东", "東"), ("后", "后後"), ("干", "干乾幹"), ("发", "發髮"), ("剑", "劍"), ("馀", "餘"), ("里", "里裏"), ("窗", "窗")],
)
def test_a_simplified_character_has_the_readings_of_all_it_may_stand_for(simplified: str, heads: str):
    assert groups(simplified) >= {group for head in heads for group in groups(head)}


@pytest.mark.parametrize("char", ["A", "，", "😀", "□", "々", "の"])
def test_what_no_source_knows_has_no_reading(char: str):
    assert readings(char) == ()
    assert char not in lexicon()


def test_a_later_reading_says_so():
    assert {reading.group for reading in readings("涯") if reading.later} == {"六麻"}
    assert not any(reading.later for reading in readings("看"))


@pytest.mark.parametrize(
    ("char", "part"),
    [
        ("佳", 10),
        ("涯", 10),
        ("街", 5),
        ("鞋", 5),
        ("畫", 10),
        ("話", 10),
        ("快", 5),
        ("帶", 5),
        ("旆", 3),
        ("灰", 3),
        ("開", 5),
    ],
)
def test_the_part_where_a_rhyme_is_divided(char: str, part: int):
    divided = "佳蟹卦夬泰灰咍"
    assert {reading.part for reading in readings(char) if reading.rhyme in divided} == {part}


def test_the_table_is_whole_and_consistent():
    table = lexicon()
    assert len(table.rhymes) > 19_000
    assert all(set(heads) <= table.rhymes.keys() for heads in table.variants.values())
    for char in table.rhymes.keys() & table.variants.keys():
        # A head that leads elsewhere leads to the glyphs of its word, or to the word that verse writes with it.
        assert all(table.variants.get(head, head) in (table.variants[char], head) for head in table.variants[char]), char
    assert all(form in table.rhymes or form in table.variants for forms in table.simplified.values() for form in forms)
    assert table.later.keys() <= table.rhymes.keys()
    for head in table.settled:
        assert len({reading.tone for reading in readings(head)}) == 2, head
    for key in table.words:
        assert len(key) == 3, key
        assert key[2] in "12", key
    assert table.words.keys().isdisjoint(table.likely)
    for key in table.likely:
        word = table.likely_in_word(key)
        seen, places = map(int, word.evidence.split(" of "))
        assert len(key) == 3 and key[2] in "12" and places >= 5 and seen >= 0.95 * places, key


@pytest.mark.parametrize(
    "text", ["[heads]\nno tab", "[nowhere]\na\tb", "[words]\n重陽1\tx\t1 of 1", "[likely]\n重陽1\tx\t1 of 1", "東\t東"]
)
def test_a_damaged_table_is_named_with_its_line(text: str):
    with pytest.raises(DataError) as error:
        parse_table(text)
    assert error.value.where.endswith(f":{len(text.splitlines())}")


def test_all_glyphs_of_a_word_have_the_same_readings():
    table = lexicon()
    pairs = one_word_pairs(table.rhymes)
    assert frozenset("為爲") in pairs
    assert len(pairs) > 150
    for pair in pairs:
        one, other = pair
        assert table.variants[one] == table.variants[other], pair
        for at_end in (False, True):
            assert {*heard_at_word(one, at_end).readings} == {*heard_at_word(other, at_end).readings}, pair


def test_every_variant_has_all_the_readings_of_the_heads_that_it_stands_for():
    table = lexicon()
    for char, heads in table.variants.items():
        assert {*heard_at_word(char, True).readings} <= {*readings_of_heads(heads)}, char
        assert readings(char), char
