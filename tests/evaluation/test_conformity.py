"""Which poems keep their form, on poems whose faults are known."""

from __future__ import annotations

import pytest

from gemma_poetry.evaluation.conformity import Conformity, conformity_sums, judge

KEPT = ["白日依山尽", "黄河入海流", "欲穷千里目", "更上一层楼"]
RIGHT = Conformity(True, True, True, True, True)
NO_SHAPE = Conformity(False, False, False, False, False)

CASES = [
    ("all rules kept", KEPT, "五言绝句", {"form": True, "tones": True, "rhyme": True, "metre_any": True}),
    ("traditional characters", ["白日依山盡", "黃河入海流", "欲窮千里目", "更上一層樓"], "五言绝句", {"metre_any": True}),
    ("no rhyme", [*KEPT[:3], "更上一层山"], "五言绝句", {"form": True, "rhyme": False, "metre_every": False}),
    ("a tone on the beat", [*KEPT[:2], "欲见千里目", KEPT[3]], "五言绝句", {"tones": False, "rhyme": True}),
    ("a line too few", KEPT[:3], "五言绝句", {"form": False, "metre_any": False}),
    ("a character too many", [*KEPT[:3], "更上一层高楼"], "五言绝句", {"form": False, "tones": False, "rhyme": False}),
    ("a form without rules", ["君不见", "黄河之水天上来"], "杂言诗", {"tones": None, "metre_any": None, "metre_every": None}),
    ("a tune that nobody knows", KEPT, "没有这个词牌", {"form": None, "tones": None, "metre_any": None}),
]  # fmt: skip


@pytest.mark.parametrize(("why", "lines", "form", "expected"), CASES, ids=[case[0] for case in CASES])
def test_what_a_poem_keeps(why, lines, form, expected):
    found = judge(lines, form)
    assert {name: getattr(found, name) for name in expected} == expected


def test_sums_count_only_poems_that_can_be_judged():
    sums = conformity_sums([RIGHT, NO_SHAPE, Conformity(None), Conformity(True, False, True, False, False)])
    assert sums["form"].tolist() == [[1, 1], [0, 1], [0, 0], [1, 1]]
    assert sums["rhyme"].tolist() == [[1, 1], [0, 1], [0, 0], [1, 1]]
    assert sums["metre_every"].tolist() == [[1, 1], [0, 1], [0, 0], [0, 1]]
    assert conformity_sums([])["form"].shape == (0, 2)
