"""Parallel couplets (对仗): a heuristic, and its known limits."""

from __future__ import annotations

import pytest

from gemma_poetry.corpus.script import convert
from gemma_poetry.prosody.parallelism import parallelism
from gemma_poetry.prosody.scansion import scan_auto

PARALLEL = [
    ("明月松间照", "清泉石上流"),
    ("星垂平野阔", "月涌大江流"),
    ("无边落木萧萧下", "不尽长江滚滚来"),
    ("万里悲秋常作客", "百年多病独登台"),
    ("两个黄鹂鸣翠柳", "一行白鹭上青天"),
    ("烽火连三月", "家书抵万金"),
    ("几处早莺争暖树", "谁家新燕啄春泥"),
]
LOOSE = [
    ("此情可待成追忆", "只是当时已惘然"),
    ("白头搔更短", "浑欲不胜簪"),
    ("寄书长不达", "况乃未休兵"),
    ("正是江南好风景", "落花时节又逢君"),
    ("朝辞白帝彩云间", "千里江陵一日还"),
    ("姑苏城外寒山寺", "夜半钟声到客船"),
]


@pytest.mark.parametrize(("first", "second"), PARALLEL)
def test_famous_couplets_are_parallel(first, second):
    assert parallelism(first, second).parallel


@pytest.mark.parametrize(("first", "second"), LOOSE)
def test_closing_couplets_are_not(first, second):
    assert not parallelism(first, second).parallel


def test_a_couplet_of_rare_pairs_is_missed_as_one_in_four_is():
    found = parallelism("感时花溅泪", "恨别鸟惊心")
    assert found.share == 0.4
    assert not found.parallel


def test_a_character_opposite_itself_is_told():
    found = parallelism("明月松间照", "清月石上流")
    assert found.repeated == (2,)
    assert not found.answered[1]
    assert not found.parallel


def test_scripts_and_order_make_no_difference():
    for first, second in PARALLEL:
        traditional = convert([first, second], "traditional")
        assert parallelism(*traditional) == parallelism(first, second)
        assert parallelism(second, first).answered == parallelism(first, second).answered


def test_an_octave_is_told_of_its_middle_couplets():
    poem = "国破山河在，城春草木深，感时花溅泪，恨别鸟惊心，烽火连三月，家书抵万金，白头搔更短，浑欲不胜簪"
    remarks = scan_auto(poem.split("，")).remarks
    assert [remark.split(",")[0] for remark in remarks] == [
        "对仗 of lines 3 and 4: hardly parallel",
        "对仗 of lines 5 and 6: parallel",
    ]
