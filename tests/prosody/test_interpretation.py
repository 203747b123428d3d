"""Which readings stay open in context: script, usage, words."""

from __future__ import annotations

import pytest

from gemma_poetry.prosody.interpretation import foot_pairs, interpret, is_traditional, simplified, tones_by_words, traditional


def heard(text: str, line: int = 1, position: int = 1, *, widened: bool = False):
    return interpret(text.split("，"), widened)[line - 1][position - 1]


def tones_of(place) -> str:
    return "".join(sorted({reading.tone.value for reading in place.readings}))


@pytest.mark.parametrize(
    ("characters", "pairs"), [(1, ()), (2, (0,)), (3, (0, 1)), (4, (0, 2)), (5, (0, 2, 3)), (6, (0, 2, 4)), (7, (0, 2, 4, 5))]
)
def test_feet_are_of_two_and_an_odd_line_ends_in_three(characters: int, pairs: tuple[int, ...]):
    assert foot_pairs(characters) == pairs


@pytest.mark.parametrize(
    ("text", "expected"),
    [("白日依山盡", True), ("白日依山尽", False), ("黃河入海流", True), ("大漠孤山", False), ("乾坤万里眼，时序百年心", False)],
)
def test_a_text_is_traditional_by_what_it_holds_more_of(text: str, expected: bool):
    assert is_traditional(text) is expected


def test_neighbours_decide_what_a_simplified_character_stands_for():
    assert list(traditional(["后来者居上", "皇后在深宫"])) == ["後來者居上", "皇后在深宮"]
    assert tones_of(heard("大动干戈后", position=3)) == "平"
    assert tones_of(heard("大动干戈后", position=3, widened=True)) == "平"


def test_traditional_text_is_taken_at_its_word():
    lines = ["干戈猶未定", "弟妹各何之"]
    assert traditional(lines) is lines


def test_text_becomes_simplified_character_by_character():
    assert simplified("風雲后裏後") == "风云后里后"


@pytest.mark.parametrize(
    ("line", "position", "tone", "word"),
    [
        ("重陽獨酌杯中酒", 1, "平", "重陽"),
        ("重阳独酌杯中酒", 1, "平", "重陽"),
        ("九重春色醉仙桃", 2, "平", "九重"),
        ("長安一片月", 1, "平", "長安"),
        ("相思枉斷腸", 1, "平", "相思"),
        ("丞相祠堂何處尋", 2, "仄", "丞相"),
        ("珍重主人心", 2, "仄", "珍重"),
        ("乘興獨登樓", 2, "仄", "乘興"),
        ("不知何處是", 1, "仄", ""),
    ],
)
def test_a_word_settles_the_tone_of_its_character(line: str, position: int, tone: str, word: str):
    place = heard(line, position=position)
    assert tones_of(place) == tone
    assert place.reason.startswith(f"word {word}:" if word else ("word", "usage"))
    assert " of " in place.reason


def test_no_word_is_seen_across_feet():
    # 安|重 and 重|陽 stand in different feet: the line divides 2+3.
    assert tones_of(heard("安重陽不見", position=2)) == "仄平"


def test_usage_settles_a_character_inside_a_line_but_not_at_its_end():
    assert tones_of(heard("春風吹不盡", position=4)) == "仄"
    assert tones_of(heard("故人知我不", position=5)) == "仄平"


def test_what_nothing_settles_keeps_all_readings():
    place = heard("看花滿洛陽")
    assert tones_of(place) == "仄平"
    assert place.reason == ""


def test_an_unknown_character_has_no_readings():
    assert heard("東々西").readings
    assert heard("東々西", position=2).readings == ()


@pytest.mark.parametrize(
    ("line", "position", "tone", "why"),
    [
        ("公干寂寥甘坐廢", 2, "仄平", "劉楨 is 公幹: nothing else follows 公"),
        ("落日干戈起", 3, "平", "干戈 is what is meant"),
    ],
)
def test_a_form_that_cannot_be_meant_in_traditional_text_is_taken_for_a_misprint_when_widened(line, position, tone, why):
    assert tones_of(heard(line, position=position, widened=True)) == tone, why


@pytest.mark.parametrize(
    ("line", "position", "tone", "why"),
    [
        ("乘舟江上去", 1, "平", "to ride"),
        ("乘风归旧隐", 1, "平", "to ride, in simplified text"),
        ("為家今萬里", 1, "平", "爲家 in another glyph"),
        ("一杯咖啡暖", 4, "平", "the sound of 非"),
    ],
)
def test_words_whose_tone_is_known_by_their_meaning(line, position, tone, why):
    assert tones_of(heard(line, position=position)) == tone, why


@pytest.mark.parametrize(
    ("line", "position", "likely", "why"),
    [
        ("更聞歌子夜", 2, "平", "更聞, of verse 平 in 53 of 54"),
        ("沙觜臨江斷", 2, "仄", "沙觜"),
        ("期君春色會稽峰", 6, "平", "會稽, a place"),
        ("守拙自離羣", 4, "平", "離羣"),
    ],
)
def test_a_word_makes_a_tone_likely_and_rules_none_out(line, position, likely, why):
    place = heard(line, position=position)
    assert place.likely is not None and place.likely.value == likely, why
    assert place.likely_reason.startswith("word ")
    assert tones_of(place) == "".join(sorted("平仄"))


def test_a_given_character_is_read_by_its_given_neighbour_alone():
    assert tones_by_words("更闻□□□")[1].value == "平"
    assert 1 not in tones_by_words("□闻□□□")
    assert tones_by_words("重阳□□□")[0].value == "平"
