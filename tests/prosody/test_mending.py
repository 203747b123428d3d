"""Mends: characters that would be right in a faulty place, and advice where none is."""

from __future__ import annotations

import re

import pytest

from gemma_poetry.corpus.script import convert
from gemma_poetry.prosody.findings import Scansion
from gemma_poetry.prosody.lexicon import readings
from gemma_poetry.prosody.mending import MAX_CHARACTERS, _fits, _is_usual, mends
from gemma_poetry.prosody.rhyme_books import CILIN
from gemma_poetry.prosody.scansion import scan, scan_auto

# A poem with one fault, and the places where a single character mends it.
FAULTY = [
    ("白日依山尽，黄水入海流。欲穷千里目，更上一层楼", {(2, 2)}, "a beat"),
    ("白日依水尽，黄河入海流。欲穷千里目，更上一层楼", {(1, 4), (2, 3)}, "大拗: the line itself or the next"),
    ("白日依山尽，大河入海流。欲穷千里目，更上一层楼", {(2, 1), (2, 3)}, "孤平: either level"),
    ("白日依山尽，黄河入海流。欲穷千里目，更上天层楼", {(4, 3)}, "三平尾"),
    ("白日依山尽，黄河入海流。目穷百年意，更上一层楼", {(3, 1)}, "特拗 without its first"),
    ("白日依山尽，黄河入海流。欲穷千里山，更上一层楼", {(3, 5)}, "the end of an unrhymed line"),
    ("白日依山尽，黄河入海流。欲穷千里目，更上一层山", {(4, 5)}, "出韵"),
    ("白日依山尽，黄河入海流。欲穷千里目，更上一层流", {(4, 5)}, "重韵"),
]


def lines_of(text: str) -> list[str]:
    return re.split("[，。]", text)


def with_character(scansion: Scansion, line: int, position: int, char: str) -> list[str]:
    lines = list(scansion.lines)
    lines[line - 1] = lines[line - 1][: position - 1] + char + lines[line - 1][position:]
    return lines


@pytest.mark.parametrize(("text", "places", "why"), FAULTY, ids=[case[-1] for case in FAULTY])
def test_every_character_offered_mends_the_poem(text, places, why):
    scansion = scan(lines_of(text), "五绝")
    (mend,) = mends(scansion)
    assert {(found.line, found.position) for found in mend.alternatives} == places
    assert mend.advice == ""
    for found in mend.alternatives:
        assert 1 <= len(found.characters) <= MAX_CHARACTERS
        assert len(set(found.characters)) == len(found.characters)
        for char in found.characters:
            assert scan(with_character(scansion, found.line, found.position, char), "五绝").verdict.passes, (why, char)


def test_the_tone_of_what_is_offered_is_beyond_doubt():
    (mend,) = mends(scan(lines_of(FAULTY[0][0]), "五绝"))
    # Line 2 position 2 of the pattern is level.
    assert all(len({reading.tone for reading in readings(char)}) == 1 for char in mend.alternatives[0].characters)


def test_a_rhyme_is_mended_with_words_of_the_group_that_the_poem_has_not_yet():
    (mend,) = mends(scan(lines_of(FAULTY[6][0]), "五绝"))
    for char in mend.alternatives[0].characters:
        assert "十一尤" in {reading.group for reading in readings(char)}
        assert char not in "流目尽"


def test_what_is_offered_is_in_the_script_of_the_poem():
    (traditional,) = convert([FAULTY[1][0]], "traditional")
    (mend,) = mends(scan(lines_of(traditional), "五绝"))
    offered = "".join(found.characters for found in mend.alternatives)
    assert convert([offered], "traditional") == [offered]


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        (
            "独怜幽草涧边生，上有黄鹂深树鸣。春潮带雨晚来急，野渡无人舟自横",
            "build lines 3 and 4 as 中仄中平平仄仄 中平中仄仄平平",
        ),
        ("白日依山尽，黄河入海流。欲穷千里目，青山入海楼", "build line 4 as 中仄仄平平"),
    ],
)
def test_a_broken_joint_takes_more_than_a_character(text, advice):
    found = [mend for mend in mends(scan_auto(lines_of(text))) if not mend.alternatives]
    assert any(mend.advice.startswith(advice) for mend in found)


def test_every_fault_has_a_mend_in_its_order():
    scansion = scan_auto(lines_of("床前明月光，疑是地上霜。举头望明月，低头思故乡"))
    assert [mend.fault for mend in mends(scansion)] == list(scansion.faults)
    assert all(mend.alternatives or mend.advice for mend in mends(scansion))


def test_a_sound_poem_has_nothing_to_mend():
    assert mends(scan_auto(lines_of("白日依山尽，黄河入海流。欲穷千里目，更上一层楼"))) == []


@pytest.mark.parametrize("char", ["圣", "邉", "平"])
@pytest.mark.parametrize("rhyme", ["第十八部", "第七部", "第十一部仄"])
def test_no_character_is_offered_for_a_rare_reading_or_in_a_rare_glyph(char: str, rhyme: str):
    offered = _fits(char, "平" if rhyme == "第七部" else "仄", rhyme, CILIN) and _is_usual(char)
    assert offered is (char == "圣" and rhyme.startswith("第十一部")), "圣 is 聖, of 敬; 平 is of 庚; 邉 is 边"
