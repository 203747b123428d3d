"""The readings of characters as songs (曲) of the Yuan take them: by the 19 groups of 中原音韵, 入 among the other tones.

In: readings by the 廣韻. Out: the same with tone, group and part of 中原音韵; a reading that the book sings in two ways is two.

    assets/prosody/yuan_rhymes.txt   made by scripts/build_yuan_rhymes.py, which states the rules
      廣韻 rhyme, groups, tone, heads     藥 -> 萧豪/歌戈, 平: 着 薄 …

A reading that the 廣韻 lacks (`Reading.later`) has the commonest group of its rhyme. A group holds words of all tones, which
rhyme together (平仄通押).
"""

from __future__ import annotations

import functools
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import replace
from importlib import resources

from gemma_poetry.prosody.forms import Tone
from gemma_poetry.prosody.interpretation import Heard
from gemma_poetry.prosody.lexicon import Reading

TABLE = "assets/prosody/yuan_rhymes.txt"
YUAN_GROUPS = (
    "东钟", "江阳", "支思", "齐微", "鱼模", "皆来", "真文", "寒山", "桓欢", "先天",
    "萧豪", "歌戈", "家麻", "车遮", "庚青", "尤侯", "侵寻", "监咸", "廉纤",
)  # fmt: skip
"""The groups of 中原音韵 in their order."""
_FIRST_PART = 21
YUAN_PART_NAMES: dict[int, str] = dict(enumerate(YUAN_GROUPS, _FIRST_PART))
"""The name of each group by the number that readings carry as part: behind those of 词林正韵, so that no two are equal."""
_PART_OF = {name: part for part, name in YUAN_PART_NAMES.items()}

_Sung = tuple[tuple[str, ...], str]


@functools.cache
def _table() -> tuple[Mapping[tuple[str, str], list[_Sung]], Mapping[str, _Sung]]:
    """What each head is by its 廣韻 rhyme, and what most heads of a rhyme are."""
    found: dict[tuple[str, str], list[_Sung]] = defaultdict(list)
    counts: dict[str, Counter[_Sung]] = defaultdict(Counter)
    text = resources.files("gemma_poetry").joinpath(TABLE).read_text(encoding="utf-8")
    for row in text.splitlines()[1:]:
        rhyme, groups, contour, heads = row.split("\t")
        sung = tuple(groups.split("/")), contour
        for head in heads:
            found[head, rhyme].append(sung)
        counts[rhyme][sung] += len(heads)
    return found, {rhyme: count.most_common(1)[0][0] for rhyme, count in counts.items()}


@functools.cache
def yuan_readings(readings: tuple[Reading, ...]) -> tuple[Reading, ...]:
    """Readings as songs take them."""
    known, usual = _table()
    found: dict[tuple[str, int], Reading] = {}
    for reading in readings:
        for groups, contour in known.get((reading.head, reading.rhyme)) or [usual[reading.rhyme]]:
            tone = Tone.LEVEL if contour == "平" else Tone.OBLIQUE
            for group in groups:
                sung = replace(reading, tone=tone, contour=contour, group=group, part=_PART_OF[group])
                found.setdefault((contour, sung.part), sung)
    return tuple(found.values())


def yuan_heard(heard: Heard) -> Heard:
    """A character where it stands, as songs take it; what a word makes likely is so where songs have it in two tones still."""
    found = heard._replace(readings=yuan_readings(heard.readings))
    if heard.likely is None:
        return found
    likely = {one.tone for one in yuan_readings(tuple(one for one in heard.readings if one.tone is heard.likely))}
    if len(likely) == 1 and {one.tone for one in found.readings} == set(Tone):
        return found._replace(likely=likely.pop())
    return found._replace(likely=None, likely_reason="")
