"""Which tune (词牌) a 词 is written to, from what its source says.

In: a tune field with aliases (`醉落魄・一斛珠`) or a title that begins with a tune (`长相思·山一程`, `菩薩蠻`).
Out: the standard name of the tune, and the title that remains beside it.

A title alone proves nothing (长相思 is also the title of 诗): it counts as a tune only if the poem has the line
lengths of that tune, as the 词 of the same collection show them, or those of a template of `prosody`.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from gemma_poetry.corpus.script import Script, convert
from gemma_poetry.corpus.titles import clean_author
from gemma_poetry.prosody.forms import FIXED_SHAPES
from gemma_poetry.prosody.tune_scan import fitting_tune
from gemma_poetry.prosody.tune_variants import SOLID_POEMS, are_near
from gemma_poetry.prosody.tunes import kin_names

# What collections write where the tune is not known.
_LOST_TUNES = frozenset({"失调名", "失調名", "失牌名", "阙调名", "闕調名", "存目", "自度曲", "无调名", "無調名"})
_SEPARATORS = re.compile(r"[・·•‧\s/]+")
_MIN_SHAPE_POEMS = 2


def split_tune(field: str) -> tuple[str, str]:
    """The two names in a tune field: (`醉落魄`, `一斛珠`); the second may be a standard name, a title or empty.

    A name of one character is what is left of a damaged one, and no tune.
    """
    parts = [_tune_name(part) for part in _SEPARATORS.split(re.split(r"[（(\[【]", field.strip())[0]) if part]
    return (parts[0] if parts else ""), (parts[1] if len(parts) > 1 else "")


def _tune_name(part: str) -> str:
    name = clean_author(part.strip("《》「」"))
    return name if len(name) > 1 and name not in _LOST_TUNES else ""


def standard_tunes(pairs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """The standard tune of each pair of names in a collection.

    Where collections write `alias・standard name`, the standard name also heads poems of its own or follows
    several aliases; where they write `tune・title`, the second name does neither.
    """
    counts = Counter(pairs)
    heading = {first for first, second in counts if not second}
    aliases = Counter(second for _, second in counts if second)
    return {
        (first, second): second if second and (second in heading or aliases[second] >= 2) else first for first, second in counts
    }


def told_apart(named: Sequence[tuple[str, str, tuple[int, ...]]]) -> list[str]:
    """The tune of each poem, where a collection has two tunes under one name: 令, 引, 近 and 慢 are told by lines.

    长相思 of 36 characters and 长相思慢 of 104 are two tunes, and many a 长相思慢 is headed 长相思. A poem is of the tune with
    the longer name if its lines are near to those of a poem there, and to none that the plain name usually has.

    Args:
        named: Of each poem its tune, the other name that its source gives or an empty text, and its line lengths.
    """
    usual: dict[str, Counter[tuple[int, ...]]] = defaultdict(Counter)
    own: dict[str, set[tuple[int, ...]]] = defaultdict(set)
    for tune, alias, lengths in named:
        own[tune].add(lengths)
        for name in {tune, alias} - {""}:
            usual[name][lengths] += 1
    settled = {name: [shape for shape, count in shapes.items() if count >= SOLID_POEMS] for name, shapes in usual.items()}
    found = []
    for tune, alias, lengths in named:
        names = [name for name in (tune, alias) if name]
        kin = [longer for name in names for longer in kin_names(name) if longer in own and longer != tune]
        if kin and not any(are_near(lengths, shape) for name in names for shape in settled[name]):
            kin = [longer for longer in kin if any(are_near(lengths, shape) for shape in own[longer])]
            tune = kin[0] if kin else tune
        found.append(tune)
    return found


class TuneNames:
    """The line lengths that the tunes of a collection have, and the other names that tunes go by."""

    def __init__(self) -> None:
        self._shapes: dict[str, Counter[tuple[int, ...]]] = defaultdict(Counter)
        self._standard: dict[str, str] = {}

    def add(self, tune: str, lines: Sequence[str], alias: str = "") -> None:
        """Takes in one 词 whose tune is known.

        Args:
            tune: The standard name of its tune.
            lines: Its lines.
            alias: The name that its source calls the tune by.
        """
        self._shapes[tune][tuple(map(len, lines))] += 1
        if alias:
            self._standard.setdefault(alias, tune)

    @classmethod
    def shipped(cls, script: Script) -> TuneNames:
        """The tunes of the table that comes with the package, their names in a script."""
        from gemma_poetry.prosody.tunes import shipped_tunes

        table = shipped_tunes()
        tunes = list(table.judged.values())
        spelled = sorted({name for tune in tunes for name in (tune.name, *tune.aliases)})
        in_script = dict(zip(spelled, convert(spelled, script)))
        names = cls()
        for tune in tunes:
            standard = in_script[tune.name]
            for variant in tune.variants:
                names._shapes[standard][variant.form.line_lengths] += variant.poems
            for alias in tune.aliases:
                names._standard.setdefault(in_script[alias], standard)
        return names

    def tune_of(self, title: str, lines: Sequence[str]) -> str:
        """The tune that a title begins with, if the lines fit it; else an empty text.

        Lines that are all of one length must keep the tones of a tune template as well, so that a 律诗 under the name of a
        tune stays one; a title that parts tune and subject (浣溪沙·姜女庙) tells enough for what is no 绝句 or 律诗 anyhow.
        """
        name, _, subject = title.partition("·")
        tune = name if name in self._shapes else self._standard.get(name, "")
        if not tune:
            return ""
        lengths = tuple(map(len, lines))
        # Lines of six characters are those of tunes (三台) more often than of 六言绝句.
        regulated = lengths[0] != 6 and (len(lengths), lengths[0]) in FIXED_SHAPES.values()
        told = len(set(lengths)) > 1 or (subject and not regulated)
        if told and self._shapes[tune][lengths] >= _MIN_SHAPE_POEMS:
            return tune
        return tune if fitting_tune(name, lines) else ""

    def subject(self, title: str, first_line: str) -> str:
        """What the title of a 词 says beside its tune: `浣溪沙·姜女庙` -> `姜女庙`; nothing where it repeats the first line."""
        name, _, rest = title.partition("·")
        if name not in self._shapes and name not in self._standard:
            rest = title
        return "" if first_line.startswith(rest) else rest
