"""Verse made to order: characters of a given tone and rhyme, put together into lines that no poet wrote.

In: tones as 平 and 仄, a line type or a pattern. Out: lines whose readings are beyond doubt in every place.
"""

from __future__ import annotations

from hypothesis import strategies as st

from gemma_poetry.prosody.interpretation import heard_at_word, heard_widened
from gemma_poetry.prosody.regulated import LEVEL, OBLIQUE, LineType, Pattern, strict_pattern

# Tried for having one reading alone, in both scripts.
_COMMON = (
    "山江河天人家村溪花楼舟秋春亭泉林松梅桃莲鱼鸦鸥霜桥田烟云台心音琴深阴寒年川前边泥啼西低时诗池枝悲归飞微扉晖衣"
    "枯孤途湖图徒娱珠芦虚书居车初疏渔茶沙霞斜涯迟姿窗双邦缸僧灯层登藤朋能光香凉霜章王长郎狂忙塘黄央羊杨青星亭屏灵零庭铃萍城声情清晴轻名平鸣惊兵秋愁舟州流留头游楼鸥"
    "月日竹石雪雨水火草树菊麦笔砚墨酒药菜井瓦壁玉佛寺郡县驿国阁榻枕袖眼手足口耳喜恨爱老病死古碧白绿赤紫黑八六七一"
    "客宅隔百泽夕屋木鹿目麓腹灭绝洁澈咽"
)


def _sure(char: str) -> bool:
    found = {*heard_at_word(char, False).readings, *heard_at_word(char, True).readings, *heard_widened(char, True).readings}
    return len({(reading.tone, reading.rhyme) for reading in found}) == 1


SURE = [char for char in dict.fromkeys(_COMMON) if _sure(char)]
BY_TONE = {tone: [char for char in SURE if heard_at_word(char, False).readings[0].tone.value == tone] for tone in ("平", "仄")}
BY_GROUP: dict[str, dict[str, list[str]]] = {LEVEL: {}, OBLIQUE: {}}
for _tone, _chars in BY_TONE.items():
    for _char in _chars:
        BY_GROUP[_tone].setdefault(heard_at_word(_char, True).readings[0].group, []).append(_char)


def inner(tones: str) -> st.SearchStrategy[str]:
    """Characters of these tones; 中 may be either."""
    pools = [BY_TONE.get(tone) or BY_TONE["平"] + BY_TONE["仄"] for tone in tones]
    return st.tuples(*map(st.sampled_from, pools)).map("".join)


def rhyme_words(count: int, tone: str = LEVEL) -> st.SearchStrategy[tuple[str, ...]]:
    """So many different words of one group of a tone."""
    groups = [pool for pool in BY_GROUP[tone].values() if len(pool) >= count]
    return st.sampled_from(groups).flatmap(
        lambda pool: st.lists(st.sampled_from(pool), min_size=count, max_size=count, unique=True).map(tuple)
    )


@st.composite
def poems(draw: st.DrawFn, opening: LineType | Pattern, lines: int, characters: int) -> tuple[str, ...]:
    """A poem that keeps the strict pattern with this opening; on a level rhyme, where no whole pattern says another."""
    pattern = Pattern(opening) if isinstance(opening, LineType) else opening
    kinds = pattern.kinds(lines)
    words = iter(draw(rhyme_words(sum(kind.last == pattern.rhyme for kind in kinds), pattern.rhyme)))
    written = []
    for kind in kinds:
        tones = strict_pattern(kind, characters)
        last = next(words) if kind.last == pattern.rhyme else draw(inner(tones[-1]))
        written.append(draw(inner(tones[:-1])) + last)
    return tuple(written)
