"""The automaton: what may stand next, by tone, rhyme and fixed character."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import pytest

from gemma_poetry.errors import ConstraintError
from gemma_poetry.generation.alphabet import Alphabet
from gemma_poetry.generation.form_layout import flatten
from gemma_poetry.generation.slot_automaton import NOWHERE, SlotAutomaton
from gemma_poetry.prosody.forms import FREE, Form, Slot, Tone, shape

LEVEL, OBLIQUE = Slot(Tone.LEVEL), Slot(Tone.OBLIQUE)


class TableSounds:
    """Sounds from a table: character -> readings as (tone, group); every reading must fit."""

    def __init__(self, readings: dict[str, list[tuple[str, str]]]) -> None:
        self.readings = readings

    def known(self, char):
        return char in self.readings

    def tones(self, char, at_end):
        tones = {Tone(tone) for tone, _ in self.readings[char]}
        return frozenset(tones) if len(tones) == 1 else frozenset()

    def rhymes(self, char, tone):
        if tone is not None and self.tones(char, True) != {tone}:
            return frozenset()
        groups = {group for _, group in self.readings[char]}
        return frozenset(groups) if len(groups) == 1 else frozenset()

    def given_rhymes(self, char, tone):
        return frozenset(group for own, group in self.readings[char] if tone is None or Tone(own) is tone)


# 平: three words of 东, two of 阳, one of 尤; 仄: two; 看 is both, 空 twice 平 in two groups.
SOUNDS = TableSounds(
    {
        "东": [("平", "东")], "风": [("平", "东")], "红": [("平", "东")],
        "霜": [("平", "阳")], "香": [("平", "阳")], "秋": [("平", "尤")],
        "月": [("仄", "月")], "雨": [("仄", "麌")],
        "看": [("平", "寒"), ("仄", "翰")], "从": [("平", "东"), ("平", "冬")],
    }
)  # fmt: skip
CHARACTERS = [*SOUNDS.readings, "鱻", "，", "。"]
ALPHABET = Alphabet(CHARACTERS, SOUNDS)


def texts(automaton: SlotAutomaton, length: int, characters: Iterable[str] = tuple(CHARACTERS)) -> set[str]:
    """Every text of a length that the automaton admits as a whole poem, found by trying all."""
    found = set()
    for chars in itertools.product(characters, repeat=length):
        state = automaton.read("".join(chars))
        if state != NOWHERE and automaton.outlook(state).ends:
            found.add("".join(chars))
    return found


def form(*lines: list[Slot], marks: str | None = None, pattern: str = "") -> Form:
    return Form("试", tuple(map(tuple, lines)), marks or "，" * (len(lines) - 1) + "。", pattern)


def test_shape_admits_every_known_character_and_the_marks_in_their_places():
    automaton = SlotAutomaton([shape("试", 2, 1)], Alphabet([*"山水", "，", "。"]))
    assert texts(automaton, 4, "山水，。") == {f"{a}，{b}。" for a in "山水" for b in "山水"}


@pytest.mark.parametrize(
    ("slots", "expected", "why"),
    [
        ([LEVEL], "东风红霜香秋从", "every reading level; 看 is not"),
        ([OBLIQUE], "月雨", "every reading oblique"),
        ([FREE], "东风红霜香秋月雨看从", "鱻 has no reading: it cannot be judged"),
        ([Slot(char="看")], "看", "a fixed character needs no tone where none is asked"),
        ([Slot(char="鱻")], "鱻", "a fixed character may be unknown where no tone is asked"),
    ],
)
def test_one_slot(slots, expected, why):
    assert texts(SlotAutomaton([form(slots)], ALPHABET), 2) == {char + "。" for char in expected}, why


def test_a_rhyme_is_bound_by_its_first_word():
    rhyme = Slot(Tone.LEVEL, "a")
    automaton = SlotAutomaton([form([rhyme], [rhyme])], ALPHABET)
    groups = ["东风红", "霜香"]
    # 秋 stands alone in its group, so it can begin no rhyme; 从 reads 东 or 冬, so it rhymes for sure with neither.
    assert texts(automaton, 4) == {f"{x}，{y}。" for group in groups for x in group for y in group}


def test_three_rhymes_need_a_group_of_three_words():
    rhyme = Slot(Tone.LEVEL, "a")
    automaton = SlotAutomaton([form([rhyme], [rhyme], [rhyme])], ALPHABET)
    state = automaton.start
    allowed = {char for char in CHARACTERS if automaton.row(state)[automaton.class_of(char)] != NOWHERE}
    assert allowed == set("东风红")


def test_a_given_group_and_a_fixed_rhyme_word():
    rhyme = Slot(Tone.LEVEL, "a")
    given = SlotAutomaton([form([rhyme], [rhyme])], ALPHABET, {"a": frozenset({"阳"})})
    assert texts(given, 4) == {f"{x}，{y}。" for x in "霜香" for y in "霜香"}
    fixed = SlotAutomaton([form([rhyme], [Slot(Tone.LEVEL, "a", "风")])], ALPHABET)
    assert texts(fixed, 4) == {"东，风。", "红，风。"}, "the fixed word binds the rhyme and stands nowhere else"


def test_two_variables_are_bound_apart():
    a, b = Slot(Tone.LEVEL, "a"), Slot(Tone.LEVEL, "b")
    automaton = SlotAutomaton([form([a, a], [b, b])], ALPHABET)
    assert automaton.outlook(automaton.read("东风，霜香。")).ends
    assert automaton.outlook(automaton.read("东风，红东。")).ends
    assert automaton.read("东霜") == NOWHERE


def test_patterns_are_chosen_by_what_is_written():
    forms = [form([LEVEL, OBLIQUE], [OBLIQUE, LEVEL], pattern="平起"), form([OBLIQUE, LEVEL], [LEVEL, OBLIQUE], pattern="仄起")]
    automaton = SlotAutomaton(forms, ALPHABET)
    assert automaton.outlook(automaton.read("东月，雨风。")).ends
    assert automaton.outlook(automaton.read("月东，风雨。")).ends
    assert automaton.read("东月，东") == NOWHERE


def test_histories_with_one_future_share_a_state():
    automaton = SlotAutomaton([form([LEVEL, FREE], [FREE, FREE])], ALPHABET)
    assert automaton.read("东月，") == automaton.read("霜看，")


def test_what_an_automaton_tells_of_a_state():
    rhyme = Slot(Tone.LEVEL, "a")
    automaton = SlotAutomaton([form([FREE, Slot(char="月")], [FREE, rhyme])], ALPHABET)
    told = [
        automaton.outlook(automaton.read(text))
        for text in ("", "东", "东月", "东月，", "东月，东", "东月，东红", "东月，东红。")
    ]
    assert [(look.fixed, look.rhymes, look.ends, look.line_left) for look in told] == [
        (False, False, False, (2,)),
        (True, False, False, (1,)),
        (True, False, False, (0,)),
        (False, False, False, (2,)),
        (False, True, False, (1,)),
        (True, False, False, (0,)),
        (False, False, True, ()),
    ]


@pytest.mark.parametrize(
    ("lines", "rhymes", "message"),
    [
        ([[FREE, Slot(char="龘")]], {}, "line 1, character 2: '龘' cannot be written"),
        ([[FREE], [Slot(Tone.LEVEL, char="月")]], {}, "line 2, character 1: 月 does not have the tone 平"),
        ([[Slot(Tone.LEVEL, char="看")]], {}, "line 1, character 1: 看 is read 平 and 仄, the tone 平 is asked for"),
        ([[Slot(Tone.LEVEL, char="鱻")]], {}, "line 1, character 1: 鱻 has no known reading"),
        ([[Slot(Tone.OBLIQUE, "a", "从")]], {}, "line 1, character 1: 从 does not have the tone 仄"),
        ([[Slot(Tone.LEVEL, "a", "东")], [Slot(Tone.LEVEL, "a", "霜")]], {}, "lines 1, 2: no rhyme group"),
        (
            [[Slot(Tone.LEVEL, "a")], [Slot(Tone.LEVEL, "a")]],
            {"a": frozenset({"尤"})},
            "lines 1, 2: cannot rhyme in 尤: it has too few words",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_its_place(lines, rhymes, message):
    with pytest.raises(ConstraintError, match="试 cannot be written so") as refused:
        SlotAutomaton([form(*lines)], ALPHABET, rhymes)
    assert message in refused.value.found


def test_an_impossible_pattern_gives_way_to_a_possible_one():
    level_first, oblique_first = form([Slot(Tone.LEVEL, char="月")]), form([Slot(Tone.OBLIQUE, char="月")])
    assert SlotAutomaton([level_first, oblique_first], ALPHABET).forms == [oblique_first]


def test_a_repeating_line_asks_the_same_of_what_it_repeats():
    rhyme = Slot(Tone.OBLIQUE, "a")
    echoing = Form("试", ((FREE, FREE, rhyme), (LEVEL, rhyme)), "，。", echoes=((2, 1),))
    cells = flatten(echoing)
    assert [cell.slot for cell in cells[:3]] == [FREE, LEVEL, rhyme]
    assert [cell.echo for cell in cells] == [0, 0, 0, 0, 3, 3, 0]
    # 月 and 雨 rhyme with no other word: the repeated word counts once, so one word a group is enough.
    automaton = SlotAutomaton([echoing], ALPHABET)
    assert automaton.outlook(automaton.read("看东月，")).echo == 3
    assert automaton.outlook(automaton.read("看东月，东月。")).ends


def test_a_repeating_line_that_contradicts_what_it_repeats_is_refused():
    with pytest.raises(ConstraintError, match="line 2 repeats line 1"):
        SlotAutomaton([Form("试", ((LEVEL,), (OBLIQUE,)), "，。", echoes=((2, 1),))], ALPHABET)


def test_a_charset_limits_free_slots_but_not_fixed_characters():
    automaton = SlotAutomaton([form([FREE, Slot(char="月")])], Alphabet(CHARACTERS, SOUNDS, charset="东风"))
    assert texts(automaton, 3) == {"东月。", "风月。"}
