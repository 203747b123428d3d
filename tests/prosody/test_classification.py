"""The form (体裁) of a 诗 by shape, rhyme and tones."""

from __future__ import annotations

from unittest import mock

import pytest

from gemma_poetry.prosody.classification import classify
from gemma_poetry.prosody.regulated import LEVEL, A, chain, strict_pattern
from gemma_poetry.prosody.rhyme_books import PINGSHUI
from tests.verse_writing import BY_GROUP

SPRING = "国破山河在，城春草木深。感时花溅泪，恨别鸟惊心。烽火连三月，家书抵万金。白头搔更短，浑欲不胜簪"
BAMBOO = "独坐幽篁里，弹琴复长啸。深林人不知，明月来相照"


def lines(text: str) -> list[str]:
    return text.replace("。", "，").split("，")


def regulated(count: int) -> list[str]:
    """A regulated poem of so many lines, of the few characters that it takes."""
    words = iter(BY_GROUP[LEVEL]["七阳"])
    poem = []
    for kind in chain(A, count):
        tones = strict_pattern(kind, 5).replace("中", "平")
        text = "".join("山" if tone == "平" else "月" for tone in tones)
        poem.append(text[:-1] + next(words) if kind.last == LEVEL else text)
    return poem


@pytest.mark.parametrize(
    ("poem", "form", "why"),
    [
        (lines(SPRING), "五言律诗", "eight lines that rhyme level"),
        (lines(BAMBOO), "五言绝句", "four lines are a 绝句 whatever they rhyme in"),
        (lines(BAMBOO) * 2, "五言古诗", "eight lines that rhyme oblique"),
        (lines(SPRING)[:6], "五言古诗", "six lines"),
        (lines(SPRING)[:7], "五言古诗", "an odd number of lines"),
        (regulated(10), "五言排律", "ten lines, regulated"),
        (regulated(20), "五言排律", "twenty lines, regulated"),
        (["山山山山山", "山山山山香"] * 5, "五言古诗", "ten level-rhymed lines that break every couplet"),
        (["月月月月月月月", "山山山山山山香"] * 4, "七言律诗", "a 律诗 with faults of metre is one still"),
        (["关关雎鸠", "在河之洲"] * 2, "四言诗", "four characters"),
        (["桃红复含宿雨", "柳绿更带朝烟"] * 2, "六言诗", "six characters"),
        (["枯藤老树昏鸦", "小桥流水"], "杂言诗", "lines of several lengths"),
        (["一二三"], "杂言诗", "no usual length"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_form(poem, form, why):
    assert classify(poem) == form, why


def test_one_rhyme_word_may_stray_in_a_regulated_octave_and_no_more():
    poem = regulated(8)
    assert classify(poem) == "五言律诗"
    strayed = [*poem[:3], poem[3][:-1] + "楼", *poem[4:]]
    assert classify(strayed) == "五言律诗"
    assert classify([*strayed[:5], strayed[5][:-1] + "家", *strayed[6:]]) == "五言古诗"


def test_a_script_makes_no_difference():
    assert classify(["風急天高猿嘯哀", "渚清沙白鳥飛迴"] * 4) == classify(["风急天高猿啸哀", "渚清沙白鸟飞回"] * 4)


def test_what_was_asked_once_is_looked_up():
    """Classifying a whole collection costs look-ups: characters are asked for once, and line types of a pattern judged once."""
    poems = [regulated(8), lines(BAMBOO), lines(SPRING), regulated(12)]
    forms = [classify(poem) for poem in poems]
    with (
        mock.patch.object(type(PINGSHUI), "heard_at_word") as heard,
        mock.patch.object(type(PINGSHUI), "heard") as heard_apart,
        mock.patch("gemma_poetry.prosody.verdicts.line_findings") as judged,
    ):
        assert [classify(poem) for poem in poems] == forms
    assert not heard.called and not heard_apart.called and not judged.called
