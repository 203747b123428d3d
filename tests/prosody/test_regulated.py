"""The metre of regulated verse, line by line: each rule from both sides, and the sixteen patterns."""

from __future__ import annotations

import itertools

import pytest

from gemma_poetry.errors import UnknownFormError
from gemma_poetry.prosody.forms import Tone
from gemma_poetry.prosody.regulated import (
    LEVEL,
    LINE_TYPES,
    OBLIQUE,
    A,
    B,
    C,
    D,
    chain,
    line_findings,
    line_verdict,
    patterns_of,
    regulated_forms,
    strict_pattern,
)
from gemma_poetry.prosody.rules import Rule, Verdict

# tones, type, tone that the next line has where it may mend, findings as (rule, position), why
LINES = [
    ("仄仄平平仄", A, "", [], "A, the base"),
    ("平仄平平仄", A, "", [], "A: position 1 is free"),
    ("仄仄仄平仄", A, "", [(Rule.MINOR_TWIST, 3)], "小拗, left alone"),
    ("仄仄仄平仄", A, "平", [(Rule.MINOR_TWIST, 3)], "小拗, mended or not: minor"),
    ("仄仄平仄仄", A, "平", [(Rule.MAJOR_TWIST_MENDED, 4)], "大拗, mended by the next line (野火烧不尽)"),
    ("仄仄平仄仄", A, "仄", [(Rule.MAJOR_TWIST, 4)], "大拗, not mended"),
    ("仄仄平仄仄", A, "", [(Rule.MAJOR_TWIST, 4)], "大拗 in a last line"),
    ("仄仄仄仄仄", A, "平", [(Rule.MAJOR_TWIST_MENDED, 4)], "five oblique, mended (向晚意不适)"),
    ("仄平平平仄", A, "", [(Rule.BEAT, 2)], "A with a level second"),
    ("仄仄平平平", A, "", [(Rule.LINE_END, 5)], "A that ends level"),
    ("平平仄仄平", B, "", [], "B, the base"),
    ("平平平仄平", B, "", [], "B: position 3 is free behind a level first"),
    ("仄平平仄平", B, "", [(Rule.LONE_LEVEL_MENDED, 1)], "孤平 mended in its own line (恐惊天上人)"),
    ("仄平仄仄平", B, "", [(Rule.LONE_LEVEL, 1)], "孤平"),
    ("平仄仄仄平", B, "", [(Rule.BEAT, 2)], "B with an oblique second"),
    ("平平仄平平", B, "", [(Rule.BEAT, 4)], "B with a level fourth"),
    ("平平仄仄仄", B, "", [(Rule.LINE_END, 5)], "B that does not end level"),
    ("平平平仄仄", C, "", [], "C, the base"),
    ("仄平平仄仄", C, "", [], "C: position 1 is free"),
    ("平平仄平仄", C, "", [(Rule.SWAP_ALLOWED, 3)], "特拗 (移舟泊烟渚)"),
    ("仄平仄平仄", C, "", [(Rule.SWAP, 1)], "特拗 without its level first"),
    ("平平仄仄仄", C, "", [(Rule.THREE_OBLIQUE, 3)], "三仄尾"),
    ("仄平仄仄仄", C, "", [(Rule.THREE_OBLIQUE, 3)], "三仄尾 with any first"),
    ("平平平平仄", C, "", [(Rule.BEAT, 4)], "C with a level fourth and no swap"),
    ("仄仄仄平平", D, "", [], "D, the base"),
    ("平仄仄平平", D, "", [], "D: position 1 is free"),
    ("仄仄平平平", D, "", [(Rule.THREE_LEVEL, 3)], "三平尾"),
    ("仄仄仄仄平", D, "", [(Rule.BEAT, 4)], "D with an oblique fourth (疑是地上霜)"),
    ("仄平仄平平", D, "", [(Rule.BEAT, 2)], "D with a level second"),
    ("平平仄仄平平仄", A, "", [], "A of seven"),
    ("仄平平仄平平仄", A, "", [], "A of seven: positions 1 and 3 are free"),
    ("平仄仄仄平平仄", A, "", [(Rule.BEAT, 2)], "A of seven with an oblique second"),
    ("平平仄仄仄仄仄", A, "平", [(Rule.MAJOR_TWIST_MENDED, 6)], "大拗 of seven (南朝四百八十寺)"),
    ("平平仄仄仄平仄", A, "平", [(Rule.MINOR_TWIST, 5)], "小拗 of seven (映阶碧草自春色)"),
    ("仄仄仄平仄仄平", B, "", [(Rule.LONE_LEVEL, 3)], "孤平 of seven"),
    ("平仄仄平平仄平", B, "", [(Rule.LONE_LEVEL_MENDED, 3)], "孤平 of seven, mended (山雨欲来风满楼)"),
    ("平仄平平仄平仄", C, "", [(Rule.SWAP_ALLOWED, 5)], "特拗 of seven (正是江南好风景)"),
    ("平仄仄平仄平仄", C, "", [(Rule.SWAP, 3)], "特拗 of seven without its level third"),
    ("仄平平仄平平平", D, "", [(Rule.THREE_LEVEL, 5)], "三平尾 of seven (白云千载空悠悠)"),
    ("仄平平平平仄平", B, "", [(Rule.BEAT, 2)], "one beat alone is told (故人西辞黄鹤楼)"),
]  # fmt: skip


