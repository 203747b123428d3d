"""The lexicon: every reading of a character.

In: a character, traditional, simplified or a glyph variant. Out: its `Reading`s (tone, 廣韻 rhyme, 平水韵 group, 词林正韵
part); none for a character that no source knows, so that whoever asks can report it.

    assets/prosody/lexicon.txt   made by scripts/build_lexicon.py
      [heads]        19,000 characters of the 廣韻 by their rhymes         東 -> 東
      [variants]     glyphs of the same word                              窗 -> 窻
      [simplified]   simplified characters with all they may stand for    后 -> 后 後
      [later]        readings that 全宋诗 shows and the 廣韻 lacks          涯 -> 麻
      [settled]      of two tones the one that verse uses                 能 -> 平
      [words]        the tone that a character has in a word              重陽 -> 重 平
      [likely]       the same by what most poems say                      乘舟 -> 乘 平

A character keeps all its readings. One that is a character of its own and also the simplified form of others (后, 干, 里)
has the readings of all of them; `Reading.head` says whose they are.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import resources
from typing import NamedTuple

from gemma_poetry.errors import DataError
from gemma_poetry.languages import _
from gemma_poetry.prosody.forms import Tone
from gemma_poetry.prosody.rhyme import RHYMES

TABLE = "assets/prosody/lexicon.txt"
_LIKELY_TONES = frozenset(f"{tone.value}\t" for tone in Tone)


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading of a character.

    Attributes:
        tone: 平 or 仄.
        contour: Its tone among the four: 平, 上, 去 or 入; of a modern reading 阴平, 阳平, 上, 去 or 轻声.
        rhyme: Its 廣韻 rhyme, in traditional characters (東); of a modern reading its final (ong).
        group: Its 平水韵 group (一东), or that of a modern book. Where books differ, there is a reading for each.
        part: Its 词林正韵 part, 1 to 19, or the number of its modern group. Where 词林正韵 leaves both halves of a rhyme open,
            there is a reading for each.
        head: The character under which the reading stands in its source; another one for variants and simplified forms.
        later: Whether it is not in the 廣韻 but derived from usage in 全宋诗.
        pinyin: The syllable of a modern reading (dōng); empty for one of the 廣韻.
    """

    tone: Tone
    contour: str
    rhyme: str
    group: str
    part: int
    head: str
    later: bool = False
    pinyin: str = ""


class Settled(NamedTuple):
    """The tone that usage leaves to a character of two tones.

    Attributes:
        tone: The tone.
        evidence: How often of how many decisive places it was seen with it.
        inside: `inside` where that holds for all places but the end of a line, else empty.
    """

    tone: Tone
    evidence: str
    inside: str = ""


@dataclass(frozen=True, slots=True)
class Lexicon:
    """The packaged table, sections as in the module's docstring.

    Attributes:
        rhymes: The rhymes of each head, each as `麻` or, where 词林正韵 divides the rhyme, with its part: `佳10`.
        variants: The heads that each glyph variant stands for.
        simplified: The traditional characters that each simplified one may stand for, itself among them where it is one.
        later: Rhymes that each head has by later usage.
        settled: Heads of two tones that verse uses with one.
        words: Two characters and which of them (1 or 2), as `重陽1`, that is settled in this word.
        likely: The same on less evidence, by which readings are preferred and none is ruled out; rows that are read when
            they are asked for, see `likely_in_word`.
    """

    rhymes: dict[str, tuple[str, ...]]
    variants: dict[str, str]
    simplified: dict[str, str]
    later: dict[str, tuple[str, ...]]
    settled: dict[str, Settled]
    words: dict[str, Settled]
    likely: dict[str, str]

    def likely_in_word(self, key: str) -> Settled | None:
        """What most poems say of a character in a word (`乘舟1`), where they do."""
        row = self.likely.get(key)
        return Settled(Tone(row[0]), row[2:]) if row else None

    def heads(self, char: str) -> str:
        """The heads that a character may stand for; empty for an unknown one."""
        heads = "".join(self.variants.get(form, form) for form in self.simplified.get(char, char))
        return "".join(dict.fromkeys(head for head in heads if head in self.rhymes))

    def __contains__(self, char: str) -> bool:
        return bool(self.heads(char))


@functools.cache
def lexicon() -> Lexicon:
    """The packaged table, read once (some 20 milliseconds).

    Raises:
        DataError: The table is damaged.
    """
    text = resources.files("gemma_poetry").joinpath(TABLE).read_text(encoding="utf-8")
    return parse_table(text)


def parse_table(text: str) -> Lexicon:
    """The table from its text: sections of `key<TAB>value` lines, `#` for remarks.

    Raises:
        DataError: The text is no such table; the line is named.
    """
    table = Lexicon({}, {}, {}, {}, {}, {}, {})
    for number, section, line in rows_of(text):
        if section == "[likely]" and line[4:6] in _LIKELY_TONES:
            table.likely[line[:3]] = line[4:]
            continue
        try:
            _enter(table, section, line)
        except (KeyError, ValueError) as error:
            raise DataError(
                _("no table of readings: {line!r}", line=line[:20]),
                expected=_("the file that scripts/build_lexicon.py writes"),
                action=_("install the package again"),
                where=f"{TABLE}:{number}",
            ) from error
    return table


def rows_of(text: str) -> Iterator[tuple[int, str, str]]:
    """The rows of a packaged table, remarks left out: the number of each, the section that it stands in, the row."""
    section = ""
    for number, line in enumerate(text.splitlines(), 1):
        if line[:1] == "[":
            section = line
        elif line[:1] not in ("", "#"):
            yield number, section, line


def _enter(table: Lexicon, section: str, line: str) -> None:
    key, value, *rest = line.split("\t")
    if section == "[heads]":
        table.rhymes.update(dict.fromkeys(value, tuple(key.split(" "))))
    elif section == "[variants]":
        table.variants.update(dict.fromkeys(value, key))
    elif section == "[simplified]":
        table.simplified[key] = value
    elif section == "[later]":
        table.later[key] = (*table.later.get(key, ()), value)
    else:
        {"[settled]": table.settled, "[words]": table.words}[section][key] = Settled(Tone(value), *rest)


@functools.cache
def readings(char: str) -> tuple[Reading, ...]:
    """Every reading of a character, in the order of its sources; empty for an unknown one.

    Args:
        char: One character in any script.
    """
    return readings_of_heads(lexicon().heads(char))


@functools.cache
def readings_of_heads(heads: str) -> tuple[Reading, ...]:
    """Every reading of these heads of the table, equal ones once; heads that it lacks are passed over."""
    table = lexicon()
    found: dict[tuple[str, str, int], Reading] = {}
    for head in heads:
        for codes, later in ((table.rhymes.get(head, ()), False), (table.later.get(head, ()), True)):
            for code in codes:
                for reading in _expand(head, code, later):
                    found.setdefault((reading.rhyme, reading.group, reading.part), reading)
    return tuple(found.values())


def _expand(head: str, code: str, later: bool) -> Iterable[Reading]:
    rhyme, part = RHYMES[code[0]], code[1:]
    for number in (int(part),) if part else rhyme.parts:
        for group in rhyme.groups:
            yield Reading(rhyme.tone, rhyme.contour, rhyme.name, group, number, head, later)
