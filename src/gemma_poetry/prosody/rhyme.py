"""Rhyme books sort readings: the 206 rhymes of the 廣韻, the 106 groups of 平水韵, the 19 parts of 词林正韵.

In: a 廣韻 rhyme (traditional head, as 東). Out: its tone, the group or groups that regulated verse rhymes in and the part
or parts that 词 rhymes in. Groups and parts carry their usual names in simplified characters.

The 206 rhymes are a table of 61 families of up to four rhymes, one for each of the tones 平上去入. Sources: the rhyme
table at the head of the 廣韻; 平水韵 as the licence of 同用 written there and its later mergers; 词林正韵 (1821). Where books
differ, all answers are kept: 严 is under 盐 or 咸, 业 under 叶, 合 or 洽. Where 词林正韵 divides one rhyme (佳卦泰), both
parts are listed here and `lexicon` says which of them each character takes.
"""

from __future__ import annotations

from dataclasses import dataclass

from gemma_poetry.prosody.forms import Tone

CONTOURS = "平上去入"
"""The four tones: 平 is level, the others are oblique."""


@dataclass(frozen=True, slots=True)
class Rhyme:
    """One rhyme of the 廣韻.

    Attributes:
        name: Its head, in traditional characters.
        contour: Its tone among the four, one of `CONTOURS`.
        groups: Its 平水韵 group; more than one where the books differ.
        parts: Its 词林正韵 part, 1 to 19; more than one where the part depends on the character.
    """

    name: str
    contour: str
    groups: tuple[str, ...]
    parts: tuple[int, ...]

    @property
    def tone(self) -> Tone:
        """平 or 仄."""
        return Tone.LEVEL if self.contour == "平" else Tone.OBLIQUE


# 平水韵: the groups of each tone in their order; numbering starts anew after 十五删 (上平声, 下平声).
_GROUP_HEADS = {
    "平": "东冬江支微鱼虞齐佳灰真文元寒删 先萧肴豪歌麻阳庚青蒸尤侵覃盐咸",
    "上": "董肿讲纸尾语麌荠蟹贿轸吻阮旱潸铣筱巧皓哿马养梗迥有寝感俭豏",
    "去": "送宋绛寘未御遇霁泰卦队震问愿翰谏霰啸效号个祃漾敬径宥沁勘艳陷",
    "入": "屋沃觉质物月曷黠屑药陌锡职缉合叶洽",
}
_DIGITS = "一二三四五六七八九"
_NUMERALS = (*_DIGITS, "十", *(f"十{digit}" for digit in _DIGITS), "二十", *(f"二十{digit}" for digit in _DIGITS), "三十")

# Each row: the 廣韻 rhymes of a family in 平上去入 (· for none); the heads of their groups; 词林正韵 part of 平上去, of 入.
_FAMILIES = """
東董送屋 东 董 送 屋 1 15
冬·宋沃 冬 · 宋 沃 1 15
鍾腫用燭 冬 肿 宋 沃 1 15
江講絳覺 江 讲 绛 觉 2 16
支紙寘· 支 纸 寘 · 3 ·
脂旨至· 支 纸 寘 · 3 ·
之止志· 支 纸 寘 · 3 ·
微尾未· 微 尾 未 · 3 ·
魚語御· 鱼 语 御 · 4 ·
虞麌遇· 虞 麌 遇 · 4 ·
模姥暮· 虞 麌 遇 · 4 ·
齊薺霽· 齐 荠 霁 · 3 ·
··祭· · · 霁 · 3 ·
··泰· · · 泰 · 3/5 ·
佳蟹卦· 佳 蟹 卦 · 5/10 ·
皆駭怪· 佳 蟹 卦 · 5 ·
··夬· · · 卦 · 5/10 ·
灰賄隊· 灰 贿 队 · 3 ·
咍海代· 灰 贿 队 · 5 ·
··廢· · · 队 · 3 ·
真軫震質 真 轸 震 质 6 17
諄準稕術 真 轸 震 质 6 17
臻··櫛 真 · · 质 6 17
文吻問物 文 吻 问 物 6 18
欣隱焮迄 文 吻 问 物 6 18
元阮願月 元 阮 愿 月 7 18
魂混慁沒 元 阮 愿 月 6 18
痕很恨· 元 阮 愿 · 6 ·
寒旱翰曷 寒 旱 翰 曷 7 18
桓緩換末 寒 旱 翰 曷 7 18
刪潸諫黠 删 潸 谏 黠 7 18
山產襇鎋 删 潸 谏 黠 7 18
先銑霰屑 先 铣 霰 屑 7 18
仙獮線薛 先 铣 霰 屑 7 18
蕭篠嘯· 萧 筱 啸 · 8 ·
宵小笑· 萧 筱 啸 · 8 ·
肴巧效· 肴 巧 效 · 8 ·
豪晧号· 豪 皓 号 · 8 ·
歌哿箇· 歌 哿 个 · 9 ·
戈果過· 歌 哿 个 · 9 ·
麻馬禡· 麻 马 祃 · 10 ·
陽養漾藥 阳 养 漾 药 2 16
唐蕩宕鐸 阳 养 漾 药 2 16
庚梗映陌 庚 梗 敬 陌 11 17
耕耿諍麥 庚 梗 敬 陌 11 17
清靜勁昔 庚 梗 敬 陌 11 17
青迥徑錫 青 迥 径 锡 11 17
蒸拯證職 蒸 迥 径 职 11 17
登等嶝德 蒸 迥 径 职 11 17
尤有宥· 尤 有 宥 · 12 ·
侯厚候· 尤 有 宥 · 12 ·
幽黝幼· 尤 有 宥 · 12 ·
侵寑沁緝 侵 寝 沁 缉 13 17
覃感勘合 覃 感 勘 合 14 19
談敢闞盍 覃 感 勘 合 14 19
鹽琰豔葉 盐 俭 艳 叶 14 18
添忝㮇怗 盐 俭 艳 叶 14 18
咸豏陷洽 咸 豏 陷 洽 14 19
銜檻鑑狎 咸 豏 陷 洽 14 19
嚴儼釅業 盐/咸 俭/豏 艳/陷 叶/合/洽 14 19
凡范梵乏 咸 豏 陷 洽 14 19
"""


