"""Characters and lines that the poems of a tune say again are found, asked for and missed."""

from __future__ import annotations

import pytest

from gemma_poetry.errors import ConstraintError
from gemma_poetry.generation.alphabet import Alphabet
from gemma_poetry.generation.form_layout import flatten
from gemma_poetry.generation.slot_automaton import NOWHERE, SlotAutomaton
from gemma_poetry.prosody.character_sounds import BookSounds
from gemma_poetry.prosody.forms import Form, Slot, Tone
from gemma_poetry.prosody.rhyme_books import CILIN
from gemma_poetry.prosody.rules import Rule
from gemma_poetry.prosody.tune_patterns import parse_pattern, pattern_text
from gemma_poetry.prosody.tune_scan import scan_tune
from tests.prosody.test_tune_induction import induced, poems

PATTERN = "中仄平平a。仄仄平平a。中平中仄仄，平々々a。"
HAIRPIN = (
    "红酥手。黄縢酒。满城春色宫墙柳。东风恶。欢情薄。一怀愁绪，几年离索。错错错。"
    "春如旧。人空瘦。泪痕红浥鲛绡透。桃花落。闲池阁。山盟虽在，锦书难托。莫莫莫。"
)


def test_a_pattern_with_characters_said_again_is_read_and_written() -> None:
    form = parse_pattern(PATTERN, "试")
    assert form.repeats == ((4, 2, 1), (4, 3, 2)) and form.lines[3] == (
        Slot(Tone.LEVEL),
        Slot(Tone.LEVEL),
        Slot(Tone.LEVEL, "a"),
    )
    assert pattern_text(form) == PATTERN


@pytest.mark.parametrize("count", [40, 6, 1])
def test_induction_finds_what_every_poem_says_again(count: int) -> None:
    (found,) = induced(poems(PATTERN, count))
    assert found[0].split("，")[-1] == "平々々a。" and found[1] == count


def test_what_two_poems_say_again_is_their_own_figure() -> None:
    texts = poems("中仄平平a。仄仄平平a。中平中仄仄，仄々仄平平a。", 2)
    assert all("々" not in pattern for pattern, _count in induced(texts))


def test_a_poem_that_does_not_say_it_again_is_faulted_at_its_place() -> None:
    lines = HAIRPIN.strip("。").replace("，", "。").split("。")
    assert not [fault for fault in scan_tune(lines, "钗头凤").faults if fault.rule is Rule.REPEAT]
    lines[7] = "错错恶"
    (fault,) = [fault for fault in scan_tune(lines, "钗头凤").faults if fault.rule is Rule.REPEAT]
    assert (fault.line, fault.position, fault.expected, fault.actual) == (8, 3, "错", "恶")


def test_writing_says_it_again_and_rhymes() -> None:
    form = parse_pattern(PATTERN, "试")
    alphabet = Alphabet("山寒安东红公月雪，。", BookSounds(CILIN, "every"))
    automaton = SlotAutomaton([form], alphabet)
    opening = "月雪红山。月雪红寒。山红月月雪，"
    assert automaton.outlook(automaton.read(opening)).rhymes
    assert automaton.read(opening + "东") == NOWHERE
    assert automaton.outlook(automaton.read(opening + "安")).echo == 1
    assert automaton.outlook(automaton.read(opening + "安安安。")).ends


def test_characters_that_contradict_the_repetition_are_refused() -> None:
    form = parse_pattern(PATTERN, "试")
    lines = list(form.lines)
    lines[3] = (Slot(Tone.LEVEL, char="安"), Slot(Tone.LEVEL, char="寒"), lines[3][2])
    with pytest.raises(ConstraintError, match="comes again in line 4"):
        flatten(Form("试", tuple(lines), form.marks, repeats=form.repeats))


TURNED = "中中仄平平a。中仄中平仄仄，中平中仄仄平b。~3平仄c。=4平仄c。中中仄平平a。仄平平仄平仄c。平平仄仄仄平b。"
HORSES = "胡马。胡马。远放燕支山下。跑沙跑雪独嘶。东望西望路迷。迷路。迷路。边草无穷日暮。"
"""韦应物, 调笑令: not in the collection's 词, so that no template was learned from it."""


def test_a_pattern_with_a_line_turned_round_is_read_and_written() -> None:
    form = parse_pattern(TURNED, "试")
    assert form.turns == ((4, 3),) and form.echoes == ((5, 4),) and form.repeating == {4, 5}
    assert pattern_text(form) == TURNED


@pytest.mark.parametrize(("count", "told"), [(40, True), (6, True), (1, False)])
def test_induction_finds_a_line_that_several_poems_turn_round(count: int, told: bool) -> None:
    (found,) = induced(poems(TURNED, count))
    assert ("~3平仄" in found[0]) is told


def test_writing_turns_the_line_round_and_binds_its_rhyme_ahead() -> None:
    form = parse_pattern("中仄平a，~1平仄b。平平仄b。平平平a。", "试")
    cells = flatten(form)
    assert [cell.echo for cell in cells] == [0, 0, 0, 0, 1 + 1, 1 + 3, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    assert cells[1].slot == Slot(Tone.OBLIQUE, "b") and cells[1].again and cells[2].again
    automaton = SlotAutomaton([form], Alphabet("山寒安东红公月雪路暮，。", BookSounds(CILIN, "every")))
    opening = automaton.read("月路山，")
    assert automaton.outlook(opening).echo == 2 and automaton.outlook(automaton.read("月路山，山")).echo == 4
    # 路 was the rhyme word: the line that rhymes with it takes words of its part alone.
    left = automaton.read("月路山，山路。山东")
    assert automaton.read("月路山，山路。山东暮。") != NOWHERE and left != NOWHERE
    assert automaton.read("月路山，山路。山东雪。") == NOWHERE


def test_a_poem_of_the_tang_turns_its_line_round() -> None:
    scansion = scan_tune(HORSES, "调笑令")
    assert scansion.verdict.passes
    broken = scan_tune(HORSES.replace("迷路", "边路"), "调笑令")
    assert [(fault.line, fault.expected, fault.actual) for fault in broken.faults if fault.rule is Rule.ECHO] == [
        (6, "迷路", "边路")
    ]
