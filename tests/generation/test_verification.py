"""The last look: slot by slot, apart from the automaton."""

from __future__ import annotations

import pytest

from gemma_poetry.corpus.known_lines import KnownLines
from gemma_poetry.generation.verification import fits, known_lines, misread_line, repeats_characters, split_lines
from gemma_poetry.prosody.character_sounds import BookSounds
from gemma_poetry.prosody.forms import FREE, Form, Slot, Tone, shape
from gemma_poetry.prosody.regulated import regulated_forms
from gemma_poetry.prosody.rhyme_books import PINGSHUI

EVERY = BookSounds(PINGSHUI, "every")
RHYME = Slot(Tone.LEVEL, "a")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("空山，新雨。", ("空山", "新雨")),
        ("空山。新雨，", None),
        ("空山，新雨", None),
        ("空山，新雨。天", None),
        ("空山新，雨。", None),
        ("空，山新雨。", None),
    ],
)
def test_lines_of_a_running_text(text, expected):
    assert split_lines(text, shape("试", 2, 2)) == expected


@pytest.mark.parametrize(
    ("lines", "form", "expected", "why"),
    [
        (["山", "寒"], [[RHYME], [RHYME]], False, "十五删 does not rhyme with 十四寒"),
        (["咸", "严"], [[RHYME], [RHYME]], False, "严 is 盐 in one book and 咸 in another"),
        (["山", "颜"], [[RHYME], [RHYME]], True, "both 十五删"),
        (["山", "山"], [[RHYME], [RHYME]], False, "a rhyme word comes twice"),
        (["月", "颜"], [[RHYME], [RHYME]], False, "月 is 仄"),
        (["山"], [[Slot(char="月")]], False, "another character is given"),
        (["鿿"], [[FREE]], False, "no reading is known"),
    ],
)
def test_slots_are_kept(lines, form, expected, why):
    made = Form("试", tuple(map(tuple, form)), "，" * (len(form) - 1) + "。")
    assert fits(lines, made, EVERY) is expected, why


def test_a_given_group_is_kept():
    form = Form("试", ((RHYME,), (RHYME,)), "，。")
    assert fits(["山", "颜"], form, EVERY, {"a": frozenset({"十五删"})})
    assert not fits(["山", "颜"], form, EVERY, {"a": frozenset({"一东"})})


def test_repeated_lines_must_repeat_and_may_repeat_their_rhyme_word():
    form = Form("试", ((FREE, RHYME), (RHYME,)), "，。", echoes=((2, 1),))
    assert fits(["清山", "山"], form, EVERY)
    assert not fits(["清山", "颜"], form, EVERY)


def test_a_tang_poem_keeps_one_pattern_and_no_other():
    # 王之涣 登鹳雀楼, 平仄 by one reading each.
    lines = ["白日依山尽", "黄河入海流", "欲穷千里目", "更上一层楼"]
    any_ = BookSounds(PINGSHUI, "any")
    fitting = [form.pattern for form in regulated_forms("五言绝句") if fits(lines, form, any_)]
    assert fitting == ["仄起首句不入韵"]
    lines[1] = "黄河入流海"
    assert not any(fits(lines, form, any_) for form in regulated_forms("五言绝句"))


@pytest.mark.parametrize(
    ("lines", "expected", "why"),
    [
        (["空山", "新雨"], False, "all differ"),
        (["空空", "新雨"], False, "said twice over"),
        (["空山", "空雨"], True, "apart"),
        (["山空", "空雨"], True, "side by side, but across the line end"),
        (["空空", "空雨"], True, "three times"),
    ],
)
def test_repeated_characters(lines, expected, why):
    assert repeats_characters(lines, shape("试", 2, 2)) is expected, why


def test_given_characters_may_repeat_each_other():
    form = Form("试", ((Slot(char="空"), FREE), (Slot(char="空"), FREE)), "，。")
    assert not repeats_characters(["空山", "空雨"], form)
    assert repeats_characters(["空山", "空山"], form)


def test_known_lines_but_not_those_that_were_given():
    guard = KnownLines.build(["空山", "新雨"])
    form = Form("试", ((Slot(char="空"), Slot(char="山")), (FREE, FREE)), "，。")
    assert known_lines(["空山", "新雨"], form, [guard]) == ["新雨"]
    assert known_lines(["空山", "明月"], form, [guard]) == []
    assert known_lines(["空山", "新雨"], form, []) == []


def test_readings_beside_their_neighbours_count():
    """明了 is 明瞭 to whoever reads by phrases, and 瞭 is 平 or 仄: by itself 了 is 仄 alone."""
    form = Form("试", ((FREE, Slot(Tone.OBLIQUE)),), "。")
    assert fits(["明了"], form, EVERY) and misread_line(["明了"], form, EVERY) == 1
    assert misread_line(["明月"], form, EVERY) == 0
    assert misread_line(["明了"], form, BookSounds(PINGSHUI, "any")) == 0


def test_a_misread_line_is_named_by_its_number():
    oblique = (FREE, Slot(Tone.OBLIQUE))
    form = Form("试", (oblique, oblique, oblique), "，，。")
    assert misread_line(["明月", "明了", "明月"], form, EVERY) == 2


def test_a_character_that_loses_its_reading_beside_its_neighbours_is_misread():
    # Simplified by its other lines, so that 戯 is converted: to 戱, which the rhyme books do not have.
    form = Form("试", ((FREE,) * 7,) * 4, "，。，。")
    lines = ["爷爷蒹斛笑铨斎", "恙遊戯復活澄階", "一夜蛲之时兑怀", "悍牴杆馒餐饮裂"]
    assert fits(lines, form, EVERY) and misread_line(lines, form, EVERY) == 2
    lines[1] = lines[1].replace("戯", "月")
    assert misread_line(lines, form, EVERY) == 0
