"""Glyph variants and scripts fold onto one form, at unchanged length."""

from __future__ import annotations

import pytest

from gemma_poetry.corpus import variants
from gemma_poetry.corpus.variants import _GROUPS, fold, fold_all


@pytest.mark.parametrize(
    "group", ["窗窻牕窓", "剑劍劒", "雁鴈", "鸡雞鷄", "郁鬱鬰", "岩巖嵒", "烟煙", "云雲", "闲閑閒", "泪淚涙", "只祗秪"]
)
def test_forms_of_one_character_are_equal(group: str) -> None:
    assert len(set(fold(group))) == 1


def test_different_characters_stay_different() -> None:
    text = "春夏秋冬山水花鸟风月日夜江湖人心"
    assert fold(text) == text


def test_other_glyphs_lead_to_plain_ones_and_are_not_folded() -> None:
    table = variants.other_glyphs()
    assert all(glyph != plain and plain.encode("gb2312") for glyph, plain in table.items())
    with pytest.raises(UnicodeEncodeError):
        "".join(table).encode("gb2312")
    assert {glyph: table[glyph] for glyph in "逺鐡鼇鎗貎"} == {"逺": "远", "鐡": "铁", "鼇": "鳌", "鎗": "枪", "貎": "貌"}
    assert not set(table) & set("翛骎罍槃褰嵯鸂湲闉姮")  # of 通用规范汉字表, or with no plain glyph
    assert fold("逺鐡鼇鎗貎") == "逺鐡鼇鎗貎"


def test_length_and_marks_are_kept() -> None:
    assert fold("窻前劒，\n𪚥雲。") == "窗前剑，\n𪚥云。"
    assert fold("") == ""


def test_no_character_stands_in_two_groups() -> None:
    members = [character for group in _GROUPS.split() for character in group]
    assert sorted(members) == sorted(set(members))


def test_many_texts_at_once() -> None:
    texts = ["窻前明月光", "處處聞啼鳥", "春眠不觉晓", "", "𠮷野家，。a1"]
    assert fold_all(texts) == [fold(text) for text in texts]
    assert list(map(len, fold_all(texts))) == list(map(len, texts))
    assert fold_all([]) == []


def test_known_characters_are_not_folded_again(monkeypatch: pytest.MonkeyPatch) -> None:
    fold("春眠不觉晓")
    monkeypatch.setattr(variants, "_folding", lambda characters: pytest.fail(f"folded {characters} again"))
    assert fold("晓觉不眠春") == "晓觉不眠春"
