"""A running text becomes lines: marks, colons inside a line, and what is refused."""

from __future__ import annotations

import pytest

from gemma_poetry.errors import TextError, UnreadableError
from gemma_poetry.prosody.classification import classify
from gemma_poetry.prosody.lines import settle_colons, split_lines
from gemma_poetry.prosody.scansion import scan, scan_auto
from gemma_poetry.prosody.tune_scan import scan_tune
from gemma_poetry.prosody.verdicts import every_reading_passes, regulated_verdict

TOWER = "白日依山尽，黄河入海流。欲穷千里目，更上一层楼。"
LINES = ("白日依山尽", "黄河入海流", "欲穷千里目", "更上一层楼")


@pytest.mark.parametrize(
    ("text", "lines", "marks"),
    [
        (TOWER, LINES, "，。，。"),
        ("白日依山尽,黄河入海流.欲穷千里目;更上一层楼!", LINES, "，。。。"),
        ("白日依山尽\n黄河入海流\n欲穷千里目\n更上一层楼", LINES, ""),
        ("  白日依山尽　黄河入海流\r\n欲穷千里目\t更上一层楼\n", LINES, ""),
        ("「白日依山尽」，黄河入海流。欲穷《千里目》，更上、一层楼。", LINES, "，。，。"),
        ("", (), ""),
    ],
)
def test_a_text_is_parted_by_its_marks(text, lines, marks):
    assert split_lines(text) == (lines, marks)


@pytest.mark.parametrize(
    ("text", "settled", "why"),
    [
        ("儿童相见不相识，笑问：客从何处来？", "儿童相见不相识，笑问客从何处来？", "2 + 5 is a line of seven"),
        ("行人弓箭各在腰。道旁过者问行人，行人但云：点行频。", "行人弓箭各在腰。道旁过者问行人，行人但云点行频。", "4 + 3"),
        ("松下问童子，言师采药去：只在此山中。", "松下问童子，言师采药去，只在此山中。", "a whole line before it"),
        ("问春桂：桃李正芬华，年光随处满。", "问春桂，桃李正芬华，年光随处满。", "a whole line behind it"),
        ("昨夜雨疏风骤。试问卷帘人，却道：海棠依旧。", "昨夜雨疏风骤。试问卷帘人，却道海棠依旧。", "词"),
        ("烽火扬州路。佛狸祠下。凭谁问：廉颇老矣，尚能饭否？", "烽火扬州路。佛狸祠下。凭谁问廉颇老矣，尚能饭否？", "词"),
        ("可汗问所欲：木兰不用尚书郎，愿驰千里足。", "可汗问所欲，木兰不用尚书郎，愿驰千里足。", "five before it"),
        ("问春桂：桃李正芬华。", "问春桂，桃李正芬华。", "no other line tells"),
        ("黄河入海流，言曰：\n更上一层楼。", "黄河入海流，言曰，\n更上一层楼。", "the row ends"),
        (TOWER, TOWER, "no colon"),
    ],
)  # fmt: skip
def test_a_colon_ends_a_line_or_stands_inside_it(text, settled, why):
    assert settle_colons(text) == settled, why


READERS = [
    lambda poem: scan(poem, "五绝").verdict.value,
    lambda poem: scan_auto(poem).verdict.value,
    lambda poem: regulated_verdict(poem).value,
]


@pytest.mark.parametrize("read", READERS)
def test_the_library_takes_a_poem_as_one_text(read):
    assert read(TOWER) == read(LINES) == "strict"


def test_forms_and_tunes_too():
    assert classify(TOWER) == classify(LINES) == "五言绝句"
    assert every_reading_passes(TOWER) is every_reading_passes(LINES) is True
    song = "常记溪亭日暮，沉醉不知归路。兴尽晚回舟，误入藕花深处。争渡，争渡，惊起一滩鸥鹭。"
    assert scan_tune(song, "如梦令").verdict.value == "strict"


@pytest.mark.parametrize(
    ("poem", "said"),
    [
        (["Roses are red", "violets are blue"], "'R' stands in line 1, position 1"),
        (["白日依山尽，", *LINES[1:]], "'，' stands in line 1, position 6"),
        (["白日依山尽，黄河入海流。", "欲穷千里目，更上一层楼。"], "'，' stands in line 1, position 6"),
        (["白日依□尽", *LINES[1:]], "'□' stands in line 1, position 4"),
        ("白日依□尽，黄河入海流。", "'□' stands in line 1, position 4"),
        ("Roses are red, violets are blue", "'R' stands in line 1, position 1"),
    ],
)
@pytest.mark.parametrize("read", [scan_auto, lambda poem: scan(poem, "五古"), lambda poem: scan_tune(poem, "如梦令")])
def test_what_is_no_han_character_is_refused(read, poem, said):
    with pytest.raises(UnreadableError) as caught:
        read(poem)
    assert said in str(caught.value)


def test_a_text_without_a_line_is_refused():
    with pytest.raises(TextError, match="no line"):
        scan_auto("，。")


# Characters that Unicode has and no dictionary of this project.
STRANGE = "𰻝𰻞𰼀𰼁𰼂𰼃𰼄𰼅𰼆𰼇"


@pytest.mark.parametrize(
    ("lines", "verdict", "why"),
    [
        (("白日依𰻝尽", *LINES[1:]), "strict", "one of twenty"),
        (("白日依𰻝尽", "黄河入海流", "欲𰻝千里目", "更上一层楼"), "strict", "two of twenty"),
        (("白𰻝依𰻝尽", "黄河入海流", "欲𰻝千里目", "更上一层楼"), "not-judged", "three of twenty"),
        ((*LINES[:3], "更上一层𰻝"), "not-judged", "one of two rhyme words"),
        (tuple(STRANGE[index : index + 5] for index in (0, 5, 0, 5)), "not-judged", "all"),
        (
            ("𰻝𰻝𰻝山尽", "黄河入海山", "欲穷千里目", "更上一层楼"),
            "not-judged",
            "what is wrong counts no more than what is right",
        ),
    ],
)
def test_a_poem_of_unknown_characters_is_not_judged(lines, verdict, why):
    assert scan(lines, "五绝").verdict.value == scan_auto(lines).verdict.value == regulated_verdict(lines).value == verdict, why


def test_a_tune_of_unknown_characters_is_not_judged():
    lines = ["𰻝" * length for length in (6, 6, 5, 6, 2, 2, 6)]
    scansion = scan_tune(lines, "如梦令")
    assert scan(lines, "如梦令").verdict.value == "not-judged"
    assert scansion.verdict.value == "not-judged"
