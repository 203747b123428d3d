"""Mandarin readings (拼音) of the characters of a poem, true to the tones that its metre takes.

In: lines, and what a scansion found. Out: a syllable above each character.

A character of several readings is read as words of today have it (pypinyin), unless the scansion took a reading of the other
tone class (看 level in a poem is kān): then that of its Mandarin readings in that class
which sounds most like today's. An entering tone (入) has
scattered over all four tones of Mandarin and decides nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gemma_poetry.prosody.findings import Place, Scansion
from gemma_poetry.prosody.forms import Tone
from gemma_poetry.prosody.interpretation import simplified

_CLASSES = {"1": Tone.LEVEL, "2": Tone.LEVEL, "3": Tone.OBLIQUE, "4": Tone.OBLIQUE}
_IN_VERSE = {("尽", "jin3"): "jin4", ("着", "zhe"): "zhuo2", ("了", "le"): "liao3"}
"""What prose reads otherwise than verse: 尽 is 盡 and not 儘, 着 and 了 are words of their own."""


def pinyin_of(lines: Sequence[str], scansion: Scansion | None = None) -> tuple[tuple[str, ...], ...]:
    """A syllable with its tone mark for each character, line by line; empty where none is known.

    Args:
        lines: The lines, in either script.
        scansion: What was found of them, where a rule judges them.
    """
    from pypinyin import Style, lazy_pinyin
    from pypinyin.contrib.tone_convert import to_tone

    found = []
    for number, (line, plain) in enumerate(zip(lines, map(simplified, lines))):
        usual = lazy_pinyin(plain, style=Style.TONE3, errors=_nothing, v_to_u=True)
        usual = usual if len(usual) == len(line) else [""] * len(line)
        places: Sequence[Place | None] = scansion.places[number] if scansion is not None else [None] * len(line)
        found.append(tuple(to_tone(_heard(*each)) if each[1] else "" for each in zip(plain, usual, places)))
    return tuple(found)


def _nothing(text: str) -> Any:
    """Of characters without a reading, an empty syllable each."""
    return [""] * len(text)


def _heard(char: str, usual: str, place: Place | None) -> str:
    """A reading of a simplified character, the usual one where nothing speaks against it."""
    from pypinyin import Style, pinyin

    usual = _IN_VERSE.get((char, usual), usual)
    taken = place.taken if place is not None else None
    if taken is None or taken.contour == "入" or _CLASSES.get(usual[-1:]) in (taken.tone, None):
        return usual
    (readings,) = pinyin(char, style=Style.TONE3, heteronym=True, v_to_u=True)
    fitting = [reading for reading in readings if _CLASSES.get(reading[-1:]) is taken.tone]
    # 胜 is shēng before it is xīng: the syllable of today first, in its other tone.
    return min(fitting, key=lambda reading: reading[:-1] != usual[:-1], default=usual)
