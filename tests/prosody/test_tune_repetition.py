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
