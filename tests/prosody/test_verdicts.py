"""Verdicts by tables: the same as full scansion, and as trying every choice of readings one by one."""

from __future__ import annotations

import itertools
import math
import random
from unittest import mock

import pytest
from hypothesis import given, settings, strategies as st

from gemma_poetry.corpus.cleaning import RejectedError, clean_lines
from gemma_poetry.corpus.formats import read_poems
from gemma_poetry.corpus.script import convert
from gemma_poetry.corpus.sources import open_source
from gemma_poetry.prosody.forms import FIXED_SHAPES, Tone
from gemma_poetry.prosody.interpretation import interpret
from gemma_poetry.prosody.regulated import LEVEL, LINE_TYPES, OBLIQUE, PATTERNS, A, B, C, D, chain, line_findings, line_verdict
from gemma_poetry.prosody.regulated_scan import scan_regulated
from gemma_poetry.prosody.rhyme import NEIGHBOUR_GROUPS
from gemma_poetry.prosody.rhyme_books import PINGSHUI
from gemma_poetry.prosody.rules import Verdict
from gemma_poetry.prosody.scansion import scan
from gemma_poetry.prosody.verdicts import (
    _best_outcomes,
    _ear,
    _rank,
    broken_share,
    every_reading_passes,
    is_level_rhymed,
    regulated_verdict,
)
from tests.verse_writing import poems

NAMES = {shape: name for name, shape in FIXED_SHAPES.items() if shape[1] != 6}
# Characters of two tones that neither word nor usage settles, put into verse that is certain.
OPEN = "看過思教勝聽吹論乘聞應"


@st.composite
def unsettled_poems(draw: st.DrawFn) -> tuple[str, ...]:
    """Poems near to a pattern: a few characters replaced by such as have both tones, or by any of another line."""
    lines, characters = draw(st.sampled_from([(4, 5), (4, 7), (8, 5)]))
    poem = [list(line) for line in draw(poems(draw(st.sampled_from(LINE_TYPES)), lines, characters))]
    pool = OPEN + "".join(map("".join, poem))
    for _ in range(draw(st.integers(0, 6))):
        line, position = draw(st.integers(0, lines - 1)), draw(st.integers(0, characters - 1))
        poem[line][position] = draw(st.sampled_from(pool))
    return tuple(map("".join, poem))


@settings(max_examples=150, deadline=None)
@given(unsettled_poems())
def test_verdicts_are_those_of_full_scansion(poem):
    scansion = scan(poem, NAMES[len(poem), len(poem[0])])
    assert regulated_verdict(poem) is scansion.verdict
    assert scansion.every_reading == (scansion.verdict.passes and every_reading_passes(poem))


def outcomes_one_by_one(poem) -> list[bool]:
    """Whether the poem passes, for every choice of one reading a place."""
    heard = interpret(poem)
    sounds = [
        [sorted({(reading.tone.value, reading.group if last else "") for reading in place.readings})
         for place, last in zip(line, [False] * (len(line) - 1) + [True])]
        for line in heard
    ]  # fmt: skip
    passes = []
    for choice in itertools.product(*(place for line in sounds for place in line)):
        chosen = iter(choice)
        lines = [[next(chosen) for _ in line] for line in sounds]
        passes.append(_passes(["".join(tone for tone, _ in line) for line in lines], [line[-1][1] for line in lines], poem))
    return passes


def _passes(tones, groups, poem) -> bool:
    even = [line[-1] for line in poem[1::2]]
    if len(set(groups[1::2])) > 1 or len(set(even)) < len(even):
        return False
    for opening in LINE_TYPES:
        kinds = chain(opening, len(poem))
        if opening.last == LEVEL:
            near = groups[0] == groups[1] or groups[0] in NEIGHBOUR_GROUPS.get(groups[1], ())
            if not near or poem[0][-1] in even:
                continue
        thirds = [*(line[-3] for line in tones[1:]), ""]
        if all(line_verdict(line_findings(line, kind, third)).passes for line, kind, third in zip(tones, kinds, thirds)):
            return True
    return False


@settings(max_examples=60, deadline=None)
@given(unsettled_poems())
def test_any_and_every_reading_mean_what_they_say(poem):
    heard = interpret(poem)
    choices = 1
    for line in heard:
        for place in line:
            choices *= len({reading.tone for reading in place.readings})
    if choices > 512:
        return
    passes = outcomes_one_by_one(poem)
    if any(passes):
        assert regulated_verdict(poem).passes
    assert every_reading_passes(poem) == all(passes)


