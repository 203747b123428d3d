"""Which characters are Han characters: unified ones, wherever they stand in Unicode."""

from __future__ import annotations

import re
import unicodedata

import pytest

from gemma_poetry.prosody.characters import HAN, UNIFIED, is_han


@pytest.mark.parametrize(
    ("char", "expected", "why"),
    [
        ("山", True, "the block of 1993"),
        ("㐀", True, "extension A"),
        ("𠮷", True, "extension B"),
        ("\U000323af", True, "the last of extension H"),
        ("〇", True, "the zero that is written among numerals"),
        ("﨑", True, "one of the twelve unified ones among compatibility forms"),
        ("\uf900", False, "the compatibility form of 豈"),
        ("\U0002f800", False, "the compatibility form of 丽"),
        ("⼭", False, "a radical, no character"),
        ("，", False, "a mark"),
        ("あ", False, "kana"),
        ("a", False, "Latin"),
        ("", False, "nothing"),
        ("山水", False, "two of them"),
    ],
)
def test_is_han(char: str, expected: bool, why: str):
    assert is_han(char) is expected, why


def test_a_character_is_unified_or_becomes_so_by_normalisation():
    """What Unicode calls an ideograph is either here or a compatibility form whose normal form is here."""
    named = [char for char in map(chr, range(0x323B0)) if re.match("CJK .*IDEOGRAPH-", unicodedata.name(char, ""))]
    assert len(named) > 90_000
    compatibility = [char for char in named if not is_han(char)]
    assert all(unicodedata.name(char).startswith("CJK COMPATIBILITY") for char in compatibility)
    assert all(is_han(unicodedata.normalize("NFC", char)) for char in compatibility)


def test_the_zero_marks_lost_characters_in_old_editions():
    assert re.fullmatch(f"[{HAN}]", "〇") and not re.fullmatch(f"[{UNIFIED}]", "〇")
