"""Scansion by properties: what keeps a pattern passes it, what breaks it is told at that place; and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings, strategies as st

from gemma_poetry.errors import TextError, UnknownFormError
from gemma_poetry.prosody.forms import Form, Slot, Tone
from gemma_poetry.prosody.interpretation import heard_at_word
from gemma_poetry.prosody.regulated import (
    LEVEL,
    LINE_TYPES,
    OBLIQUE,
    Pattern,
    chain,
    pattern_name,
    patterns_of,
    regulated_forms,
    strict_pattern,
)
from gemma_poetry.prosody.rules import Rule, Verdict
from gemma_poetry.prosody.scansion import check_form, scan, scan_auto
from tests.verse_writing import BY_TONE, poems

NAMES = {(4, 5): "五言绝句", (4, 7): "七言绝句", (8, 5): "五言律诗", (8, 7): "七言律诗", (12, 5): "五言排律"}
SHAPES = [(opening, *shape) for opening in LINE_TYPES for shape in NAMES]
IDS = [f"{opening.name}-{lines}x{characters}" for opening, lines, characters in SHAPES]


def replaced(lines: tuple[str, ...], line: int, position: int, char: str) -> tuple[str, ...]:
    text = lines[line - 1]
    return (*lines[: line - 1], text[: position - 1] + char + text[position:], *lines[line:])


@pytest.mark.parametrize(("opening", "lines", "characters"), SHAPES, ids=IDS)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_a_poem_written_to_a_pattern_passes_it(opening, lines, characters, data):
    poem = data.draw(poems(opening, lines, characters))
    scansion = scan(poem, NAMES[lines, characters])
    assert scansion.verdict is Verdict.STRICT
    assert scansion.every_reading
    assert scansion.pattern == pattern_name(Pattern(opening), characters)
    assert scansion.faults == ()
    assert scansion.licences == ()
    assert scansion.unknown == ()
    assert scan_auto(poem) == scansion


@pytest.mark.parametrize(("opening", "lines", "characters"), SHAPES, ids=IDS)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_one_wrong_tone_on_a_beat_or_at_an_end_is_told_at_that_place(opening, lines, characters, data):
    poem = data.draw(poems(opening, lines, characters))
    number = data.draw(st.integers(1, lines))
    kind = chain(opening, lines)[number - 1]
    # Position 4 of 5 (6 of 7) of an unrhymed line may be 大拗 or 特拗, and line 1 may turn from rhymed to unrhymed.
    places = [2, *([characters - 3] if characters == 7 else []), *([characters - 1] if kind.last == LEVEL else [])]
    places += [characters] if number > 1 else []
    position = data.draw(st.sampled_from(places))
    asked = strict_pattern(kind, characters)[position - 1]
    wrong = data.draw(st.sampled_from(BY_TONE["仄" if asked == "平" else "平"]))
    scansion = scan(replaced(poem, number, position, wrong), NAMES[lines, characters])
    assert scansion.verdict is Verdict.FAIL
    assert (number, position) in {(fault.line, fault.position) for fault in scansion.faults}
    told = next(fault for fault in scansion.faults if (fault.line, fault.position) == (number, position))
    assert told.rule is (Rule.LINE_END if position == characters else Rule.BEAT)
    assert (told.expected, told.actual) == (asked, "仄" if asked == "平" else "平")


@pytest.mark.parametrize(("lines", "characters"), [(4, 5), (8, 7)])
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_a_rhyme_word_of_another_group_is_told_at_its_place(lines, characters, data):
    poem = data.draw(poems(LINE_TYPES[0], lines, characters))
    other = data.draw(poems(LINE_TYPES[0], lines, characters))
    groups = [heard_at_word(one[1][-1], True).readings[0].group for one in (poem, other)]
    assume(groups[0] != groups[1])
    number = data.draw(st.integers(2, lines // 2)) * 2 if lines > 4 else 4
    scansion = scan(replaced(poem, number, characters, other[1][-1]), NAMES[lines, characters])
    rhymes = [fault for fault in scansion.faults if fault.rule is Rule.RHYME]
    assert scansion.verdict is Verdict.FAIL
    if lines > 4:
        assert [(fault.line, fault.position, fault.expected, fault.actual) for fault in rhymes] == [
            (number, characters, groups[0], groups[1])
        ]
    else:
        # Of two rhyme words neither is in the majority.
        assert len(rhymes) == 1


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_a_broken_joint_is_one_fault_and_not_one_in_every_line_behind_it(data):
    first = data.draw(poems(LINE_TYPES[0], 8, 5))
    # The second half opened with C in place of A, its rhymes kept, does not adhere to the first.
    second = data.draw(poems(LINE_TYPES[2], 4, 5))
    broken = (*first[:4], *second[:1], second[1][:-1] + first[5][-1], second[2], second[3][:-1] + first[7][-1])
    scansion = scan(broken, "五言律诗")
    assert [(fault.rule, fault.line, fault.position) for fault in scansion.faults] == [(Rule.ADHESION, 5, 2)]


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_a_repeated_rhyme_word_is_told_where_it_returns(data):
    poem = data.draw(poems(LINE_TYPES[2], 8, 7))
    scansion = scan(replaced(poem, 6, 7, poem[1][-1]), "七言律诗")
    assert [(fault.rule, fault.line, fault.position) for fault in scansion.faults] == [(Rule.REPEATED_RHYME, 6, 7)]


@pytest.mark.parametrize("name", ["五言绝句", "七言绝句", "六言绝句"])
def test_every_pattern_reads_its_own_poem_alone(name):
    forms = [*regulated_forms(name), *(regulated_forms(name, rhyme=Tone.OBLIQUE) if name != "六言绝句" else ())]
    assert len(forms) == len(patterns_of(name))
    for form in forms:
        for own, pattern in patterns_of(name).items():
            scansion = scan(_example(pattern, len(form.lines[0])), form)
            # Of six characters a couplet need not adhere to the one before: the opening alone tells patterns apart.
            same = form.pattern.removeprefix("不粘") == own.removeprefix("不粘")
            assert scansion.verdict.passes == same, (form.pattern, own)


def _example(pattern, characters: int) -> tuple[str, ...]:
    """A poem of four lines, without chance."""
    words = iter("绝灭雪" if pattern.rhyme == OBLIQUE else "楼舟秋")
    written = []
    for kind in pattern.kinds(4):
        tones = strict_pattern(kind, characters).replace("中", "平")
        chars = ["山" if tone == "平" else "月" for tone in tones]
        written.append("".join(chars[:-1]) + (next(words) if kind.last == pattern.rhyme else chars[-1]))
    return tuple(written)


# The types of the lines, then what a reader is told; the lines are of strict types but where it is said.
OBLIQUE_QUATRAINS = [
    ("月月山山灭，山山山月绝。山山月月山，月月山山雪", "仄韵仄起首句入韵", "strict", "", ""),
    ("月月月山山，山山山月绝。山山月月山，月月山山雪", "仄韵仄起首句不入韵", "strict", "", ""),
    ("月月山山客，山山山月绝。山山月月山，月月山山雪", "仄韵仄起首句仄脚", "minor", "", "首句仄脚"),
    ("月月山山月，山山山月绝。山山月月山，月月山山雪", "仄韵仄起首句入韵", "strict", "", "邻韵"),
    ("月月月山山，山山月山绝。山山月月山，月月山山雪", "仄韵仄起首句不入韵", "rescued", "", "特拗"),
    ("月月月山山，山山山月绝。山山月月山，月月山月雪", "仄韵仄起首句不入韵", "fail", "大拗未救", ""),
    ("月月山月灭，山山山月绝。山山月月山，月月山山雪", "仄韵仄起首句入韵", "fail", "大拗未救", ""),
    ("山山月月山，月月山山绝。山山月月山，月月山山雪", "仄韵平起首句不入韵", "fail", "失粘", ""),
    ("月月月山山，山山山月绝。山山月月月，月月山山雪", "仄韵仄起首句不入韵", "fail", "句脚平仄不合", ""),
    ("月月月山山，山山山月绝。山山月月山，月月山山客", "仄韵仄起首句不入韵", "fail", "出韵", ""),
    ("月月月山山，山山山月雪。山山月月山，月月山山雪", "仄韵仄起首句不入韵", "fail", "重韵", ""),
]  # fmt: skip


@pytest.mark.parametrize(("text", "pattern", "verdict", "faults", "licences"), OBLIQUE_QUATRAINS)
def test_a_quatrain_on_an_oblique_rhyme_is_judged_by_its_own_types(text, pattern, verdict, faults, licences):
    scansion = scan(text, "五绝")
    assert (scansion.pattern, scansion.verdict.value) == (pattern, verdict)
    assert " ".join(fault.rule.chinese for fault in scansion.faults) == faults
    assert " ".join(licence.rule.chinese for licence in scansion.licences) == licences
    assert [bool(places[-1].rhyme) for places in scansion.places] == ["首句入韵" in pattern, True, False, True]


@pytest.mark.parametrize(
    ("words", "rules"),
    [("步路", []), ("舞步", [Rule.RHYME]), ("步绿", [Rule.RHYME])],
    ids=["去 with 去", "上 with 去", "去 with 入"],
)
def test_oblique_rhymes_do_not_mix_their_tones(words, rules):
    first, second = words
    scansion = scan(f"月月月山山，山山山月{first}。山山月月山，月月山山{second}", "五绝")
    assert [fault.rule for fault in scansion.faults] == rules


SIX = [
    ("杨柳鸣蜩绿暗，荷花落日红酣。三十六陂春水，白头想见江南", "不粘仄起首句不入韵", "strict", "", "王安石, 不粘"),
    ("山山月月山月，月月山山月山。月月山山月月，山山月月山关", "平起首句不入韵", "strict", "", "平仄仄 仄平平, adhering"),
    ("月月山山月月，山山月月月山。月月山山月月，山山月月山关", "不粘仄起首句不入韵", "minor", "", "第五字"),
    ("月月月月月月，山山月月山山。月月山山月月，山山月月山关", "不粘仄起首句不入韵", "fail", "节奏点平仄不合", "beat 4"),
    ("月月山山月月，月月山山月山。月月山山月月，山山月月山关", "不粘仄起首句不入韵", "fail", "失对", "both lines 仄起"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "pattern", "verdict", "faults", "why"), SIX, ids=[row[-1] for row in SIX])
def test_a_quatrain_of_six_characters(text, pattern, verdict, faults, why):
    scansion = scan(text, "六绝")
    assert (scansion.pattern, scansion.verdict.value) == (pattern, verdict)
    assert " ".join(fault.rule.chinese for fault in scansion.faults) == faults


QUATRAIN = ("白日依山尽", "黄河入海流", "欲穷千里目", "更上一层楼")


def test_given_characters_must_stand_where_the_form_has_them():
    form = next(form for form in regulated_forms("五绝") if form.pattern == "仄起首句不入韵")
    given_first = Form(form.name, ((Slot(char="青"), *form.lines[0][1:]), *form.lines[1:]), form.marks, form.pattern)
    scansion = scan(QUATRAIN, given_first)
    assert [(fault.rule, fault.line, fault.position, fault.expected, fault.actual) for fault in scansion.faults] == [
        (Rule.CHARACTER, 1, 1, "青", "白")
    ]
    assert scansion.verdict is Verdict.FAIL
    assert scan(("青日依山尽", *QUATRAIN[1:]), given_first).verdict is Verdict.STRICT


def test_unknown_characters_are_reported_and_never_pass_for_certain():
    scansion = scan(("白日依𰻝尽", *QUATRAIN[1:]), "五绝")
    assert scansion.unknown == ((1, 4, "𰻝"),)
    assert scansion.verdict is Verdict.STRICT
    assert not scansion.every_reading


@pytest.mark.parametrize(
    ("lines", "form", "found"),
    [
        ([], "五绝", "no line"),
        (["白日依山尽"], "五绝", "one line only"),
        (["白日依山尽", ""], "五绝", "empty"),
        (QUATRAIN[:2], "五绝", "2 lines"),
        (QUATRAIN * 2, "五绝", "8 lines"),
        (QUATRAIN, "七绝", "line 1 (白日依山尽) has 5 characters"),
        (("白日依山尽", "黄河入海", *QUATRAIN[2:]), "五绝", "line 2 (黄河入海) has 4 characters"),
        (QUATRAIN, "五排", "4 lines"),
        (QUATRAIN, "七言古诗", "has 5 characters"),
    ],
)
def test_what_has_not_the_shape_of_the_form_is_refused(lines, form, found):
    with pytest.raises(TextError) as error:
        scan(lines, form)
    assert found in error.value.found


@pytest.mark.parametrize(
    ("name", "near"), [("五言绝诗", "五言绝句"), ("七律诗", "七言律诗"), ("水调歌投", "水调歌头"), ("Sonnet", "")]
)
def test_a_form_that_does_not_exist_is_refused_with_the_nearest_names(name, near):
    for ask in (check_form, lambda form: scan(QUATRAIN, form)):
        with pytest.raises(UnknownFormError) as error:
            ask(name)
        assert near in error.value.action


def test_a_pattern_that_does_not_exist_is_refused():
    with pytest.raises(UnknownFormError, match="平起首句不入韵"):
        scan(QUATRAIN, Form("五言绝句", (), "", "侧起"))


@pytest.mark.parametrize(
    ("lines", "form", "verdict"),
    [
        (["白日依山尽", "黄河"], "auto", Verdict.NOT_JUDGED),
        (["枯藤老树昏鸦", "小桥流水人家", "古道西风瘦马"], "曲", Verdict.NOT_JUDGED),
        (["关关雎鸠", "在河之洲", "窈窕淑女", "君子好逑"], "auto", Verdict.STRICT),
    ],
)
def test_forms_with_and_without_a_rule(lines, form, verdict):
    scansion = scan_auto(lines) if form == "auto" else scan(lines, form)
    assert scansion.verdict is verdict
    assert scansion.remarks


def test_of_readings_that_serve_alike_the_likely_one_is_taken():
    place = scan("空山新雨后，天气晚来秋。明月松间照，清泉石上流", "五绝").places[0][0]
    assert place.expected == "中" and place.taken is not None
    assert (place.taken.tone, place.reason.split(":")[0]) == (Tone.LEVEL, "word 空山")


def test_a_poem_that_passes_against_a_word_says_so():
    # 離羣 is 平 in verse; as the beat of a B line 離 must be 仄 (力智 has such a reading).
    lines = ("白日依山尽", "山山江离群", "欲穷千里目", "更上一层云")
    scansion = scan(lines, "五绝")
    assert scansion.verdict.passes
    assert any(
        "line 2, position 4 离: the form needs it 仄, against its word 離羣: 平" in remark for remark in scansion.remarks
    )