@pytest.mark.parametrize(("tones", "kind", "next_third", "expected", "why"), LINES, ids=[case[-1] for case in LINES])
def test_what_a_line_makes_of_its_type(tones, kind, next_third, expected, why):
    found = line_findings(tones, kind, next_third)
    assert [(finding.rule, finding.position) for finding in found] == expected


def test_a_finding_says_which_tone_would_have_been_right():
    for tones, kind, next_third, _, _ in LINES:
        for finding in line_findings(tones, kind, next_third):
            assert finding.expected == (OBLIQUE if tones[finding.position - 1] == LEVEL else LEVEL)


def test_a_line_is_strict_if_and_only_if_it_keeps_the_strict_pattern_or_mends_a_lone_level():
    for characters, kind in itertools.product((5, 7), LINE_TYPES):
        pattern = strict_pattern(kind, characters)
        for letters in itertools.product(LEVEL + OBLIQUE, repeat=characters):
            tones = "".join(letters)
            keeps = all(asked in ("中", tone) for asked, tone in zip(pattern, tones))
            assert (line_verdict(line_findings(tones, kind)) is Verdict.STRICT) == keeps, (kind.name, tones)


def test_no_line_passes_under_two_types():
    for letters in itertools.product(LEVEL + OBLIQUE, repeat=5):
        tones = "".join(letters)
        passing = [kind.name for kind in LINE_TYPES if line_verdict(line_findings(tones, kind, LEVEL)).passes]
        assert len(passing) <= 1, (tones, passing)


@pytest.mark.parametrize(
    ("opening", "expected"), [(A, "ABCDABCD"), (C, "CDABCDAB"), (D, "DBCDABCD"), (B, "BDABCDAB")], ids="ACDB"
)
def test_chains(opening, expected):
    assert "".join(kind.name for kind in chain(opening, 8)) == expected


def as_text(form) -> str:
    letters = {Tone.LEVEL: "平", Tone.OBLIQUE: "仄", None: "中"}
    return " ".join("".join(letters[slot.tone] for slot in line) + (line[-1].rhyme or "") for line in form.lines)


@pytest.mark.parametrize(
    ("name", "pattern", "expected"),
    [
        ("五绝", "仄起首句不入韵", "中仄平平仄 平平中仄平a 中平平仄仄 中仄仄平平a"),
        ("五绝", "仄起首句入韵", "中仄仄平平a 平平中仄平a 中平平仄仄 中仄仄平平a"),
        ("五绝", "平起首句不入韵", "中平平仄仄 中仄仄平平a 中仄平平仄 平平中仄平a"),
        ("五绝", "平起首句入韵", "平平中仄平a 中仄仄平平a 中仄平平仄 平平中仄平a"),
        ("七绝", "平起首句入韵", "中平中仄仄平平a 中仄平平中仄平a 中仄中平平仄仄 中平中仄仄平平a"),
        ("七绝", "仄起首句入韵", "中仄平平中仄平a 中平中仄仄平平a 中平中仄平平仄 中仄平平中仄平a"),
        ("七绝", "平起首句不入韵", "中平中仄平平仄 中仄平平中仄平a 中仄中平平仄仄 中平中仄仄平平a"),
        ("七绝", "仄起首句不入韵", "中仄中平平仄仄 中平中仄仄平平a 中平中仄平平仄 中仄平平中仄平a"),
    ],
)
def test_the_patterns_of_the_handbooks(name, pattern, expected):
    form = next(form for form in regulated_forms(name) if form.pattern == pattern)
    assert as_text(form) == expected


@pytest.mark.parametrize(
    ("name", "lines", "count"),
    [
        ("五言律诗", None, 8),
        ("七言律诗", 8, 8),
        ("五言排律", None, 12),
        ("七言排律", 20, 20),
        ("五言排律", 40, 40),
        ("五言绝句", 4, 4),
    ],
)
def test_each_form_has_four_patterns_of_its_length(name, lines, count):
    forms = regulated_forms(name, lines)
    assert sorted(form.pattern for form in forms) == sorted(own for own in patterns_of(name) if "仄韵" not in own)
    assert {len(form.lines) for form in forms} == {count}
    assert {form.name for form in forms} == {name}
    assert forms[0].marks == "，。" * (count // 2)


@pytest.mark.parametrize(("name", "lines"), [("五言绝句", 8), ("五言排律", 8), ("五言排律", 11), ("五言古诗", None)])
def test_a_form_has_no_other_shape(name, lines):
    with pytest.raises(ValueError, match="五言"):
        regulated_forms(name, lines)


def test_an_unknown_form_is_refused():
    with pytest.raises(UnknownFormError):
        regulated_forms("八言绝句")
