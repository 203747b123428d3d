"""Compiles src/gemma_poetry/assets/prosody/yuan_rhymes.txt.

    python scripts/build_yuan_rhymes.py

In: the 廣韻 as `tshet-uinh` has it. Out: for every head and each of its 廣韻 rhymes the groups of 中原音韵 (1324) that it
rhymes in and its tone there; the same input gives the same bytes.

The book itself is not at hand. Its 19 groups are derived from the positions of the rhyme tables by the correspondences that
handbooks of historical phonology state, `open_groups` for 平上去 and `stopped_groups` for 入. 入 is divided among the three
other tones (入派三声) by the initial: 全浊 goes to 平, 次浊 to 去, 清 to 上. What the book lists twice (文白) has both groups.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path

from tshet_uinh import 資料, 音韻地位

from gemma_poetry.artifacts import write_text
from gemma_poetry.prosody.rhyme import CONTOURS, FAMILIES, RHYMES

TABLE = Path(__file__).parent.parent / "src/gemma_poetry/assets/prosody/yuan_rhymes.txt"
_BY_RHYME = {
    **dict.fromkeys("東冬鍾", "东钟"), **dict.fromkeys("江陽唐", "江阳"), **dict.fromkeys("微齊祭廢灰", "齐微"),
    **dict.fromkeys("皆佳夬咍", "皆来"), **dict.fromkeys("魚虞模", "鱼模"), **dict.fromkeys("真臻殷文魂痕", "真文"),
    **dict.fromkeys("刪山", "寒山"), **dict.fromkeys("先仙", "先天"), **dict.fromkeys("蕭宵肴豪", "萧豪"),
    **dict.fromkeys("庚耕清青蒸登", "庚青"), **dict.fromkeys("尤侯幽", "尤侯"), **dict.fromkeys("覃談咸銜", "监咸"),
    **dict.fromkeys("鹽添嚴", "廉纤"),
}  # fmt: skip
_SIBILANT = ("精", "莊", "章")


def open_groups(place: 音韻地位) -> tuple[str, ...]:
    """The groups of a syllable in 平, 上 or 去."""
    rhyme, labial, closed = place.韻, place.組 == "幫", place.呼 == "合"
    if rhyme in "支脂之":
        if closed:
            return ("皆来",) if place.組 == "莊" else ("齐微",)
        return ("支思",) if place.組 in _SIBILANT or place.母 == "日" else ("齐微",)
    if rhyme == "泰":
        # 外 is the exception that every handbook names.
        return ("齐微",) if (closed and place.母 != "疑") or labial else ("皆来",)
    if rhyme == "佳" and place.聲 == "上" and place.母 == "並":
        return ("家麻", "皆来")
    if rhyme in "佳夬" and closed:
        return ("家麻", "皆来")
    if rhyme == "咍" and labial:
        return ("齐微",)
    if rhyme in "尤侯" and labial:
        return ("鱼模", "尤侯")
    if rhyme == "寒":
        return ("桓欢",) if closed or labial else ("寒山",)
    if rhyme in "元凡":
        return ("寒山",) if labial else ("先天",) if rhyme == "元" else ("廉纤",)
    if rhyme == "歌":
        return ("车遮",) if place.等 == "三" else ("歌戈",)
    if rhyme == "麻":
        return ("车遮",) if place.等 == "三" else ("家麻",)
    if rhyme in "庚耕登青清" and (closed or (labial and rhyme in "庚耕登")):
        return ("庚青", "东钟")
    if rhyme == "侵":
        return ("真文",) if labial else ("侵寻",)
    return (_BY_RHYME[rhyme],)


def stopped_groups(place: 音韻地位) -> tuple[str, ...]:
    """The groups of a syllable in 入."""
    rhyme, labial, closed = place.韻, place.組 == "幫", place.呼 == "合"
    back = place.組 in ("見", "影")
    if rhyme in "東冬鍾":
        doubled = place.等 == "三" and (place.組 in ("知", "章") or place.母 in "日來心")
        return ("鱼模", "尤侯") if doubled else ("鱼模",)
    if rhyme in "江陽唐":
        return ("萧豪",) if place.清濁.endswith("清") else ("萧豪", "歌戈")
    if rhyme in "真臻殷":
        if closed:
            return ("皆来",) if place.組 == "莊" else ("鱼模",)
        return ("支思",) if place.組 == "莊" else ("齐微",)
    if rhyme in "文魂痕":
        return ("鱼模",)
    if rhyme == "寒":
        return ("歌戈",) if closed or labial or back else ("家麻",)
    if rhyme in "覃談":
        return ("歌戈",) if back else ("家麻",)
    if rhyme in "刪山咸銜":
        return ("家麻",)
    if rhyme in "元凡":
        return ("家麻",) if labial else ("车遮",)
    if rhyme in "先仙鹽添嚴":
        return ("车遮",)
    if rhyme == "庚":
        return ("皆来",) if place.等 == "二" else ("齐微",)
    if rhyme == "耕" or (rhyme == "蒸" and place.組 == "莊"):
        return ("皆来",)
    if rhyme == "侵":
        return ("鱼模",) if place.母 == "日" else ("支思",) if place.組 == "莊" else ("齐微",)
    return ("齐微",)


def contour(place: 音韻地位) -> str:
    """The tone: its own, or that which 入 went to."""
    if place.聲 != "入":
        return str(place.聲)
    return {"全濁": "平", "次濁": "去"}.get(place.清濁, "上")


def main() -> int:
    """Writes the table."""
    heads: dict[tuple[str, str, str], str] = defaultdict(str)
    for head in 資料.m字頭檢索:
        for entry in 資料.query字頭(head):
            place = entry.音韻地位
            rhyme = entry.來源.韻目
            if RHYMES[rhyme].contour != place.聲:
                family = next(family for family in FAMILIES if place.韻.replace("殷", "欣") in family)
                rhyme = family[CONTOURS.index(place.聲)]
            groups = stopped_groups(place) if place.聲 == "入" else open_groups(place)
            key = rhyme, "/".join(groups), contour(place)
            if head not in heads[key]:
                heads[key] += head
    rows = ["# 廣韻 rhyme, groups of 中原音韵, tone, heads. Made by scripts/build_yuan_rhymes.py"]
    rows += ["\t".join((*key, chars)) for key, chars in sorted(heads.items())]
    write_text(TABLE, "\n".join(rows) + "\n", overwrite=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
