"""The text of a tune's pattern, and what it says of the rhyme."""

from __future__ import annotations

import pytest

from gemma_poetry.errors import DataError
from gemma_poetry.prosody.forms import Slot, Tone
from gemma_poetry.prosody.tune_patterns import labelled, parse_pattern, pattern_text, rhyme_kind

RU_MENG_LING = "中仄中平中仄a。中仄中平中仄a。中仄仄平平，中仄中平平仄a。平仄a。=5平仄a。中仄中平中仄a。"


def test_pattern_is_read_slot_by_slot() -> None:
    form = parse_pattern("中平仄a，=1仄a。", "试", "体")
    assert form.lines == (
        (Slot(), Slot(Tone.LEVEL), Slot(Tone.OBLIQUE, "a")),
        (Slot(Tone.OBLIQUE, "a"),),
    )
    assert (form.name, form.pattern, form.marks, form.echoes) == ("试", "体", "，。", ((2, 1),))


def test_pattern_text_is_the_inverse() -> None:
    form = parse_pattern(RU_MENG_LING, "如梦令")
    assert pattern_text(form) == RU_MENG_LING
    assert form.line_lengths == (6, 6, 5, 6, 2, 2, 6)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("", "character 1"),
        ("中仄", "character 1"),
        ("中仄a。平。x仄。", "character 7"),
        ("平仄ab。", "character 1"),
        ("平上。", "character 1"),
        ("平仄a. 平仄a.", "character 1"),
    ],
)
def test_what_is_no_pattern_is_refused_at_its_place(text: str, where: str) -> None:
    with pytest.raises(DataError, match=where):
        parse_pattern(text, "试")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("平平a。仄平a。", "平韵"),
        ("平仄a。仄仄a。", "仄韵"),
        ("平平a。仄仄a。", "平仄通叶"),
        ("平平a。仄平a。平仄b。仄仄b。", "换韵"),
        ("平平a。平平a。仄平b。仄平b。", "换韵"),
    ],
)
def test_kind_of_rhyme(text: str, kind: str) -> None:
    assert rhyme_kind(parse_pattern(text, "试")) == kind


def test_labels_tell_variants_apart() -> None:
    texts = ["平平a。仄平a。", "平仄a。仄仄a。", "仄平a。平平a。", "平a。平平平a。"]
    assert labelled(parse_pattern(text, "试") for text in texts) == ["4字平韵", "4字仄韵", "4字平韵之2", "4字平韵之3"]
