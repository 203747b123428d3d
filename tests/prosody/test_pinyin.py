"""Mandarin readings that keep the tones of the metre."""

from __future__ import annotations

import pytest

from gemma_poetry.prosody.pinyin import pinyin_of
from gemma_poetry.prosody.scansion import scan

pytest.importorskip("pypinyin", reason="pypinyin is not installed")

SPRING = ("国破山河在", "城春草木深", "感时花溅泪", "恨别鸟惊心", "烽火连三月", "家书抵万金", "白头搔更短", "浑欲不胜簪")
WATERFALL = ("日照香炉生紫烟", "遥看瀑布挂前川", "飞流直下三千尺", "疑是银河落九天")


@pytest.mark.parametrize(
    "lines, form, spot, today, in_verse",
    [
        (SPRING, "五言律诗", (7, 3), "shèng", "shēng"),
        (WATERFALL, "七言绝句", (1, 1), "kàn", "kān"),
    ],
)
def test_the_tone_of_the_metre_decides(lines: tuple[str, ...], form: str, spot: tuple[int, int], today: str, in_verse: str):
    line, place = spot
    assert pinyin_of(lines)[line][place] == today
    assert pinyin_of(lines, scan(lines, form))[line][place] == in_verse


def test_an_entering_tone_decides_nothing():
    # 别 and 白 are oblique (入) in verse, and level today.
    heard = pinyin_of(SPRING, scan(SPRING, "五言律诗"))
    assert (heard[3][1], heard[6][0]) == ("bié", "bái")


def test_every_character_has_its_own_syllable_in_either_script():
    plain, full = pinyin_of(("远上寒山石径斜",)), pinyin_of(("遠上寒山石徑斜",))
    assert plain == full and [len(row) for row in plain] == [7] and all(plain[0])


def test_what_no_dictionary_has_is_left_open():
    assert pinyin_of(("山□水",)) == (("shān", "", "shuǐ"),)


def test_words_of_prose_are_read_as_verse_has_them():
    assert pinyin_of(("白日依山尽", "红了樱桃")) == (("bái", "rì", "yī", "shān", "jìn"), ("hóng", "liǎo", "yīng", "táo"))