OBLIQUE_ENDS = "绝灭雪去上下"


@st.composite
def unsettled_oblique_quatrains(draw: st.DrawFn) -> tuple[str, ...]:
    """Quatrains near to a pattern on an oblique rhyme; of six characters near to one of theirs."""
    characters = draw(st.sampled_from([5, 6, 7]))
    patterns = [own for own in PATTERNS[characters].values() if characters == 6 or own.rhyme == OBLIQUE]
    poem = [list(line) for line in draw(poems(draw(st.sampled_from(patterns)), 4, characters))]
    for _ in range(draw(st.integers(0, 3))):
        line, position = draw(st.integers(0, 3)), draw(st.integers(0, characters - 1))
        poem[line][position] = draw(st.sampled_from(OPEN + OBLIQUE_ENDS))
    return tuple(map("".join, poem))


@settings(max_examples=60, deadline=None)
@given(unsettled_oblique_quatrains())
def test_every_reading_of_an_oblique_rhyme_and_of_six_characters_means_what_it_says(poem):
    rhyme = Tone.LEVEL if len(poem[0]) == 6 else Tone.OBLIQUE
    scansion = scan_regulated(poem, "五言绝句", rhyme=rhyme)
    choices = math.prod(len(place.tones) for line in scansion.places for place in line)
    if choices > 256 or scansion.unknown:
        return
    passes = []
    for choice in itertools.product(*(place.tones for line in scansion.places for place in line)):
        tones = "".join(choice)
        lines = [tones[start : start + len(poem[0])] for start in range(0, len(tones), len(poem[0]))]
        passes.append(_keeps_a_pattern(lines, poem, rhyme))
    assert scansion.every_reading == all(passes)


def _keeps_a_pattern(lines, poem, rhyme: Tone) -> bool:
    """Whether tones keep a pattern, and the even lines rhyme under each reading of those tones."""
    ends = [
        {reading.group for reading in line[-1].readings if reading.tone.value == tones[-1]}
        for line, tones in zip(interpret(poem), lines)
    ]
    even = [line[-1] for line in poem[1::2]]
    rhymes = {frozenset(own) for own in ends[1::2]}
    if len(rhymes) > 1 or len(set(even)) < len(even) or any(tones[-1] != rhyme.value for tones in lines[1::2]):
        return False
    for pattern in PATTERNS[len(poem[0])].values():
        if pattern.rhyme != rhyme.value:
            continue
        if pattern.opens_rhymed:
            near = ends[0] <= set(ends[1]).union(*(NEIGHBOUR_GROUPS[group] for group in ends[1]))
            if poem[0][-1] in even or not (near or rhyme is Tone.OBLIQUE):
                continue
        kinds = list(pattern.kinds(4))
        orders = [kinds] if len(poem[0]) != 6 else [[*kinds[:2], *second] for second in ([A, B], [C, D])]
        for order in orders:
            findings = [
                line_findings(line, kind, lines[index + 1][-3] if rhyme is Tone.LEVEL and index < 3 else "")
                for index, (line, kind) in enumerate(zip(lines, order))
            ]
            if all(line_verdict(found).passes for found in findings):
                return True
    return False


@pytest.mark.parametrize(
    ("lines", "level"),
    [
        (["天", "山", "月", "关"], True),
        (["天", "山", "月", "流"], True),  # all but one share a group
        (["天", "山", "月", "雪"], False),
        (["天", "月", "月", "雪"], False),
    ],
)
def test_level_rhyme(lines, level):
    assert is_level_rhymed(lines) is level


def test_how_far_a_poem_is_from_regulated_verse():
    kept = ("白日依山尽", "黄河入海流", "欲穷千里目", "更上一层楼")
    assert broken_share(kept) == 0
    # One joint of the second couplet, and then one line of it, broken.
    assert broken_share((*kept[:2], *kept[:2])) == 0.5
    assert broken_share((*kept[:2], "欲穷千里山", kept[3])) == 0.5


@pytest.mark.parametrize(
    "poem", [(), ("白日依山尽",), ("白日依山尽", "黄河入海流"), ("白日依山", "黄河入海") * 2, ("白日依山尽", "黄河入海") * 2]
)
def test_what_has_another_shape_is_no_regulated_verse(poem):
    assert regulated_verdict(poem) is Verdict.FAIL
    assert not every_reading_passes(poem)


