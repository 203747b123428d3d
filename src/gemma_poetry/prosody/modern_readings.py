"""Modern readings: how Mandarin reads a character, and which final its syllable has.

In: a simplified character, or a line of them. Out: its syllables; what a word leaves of them.

    assets/prosody/modern.txt   made by scripts/build_modern_readings.py
      [readings]     characters by their syllables                      chong2 zhong4 -> 重
      [words]        words in which a character has one of them         重chong2 -> 重阳 重叠

A syllable is spelt without marks, ü as v, its tone a number behind it: 1 阴平 and 2 阳平 are level, 3 上 and 4 去 oblique. The
entering tone (入声) is gone, 一 七 八 不 keep the tone that they have alone, and a neutral tone (轻声, 5) stands only where a
character has no other.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources

from gemma_poetry.errors import DataError
from gemma_poetry.languages import _
from gemma_poetry.prosody.lexicon import rows_of

TABLE = "assets/prosody/modern.txt"

_SYLLABLE = re.compile(r"(zh|ch|sh|[bpmfdtnlgkhjqxrzcsyw])?([aeiouv]+(?:ng|n|r)?)([1-5])")
_PALATAL = frozenset(("j", "q", "x", "y"))
_BARE = frozenset(("zh", "ch", "sh", "r", "z", "c", "s"))
_WRITTEN = {"iu": "iou", "ui": "uei", "un": "uen"}
_MARKS = {"a": "āáǎà", "e": "ēéěè", "i": "īíǐì", "o": "ōóǒò", "u": "ūúǔù", "v": "ǖǘǚǜ"}

FINALS = frozenset(
    (
        *("a", "ia", "ua", "o", "io", "uo", "e", "ie", "ve", "ai", "uai", "ei", "uei", "ao", "iao", "ou", "iou"),
        *("an", "ian", "uan", "van", "en", "in", "uen", "vn", "ang", "iang", "uang", "eng", "ing", "ueng", "ong", "iong"),
        *("i", "-i", "u", "v", "er"),
    )
)
"""The finals of Mandarin as 汉语拼音方案 (1958) writes them whole: iou for iu, v for ü, -i for what follows zh, z and r."""


@dataclass(frozen=True, slots=True)
class ModernTable:
    """The packaged table.

    Attributes:
        readings: The syllables of each character.
        words: The syllable that each character has in a word: 重阳 -> {重: chong2}.
    """

    readings: dict[str, tuple[str, ...]]
    words: dict[str, dict[str, str]]


@functools.cache
def modern_table() -> ModernTable:
    """The packaged table, read once (some 30 milliseconds).

    Raises:
        DataError: The table is damaged.
    """
    text = resources.files("gemma_poetry").joinpath(TABLE).read_text(encoding="utf-8")
    return parse_modern_table(text)


def parse_modern_table(text: str) -> ModernTable:
    """The table from its text: sections of `key<TAB>value` lines, `#` for remarks.

    Raises:
        DataError: The text is no such table; the line is named.
    """
    table = ModernTable({}, {})
    for number, section, line in rows_of(text):
        key, value = line.partition("\t")[::2]
        if not value or section not in ("[readings]", "[words]"):
            raise DataError(
                _("no table of modern readings: {line!r}", line=line[:20]),
                expected=_("the file that scripts/build_modern_readings.py writes"),
                action=_("install the package again"),
                where=f"{TABLE}:{number}",
            )
        if section == "[readings]":
            table.readings.update(dict.fromkeys(value, tuple(key.split(" "))))
        else:
            for word in value.split(" "):
                table.words.setdefault(word, {})[key[0]] = key[1:]
    return table


@functools.cache
def final_of(syllable: str) -> str:
    """The final of a syllable, one of `FINALS`; empty for what is no syllable of Mandarin (`hm`, `ng2`).

    Args:
        syllable: A syllable with its tone: `xiong1`, `lv4`, `yuan2`.
    """
    found = _SYLLABLE.fullmatch(syllable)
    if not found:
        return ""
    initial, final = found[1] or "", found[2]
    if initial in _PALATAL and final[0] == "u":
        final = "v" + final[1:]
    elif initial == "y":
        # yi ya yan ying, and yo: the medial is written as the initial.
        final = final if final[0] == "i" else "i" + final
    elif initial == "w":
        final = final if final == "u" else "u" + final
    elif initial in _BARE and final == "i":
        final = "-i"
    final = _WRITTEN.get(final, final)
    return final if final in FINALS else ""


def spelt(syllable: str) -> str:
    """A syllable with its tone mark: `chóng` for `chong2`."""
    letters, tone = syllable[:-1], int(syllable[-1])
    if tone == 5:
        return letters.replace("v", "ü")
    # a and e take the mark, else the o of ou, else the last vowel.
    place = next((letters.index(vowel) for vowel in ("a", "e", "ou") if vowel in letters), -1)
    if place < 0:
        place = max(letters.rfind(vowel) for vowel in "iouv")
    marked = letters[:place] + _MARKS[letters[place]][tone - 1] + letters[place + 1 :]
    return marked.replace("v", "ü")


def words_settling(line: str) -> Iterator[tuple[int, str, str]]:
    """The characters of a simplified line that a word settles: index from 0, syllable, word.

    A word counts where it fills feet: it begins where a foot does (every second character; of an odd line also the second
    of the last three), and ends with the line or where a foot ends. Of words that settle a character differently the longest
    counts; between two that are as long it is left open.
    """
    table = modern_table().words
    length = len(line)
    begins = {*range(0, length - 1, 2), *((length - 2,) if length % 2 and length > 1 else ())}
    ends = {*range(2, length + 1, 2), length}
    found: dict[int, tuple[str, str]] = {}
    for size in (2, 3, 4):
        own: dict[int, tuple[str, str]] = {}
        for begin in begins:
            word = line[begin : begin + size]
            if begin + size not in ends or word not in table:
                continue
            for index, char in enumerate(word, begin):
                syllable = table[word].get(char)
                if syllable:
                    differs = own.setdefault(index, (syllable, word))[0] != syllable
                    own[index] = ("", "") if differs else own[index]
        found |= own
    yield from ((place, syllable, word) for place, (syllable, word) in sorted(found.items()) if syllable)
