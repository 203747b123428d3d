"""Glyph variants and scripts fold onto one form, at unchanged length."""

from __future__ import annotations

import pytest

from gemma_poetry.corpus.variants import _GROUPS, fold


@pytest.mark.parametrize(
    "group", ["窗窻牕窓", "剑劍劒", "雁鴈", "鸡雞鷄", "郁鬱鬰", "岩巖嵒", "烟煙", "云雲", "闲閑閒", "泪淚涙", "只祗秪"]
)
def test_forms_of_one_character_are_equal(group: str) -> None:
    assert len(set(fold(group))) == 1


def test_different_characters_stay_different() -> None:
    text = "春夏秋冬山水花鸟风月日夜江湖人心"
    assert fold(text) == text


def test_length_and_marks_are_kept() -> None:
    assert fold("窻前劒，\n𪚥雲。") == "窗前剑，\n𪚥云。"
    assert fold("") == ""


def test_no_character_stands_in_two_groups() -> None:
    members = [character for group in _GROUPS.split() for character in group]
    assert sorted(members) == sorted(set(members))