def test_a_first_line_may_rhyme_or_not_by_the_reading_of_its_end():
    # 看 is 平, and rhymes, or 仄, and does not: D or A with 小拗 in front of B, C, D.
    assert every_reading_passes(("月月月山看", "山山月月寒", "山山山月月", "月月月山残"))
    assert not every_reading_passes(("月月山山看", "山山月月寒", "山山山月月", "月月月山残"))  # D would have 三平尾


def test_an_unknown_character_is_open_but_never_certain():
    poem = ("白日依𰻝尽", "黄河入海流", "欲穷千里目", "更上一层楼")
    assert regulated_verdict(poem) is Verdict.STRICT
    assert not every_reading_passes(poem)


@pytest.fixture(scope="module")
def tang_poems(collection) -> dict[tuple[int, int], list[tuple[str, ...]]]:
    found: dict[tuple[int, int], list[tuple[str, ...]]] = {shape: [] for shape in NAMES}
    for part, file in open_source(str(collection)).files():
        if part.era == "唐":
            for raw in read_poems(file):
                try:
                    lines, _ = clean_lines(raw.paragraphs)
                except RejectedError:
                    continue
                if len(set(map(len, lines))) == 1 and (len(lines), len(lines[0])) in found and is_level_rhymed(lines):
                    found[len(lines), len(lines[0])].append(lines)
    return found


def one_group(lines: tuple[str, ...]) -> bool:
    found = [{reading.group for reading in line[-1].readings if reading.tone is Tone.LEVEL} for line in interpret(lines)[1::2]]
    return bool(set.intersection(*found))


@pytest.mark.slow
@pytest.mark.collection
@pytest.mark.parametrize(("name", "expected"), [("五言律诗", 85), ("七言律诗", 92), ("五言绝句", 70), ("七言绝句", 89)])
def test_pass_rates_of_tang_poems_are_those_of_the_trial(tang_poems, name, expected):
    rhymed = [poem for poem in tang_poems[FIXED_SHAPES[name]] if one_group(poem)]
    passed = sum(regulated_verdict(poem).passes for poem in rhymed)
    assert abs(100 * passed / len(rhymed) - expected) <= 2
    draw = random.Random(1)
    width, shuffled = len(rhymed[0][0]), 0
    for poem in rhymed:
        chars = list("".join(poem))
        draw.shuffle(chars)
        shuffled += regulated_verdict(["".join(chars[at : at + width]) for at in range(0, len(chars), width)]).passes
    assert shuffled <= 0.03 * len(rhymed)


def test_verdicts_of_a_corpus_ask_for_each_character_and_judge_each_pattern_of_tones_once():
    """However many poems there are: the work grows with characters and patterns, of which there are few."""
    lines = ["国破山河在", "城春草木深", "感时花溅泪", "恨别鸟惊心", "白日依山尽", "黄河入海流", "欲穷千里目", "更上一层楼"]
    draw = random.Random(1)
    every = [draw.sample(lines, 4) for _ in range(500)]
    told = [regulated_verdict(poem) for poem in every]
    _ear.cache_clear()
    _best_outcomes.cache_clear()
    _rank.cache_clear()
    heard, judged = type(PINGSHUI).heard_at_word, line_findings
    with (
        mock.patch.object(type(PINGSHUI), "heard_at_word", autospec=True, side_effect=heard) as asked,
        mock.patch("gemma_poetry.prosody.verdicts.line_findings", side_effect=judged) as findings,
    ):
        assert [regulated_verdict(poem) for poem in every] == told
        # A character once inside a line and once at its end.
        assert asked.call_count <= 2 * len(set("".join(lines)))
        done = findings.call_count
        assert [regulated_verdict(poem) for poem in every] == told and findings.call_count == done
    patterns = {call.args for call in findings.call_args_list}
    assert done == len(patterns)


@pytest.mark.slow
@pytest.mark.collection
def test_simplified_and_traditional_texts_get_the_same_verdict(tang_poems):
    sample = random.Random(2).sample([poem for found in tang_poems.values() for poem in found], 4000)
    texts = convert(["，".join(poem) for poem in sample], "simplified")
    same = sum(regulated_verdict(poem) is regulated_verdict(text.split("，")) for poem, text in zip(sample, texts))
    assert same >= 0.99 * len(sample)
