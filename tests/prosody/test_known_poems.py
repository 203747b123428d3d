"""Poems that everyone knows, with their verdicts and the reasons: each rule kept, broken, mended.

The poems stand in known_poems.tsv; what single words change, below. Among them are those whose irregularity is a matter of
record: 失粘 in 滁州西涧 and 登金陵凤凰台, 拗 in 黄鹤楼, 东 with 冬 in 行宫.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gemma_poetry.corpus.script import convert
from gemma_poetry.prosody.findings import Scansion
from gemma_poetry.prosody.scansion import scan, scan_auto

POEMS = [
    tuple(row.split("\t"))
    for row in (Path(__file__).parent / "known_poems.tsv").read_text(encoding="utf-8").splitlines()
    if not row.startswith("#")
]

# Quatrains that rhyme oblique without regulated metre are read as 古绝, for their rhyme alone; the fault that makes them so.
ANCIENT = [
    ("春晓", "春眠不觉晓，处处闻啼鸟。夜来风雨声，花落知多少", "strict", "十七筱"),
    ("江雪", "千山鸟飞绝，万径人踪灭。孤舟蓑笠翁，独钓寒江雪", "strict", "九屑"),
    ("寻隐者不遇", "松下问童子，言师采药去。只在此山中，云深不知处", "strict", "六御/六语"),
    ("悯农", "锄禾日当午，汗滴禾下土。谁知盘中餐，粒粒皆辛苦", "strict", "七麌"),
    ("杂诗", "君自故乡来，应知故乡事。来日绮窗前，寒梅著花未", "minor", "第三部"),
]

# What one changed word does: poem, the words, verdict, faults, licences, why.
CHANGED = [
    ("登鹳雀楼", "海", "山", "fail", "2.4 节奏点平仄不合", "", "the beat of a B line made level"),
    ("登鹳雀楼", "黄河", "大河", "fail", "2.1 孤平", "", "the level first of a B line taken away"),
    ("登鹳雀楼", "黄河入", "大河归", "rescued", "", "2.1 孤平自救", "… and mended in the same line"),
    ("登鹳雀楼", "上一", "上天", "fail", "4.3 三平尾", "", "天层楼 is level throughout"),
    ("登鹳雀楼", "千里", "百里", "minor", "", "3.3 三仄尾", "百里目 is oblique throughout"),
    ("登鹳雀楼", "欲穷千里目", "人穷百年目", "rescued", "", "3.3 特拗", "百年目 behind a level first"),
    ("登鹳雀楼", "欲穷千里目", "目穷百年意", "fail", "3.1 特拗首字非平", "", "… and behind an oblique one"),
    ("登鹳雀楼", "山尽", "水尽", "fail", "1.4 大拗未救", "", "大拗 that line 2 does not mend"),
    ("登鹳雀楼", "依山尽，黄河入", "依水尽，黄河归", "rescued", "", "1.4 大拗对句救", "… and that it mends"),
    ("登鹳雀楼", "依", "入", "minor", "", "1.3 小拗", "小拗 needs no mending"),
    ("登鹳雀楼", "楼", "山", "fail", "4.5 出韵", "", "山 is 删, 流 is 尤"),
    ("登鹳雀楼", "楼", "流", "fail", "4.5 重韵", "", "流 rhymes with itself"),
    ("登鹳雀楼", "目", "山", "fail", "3.5 句脚平仄不合", "", "an unrhymed line that ends level"),
    ("清明", "纷纷", "凄凄", "fail", "1.7 出韵", "", "齐 is no neighbour of 元"),
    ("枫桥夜泊", "霜满天", "霜满山", "strict", "", "1.7 邻韵", "删 beside 先 is a neighbour"),
    ("枫桥夜泊", "到客船", "到客山", "fail", "4.7 出韵", "", "… which no line but the first may use"),
]  # fmt: skip

# What OpenCC makes of these words is no classical Chinese.
SLIPS = {"萬里徵": "萬里征", "香菸": "香煙"}

TEXTS = {title: text for title, text, *_ in POEMS}


def lines_of(text: str) -> list[str]:
    return re.split("[，。]", text)


def listed(found) -> str:
    return " ".join(f"{fault.line}.{fault.position} {fault.rule.chinese}" for fault in found)


def outcome(scansion: Scansion) -> tuple[str, str, str]:
    return scansion.verdict.value, listed(scansion.faults), listed(scansion.licences)


def test_the_table_is_as_large_as_promised():
    assert len(POEMS) + len(ANCIENT) + len(CHANGED) >= 60


@pytest.mark.parametrize(("title", "text", "verdict", "faults", "licences", "why"), POEMS, ids=[row[0] for row in POEMS])
def test_known_poem(title, text, verdict, faults, licences, why):
    assert outcome(scan_auto(lines_of(text))) == (verdict, faults, licences), why


@pytest.mark.parametrize(("title", "text", "verdict", "faults", "licences", "why"), POEMS, ids=[row[0] for row in POEMS])
def test_known_poem_in_traditional_characters(title, text, verdict, faults, licences, why):
    (converted,) = convert([text], "traditional")
    for slip, word in SLIPS.items():
        converted = converted.replace(slip, word)
    assert outcome(scan_auto(lines_of(converted))) == (verdict, faults, licences), why


@pytest.mark.parametrize(("title", "text", "verdict", "rhyme"), ANCIENT, ids=[row[0] for row in ANCIENT])
def test_known_ancient_quatrain(title, text, verdict, rhyme):
    scansion = scan_auto(lines_of(text))
    assert (scansion.pattern, scansion.verdict.value, scansion.rhyme_group) == ("古绝", verdict, rhyme)
    assert scansion.remarks[-1].startswith("it does not keep the metre of 仄韵绝句: line ")


@pytest.mark.parametrize("title", ["江雪", "春晓", "寻隐者不遇"])
def test_what_makes_a_famous_quatrain_on_an_oblique_rhyme_ancient(title):
    text = next(row[1] for row in ANCIENT if row[0] == title)
    assert listed(scan(lines_of(text), "五绝").faults) == "3.2 失粘"


def test_a_known_quatrain_on_an_oblique_rhyme_keeps_regulated_metre():
    scansion = scan_auto(lines_of("独坐幽篁里，弹琴复长啸。深林人不知，明月来相照"))  # 竹里馆
    assert (scansion.pattern, scansion.rhyme_group) == ("仄韵仄起首句仄脚", "十八啸")
    assert outcome(scansion) == ("minor", "", "1.5 首句仄脚 2.3 三仄尾")


@pytest.mark.parametrize(
    ("title", "old", "new", "verdict", "faults", "licences", "why"), CHANGED, ids=[row[-1] for row in CHANGED]
)
def test_what_a_changed_word_does(title, old, new, verdict, faults, licences, why):
    text = TEXTS[title]
    assert text.count(old) == 1
    lines = lines_of(text.replace(old, new))
    assert outcome(scan(lines, "五绝" if len(lines[0]) == 5 else "七绝")) == (verdict, faults, licences), why


@pytest.mark.parametrize(
    ("title", "line", "position", "group", "reason"),
    [
        ("月夜", 2, 5, "十四寒", "rhyme"),
        ("夜宴左氏庄", 8, 5, "七阳", "rhyme"),
        ("登高", 4, 3, "七阳", "metre"),
        ("登高", 7, 2, "十四寒", "word 艱難"),
        ("登金陵凤凰台", 8, 1, "七阳", "word 長安"),
    ],
)
def test_which_reading_was_taken_and_why(title, line, position, group, reason):
    place = scan_auto(lines_of(TEXTS[title])).places[line - 1][position - 1]
    assert place.taken is not None
    assert place.taken.group == group
    assert place.reason.startswith(reason)
