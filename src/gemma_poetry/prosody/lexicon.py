"""The lexicon: every reading of a character.

In: a character, traditional, simplified or a glyph variant. Out: its `Reading`s (tone, 廣韻 rhyme, 平水韵 group, 词林正韵
part); none for a character that no source knows, so that whoever asks can report it.

    assets/prosody/lexicon.txt   made by scripts/build_lexicon.py
      [heads]        19,000 characters of the 廣韻 by their rhymes         東 -> 東
      [variants]     glyphs of the same word                              窗 -> 窻
      [simplified]   simplified characters with all they may stand for    后 -> 后 後
      [later]        readings that 全宋诗 shows and the 廣韻 lacks          涯 -> 麻

A character keeps all its readings. One that is a character of its own and also the simplified form of others (后, 干, 里)
has the readings of all of them; `Reading.head` says whose they are.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources

from gemma_poetry.errors import DataError
from gemma_poetry.prosody.forms import Tone
from gemma_poetry.prosody.rhyme import RHYMES

TABLE = "assets/prosody/lexicon.txt"


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading of a character.

    Attributes:
        tone: 平 or 仄.
        contour: Its tone among the four: 平, 上, 去 or 入.
        rhyme: Its 廣韻 rhyme, in traditional characters (東).
        group: Its 平水韵 group (一东). Where books differ, there is a reading for each.
        part: Its 词林正韵 part, 1 to 19. Where 词林正韵 leaves both halves of a rhyme open, there is a reading for each.
        head: The character under which the reading stands in its source; another one for variants and simplified forms.
        later: Whether it is not in the 廣韻 but derived from usage in 全宋诗.
    """

    tone: Tone
    contour: str
    rhyme: str
    group: str
    part: int
    head: str
    later: bool = False


@dataclass(frozen=True, slots=True)
class Lexicon:
    """The packaged table, sections as in the module's docstring.

    Attributes:
        rhymes: The rhymes of each head, each as `麻` or, where its part is decided, `佳10`; a later one begins with `+`.
        variants: The heads that each glyph variant stands for.
        simplified: The traditional characters that each simplified one may stand for, itself among them where it is one.
    """

    rhymes: dict[str, tuple[str, ...]]
    variants: dict[str, str]
    simplified: dict[str, str]

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
    rhymes: dict[str, tuple[str, ...]] = {}
    later: dict[str, tuple[str, ...]] = {}
    variants: dict[str, str] = {}
    simplified: dict[str, str] = {}
    section = ""
    for number, line in enumerate(text.splitlines(), 1):
        if not line or line[0] == "#":
            continue
        if line[0] == "[":
            section = line
            continue
        key, tab, value = line.partition("\t")
        if not tab or section not in ("[heads]", "[later]", "[variants]", "[simplified]"):
            raise DataError(f"no table of readings: line {number} is {line[:20]!r}", where=f"{TABLE}:{number}")
        if section == "[heads]":
            rhymes.update(dict.fromkeys(value, tuple(key.split(" "))))
        elif section == "[later]":
            later.update(dict.fromkeys(value, tuple(f"+{rhyme}" for rhyme in key.split(" "))))
        elif section == "[variants]":
            variants.update(dict.fromkeys(value, key))
        else:
            simplified[key] = value
    for char, added in later.items():
        rhymes[char] = rhymes.get(char, ()) + added
    return Lexicon(rhymes, variants, simplified)


@functools.cache
def readings(char: str) -> tuple[Reading, ...]:
    """Every reading of a character, in the order of its sources; empty for an unknown one.

    Args:
        char: One character in any script.
    """
    table = lexicon()
    found: dict[tuple[str, str, int], Reading] = {}
    for head in table.heads(char):
        for code in table.rhymes[head]:
            for reading in _expand(head, code):
                found.setdefault((reading.rhyme, reading.group, reading.part), reading)
    return tuple(found.values())


def _expand(head: str, code: str) -> Iterable[Reading]:
    later = code[0] == "+"
    name, digits = code.lstrip("+")[0], code.lstrip("+")[1:]
    rhyme = RHYMES[name]
    for part in (int(digits),) if digits else rhyme.parts:
        for group in rhyme.groups:
            yield Reading(rhyme.tone, rhyme.contour, name, group, part, head, later)


@functools.cache
def tones(char: str) -> frozenset[Tone]:
    """The tone classes that a character may stand for; empty for an unknown one."""
    return frozenset(reading.tone for reading in readings(char))
