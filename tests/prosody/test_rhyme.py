"""The rhyme books: 206 rhymes, 106 groups, 19 parts, and how they hang together."""

from __future__ import annotations

import pytest

from gemma_poetry.prosody.forms import Tone
from gemma_poetry.prosody.rhyme import (
    CONTOURS,
    FAMILIES,
    GROUP_CONTOURS,
    GROUPS,
    LEVEL_GROUPS,
    NEIGHBOUR_GROUPS,
    PART_NAMES,
    RHYMES,
)


def test_the_books_have_the_sizes_that_they_are_known_for():
    assert len(RHYMES) == 206
    assert [sum(rhyme.contour == contour for rhyme in RHYMES.values()) for contour in CONTOURS] == [57, 55, 60, 34]
    assert len(GROUPS) == len(set(GROUPS)) == 106
    assert [sum(found == contour for found in GROUP_CONTOURS.values()) for contour in CONTOURS] == [30, 29, 30, 17]
    assert len(PART_NAMES) == 19
    assert len(FAMILIES) == 61


def test_every_group_and_part_has_a_rhyme():
    assert {group for rhyme in RHYMES.values() for group in rhyme.groups} == set(GROUPS)
    assert {part for rhyme in RHYMES.values() for part in rhyme.parts} == set(PART_NAMES)


def test_a_group_holds_rhymes_of_its_own_tone():
    for rhyme in RHYMES.values():
        assert all(GROUP_CONTOURS[group] == rhyme.contour for group in rhyme.groups), rhyme


def test_stopped_rhymes_have_the_last_five_parts_alone():
    for rhyme in RHYMES.values():
        assert (rhyme.contour == "入") == (min(rhyme.parts) >= 15), rhyme


@pytest.mark.parametrize(
    ("name", "contour", "groups", "parts"),
    [
        ("東", "平", ("一东",), (1,)),
        ("冬", "平", ("二冬",), (1,)),
        ("腫", "上", ("二肿",), (1,)),
        ("臻", "平", ("十一真",), (6,)),
        ("元", "平", ("十三元",), (7,)),
        ("魂", "平", ("十三元",), (6,)),
        ("灰", "平", ("十灰",), (3,)),
        ("咍", "平", ("十灰",), (5,)),
        ("佳", "平", ("九佳",), (5, 10)),
        ("泰", "去", ("九泰",), (3, 5)),
        ("祭", "去", ("八霁",), (3,)),
        ("廢", "去", ("十一队",), (3,)),
        ("先", "平", ("一先",), (7,)),
        ("拯", "上", ("二十四迥",), (11,)),
        ("證", "去", ("二十五径",), (11,)),
        ("凡", "平", ("十五咸",), (14,)),
        ("櫛", "入", ("四质",), (17,)),
        ("怗", "入", ("十六叶",), (18,)),
        # Books differ, and all that they say is kept.
        ("嚴", "平", ("十四盐", "十五咸"), (14,)),
        ("業", "入", ("十六叶", "十五合", "十七洽"), (19,)),
    ],
)
def test_where_a_rhyme_belongs(name: str, contour: str, groups: tuple[str, ...], parts: tuple[int, ...]):
    rhyme = RHYMES[name]
    assert (rhyme.contour, rhyme.groups, rhyme.parts) == (contour, groups, parts)
    assert rhyme.tone is (Tone.LEVEL if contour == "平" else Tone.OBLIQUE)


@pytest.mark.parametrize(
    ("group", "near", "far"),
    [
        ("一东", {"二冬"}, {"三江"}),
        ("四支", {"五微", "八齐", "十灰"}, {"六鱼"}),
        ("六麻", {"九佳"}, {"五歌"}),
        ("八庚", {"九青", "十蒸"}, {"七阳"}),
        ("十二侵", set(), {"十一真", "十三覃"}),
    ],
)
def test_neighbours_share_a_part(group: str, near: set[str], far: set[str]):
    assert NEIGHBOUR_GROUPS[group] >= near
    assert NEIGHBOUR_GROUPS[group].isdisjoint(far)
    assert near or not NEIGHBOUR_GROUPS[group]


def test_being_a_neighbour_is_mutual():
    for group in LEVEL_GROUPS:
        assert group not in NEIGHBOUR_GROUPS[group]
        assert all(group in NEIGHBOUR_GROUPS[near] for near in NEIGHBOUR_GROUPS[group])