def _numbered(heads: str) -> dict[str, str]:
    return {head: numeral + head for half in heads.split() for numeral, head in zip(_NUMERALS, half)}


_GROUP_NAMES = {contour: _numbered(heads) for contour, heads in _GROUP_HEADS.items()}


def _read_families() -> dict[str, Rhyme]:
    rhymes = {}
    for row in _FAMILIES.split("\n"):
        if not row:
            continue
        names, *heads, open_parts, stopped_part = row.split()
        for contour, name, group_heads in zip(CONTOURS, names, heads):
            if name == "·":
                continue
            groups = tuple(_GROUP_NAMES[contour][head] for head in group_heads.split("/"))
            parts = stopped_part if contour == "入" else open_parts
            rhymes[name] = Rhyme(name, contour, groups, tuple(map(int, parts.split("/"))))
    return rhymes


RHYMES: dict[str, Rhyme] = _read_families()
"""The 206 rhymes of the 廣韻 by name, family by family."""

FAMILIES: tuple[str, ...] = tuple(row.split()[0] for row in _FAMILIES.split("\n") if row)
"""The 61 families: the rhyme of each tone in the order of `CONTOURS`, `·` where there is none."""

LEVEL_GROUPS: tuple[str, ...] = tuple(_GROUP_NAMES["平"].values())
"""The 30 level groups, in which regulated verse rhymes."""

GROUPS: tuple[str, ...] = tuple(name for names in _GROUP_NAMES.values() for name in names.values())
"""The 106 groups of 平水韵, 平上去入."""

GROUP_CONTOURS: dict[str, str] = {name: contour for contour, names in _GROUP_NAMES.items() for name in names.values()}
"""The tone among the four of each group."""

PART_NAMES: dict[int, str] = {number: f"第{numeral}部" for number, numeral in enumerate(_NUMERALS[:19], 1)}
"""The name of each 词林正韵 part."""

STOPPED_PARTS: frozenset[int] = frozenset(range(15, 20))
"""The 词林正韵 parts of the entering tone."""


def _mixed_parts() -> dict[int, frozenset[int]]:
    pairs = [(3, 5), (17, 18), (18, 19), (6, 11), (6, 13), (11, 13), (7, 14)]
    return {part: frozenset(other for pair in pairs if part in pair for other in pair if other != part) for part in PART_NAMES}


MIXED_PARTS: dict[int, frozenset[int]] = _mixed_parts()
"""For each part those that Song poets rhymed with it in 词: 3 with 5, 17 with 18, 18 with 19, and parts that end in n, ng and
m alike: 6, 11 and 13 with each other, 7 with 14. At least one in twelve of the rhymes in two such parts mixes them; of any
others it is less than one in twenty."""

MIXED_WORDS: dict[str, frozenset[int]] = dict.fromkeys("否负負母亩畝富浮妇婦阜", frozenset({4}))
"""Words of part 12 that Song poets also rhymed in part 4, as 中原音韵 has them."""


def _family_names() -> dict[str, str]:
    names: dict[str, str] = {}
    for row in filter(None, _FAMILIES.split("\n")):
        _, *heads, _, _ = row.split()
        level = [] if heads[0] == "·" else [_GROUP_NAMES["平"][head] for head in heads[0].split("/")]
        for contour, own in zip(CONTOURS, heads):
            for index, head in enumerate(own.split("/") if own != "·" else ()):
                group = _GROUP_NAMES[contour][head]
                names.setdefault(group, level[index] if level and contour != "入" else group)
    return names


FAMILY_NAMES: dict[str, str] = _family_names()
"""For each group of 平水韵 the level group of its family (一东 for 一东 一董 一送), itself where there is none and in 入声."""


def _neighbours() -> dict[str, frozenset[str]]:
    parts: dict[str, set[int]] = {group: set() for group in GROUPS}
    for rhyme in RHYMES.values():
        for group in rhyme.groups:
            parts[group].update(rhyme.parts)
    return {
        group: frozenset(
            other for other in GROUPS
            if other != group and GROUP_CONTOURS[other] == GROUP_CONTOURS[group] and not parts[group].isdisjoint(parts[other])
        )
        for group in GROUPS
    }  # fmt: skip


NEIGHBOUR_GROUPS: dict[str, frozenset[str]] = _neighbours()
"""For each group the neighbours (邻韵) that a first line may rhyme in: groups of one 词林正韵 part, in the same of 平上去入."""
