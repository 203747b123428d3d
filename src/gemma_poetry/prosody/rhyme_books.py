"""A rhyme book (韵书) says how characters sound: their tones, and the groups in which they rhyme.

In: the name of a book; characters by themselves, or the lines of a poem. Out: readings, and the rhyme of each. Scansion,
verdicts and generation ask the book, and nothing else.

    pingshui  平水韵      106 groups over the readings of the 廣韻; what 诗 goes by
    cilin     词林正韵    19 parts over the same readings; what 词 goes by
    xinyun    中华新韵    14 groups over modern readings (中华诗词学会, 2005)
    tongyun   中华通韵    16 groups over modern readings (教育部, 国家语委, 2019)
    yuan      中原音韵    19 groups over readings derived from the 廣韻; what 曲 goes by, and no other verse

The two modern books are stated by the finals of 汉语拼音方案: 阴平 and 阳平 are level, 上 and 去 oblique, there is no 入声, and
a 词 that asks for one rhymes oblique. Their groups hold all tones; a rhyme keeps to level or to oblique words all the same,
as the form asks. 平水韵 is no book for 词: where one is to go by it, the groups of a family (东 董 送) are taken together.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import replace

from gemma_poetry.errors import UsageError, nearest_names
from gemma_poetry.languages import _, listed
from gemma_poetry.prosody.conversion import converter
from gemma_poetry.prosody.forms import Tone
from gemma_poetry.prosody.interpretation import (
    Heard,
    every_reading,
    heard_at_word,
    heard_widened,
    interpret,
    is_traditional,
    other_places,
    simplified,
    tones_by_words,
    traditional,
    words_in,
)
from gemma_poetry.prosody.lexicon import Reading, readings
from gemma_poetry.prosody.modern_readings import FINALS, final_of, modern_table, spelt, words_settling
from gemma_poetry.prosody.rhyme import (
    FAMILY_NAMES,
    GROUP_CONTOURS,
    GROUPS,
    LEVEL_GROUPS,
    MIXED_PARTS,
    MIXED_WORDS,
    NEIGHBOUR_GROUPS,
    PART_NAMES,
    STOPPED_PARTS,
)
from gemma_poetry.prosody.rhyme_book import Hearing, RhymeBook
from gemma_poetry.prosody.yuan_rhyme import YUAN_GROUPS, YUAN_PART_NAMES, yuan_heard, yuan_readings


class _OldBook(RhymeBook):
    """A book over the readings of the 廣韻."""

    def readings(self, char: str) -> tuple[Reading, ...]:
        return readings(char)

    def heard(self, char: str, at_end: bool) -> Heard:
        return heard_widened(char, at_end)

    def converted(self, lines: Sequence[str]) -> Sequence[str]:
        return traditional(lines)

    def heard_at_word(self, char: str, at_end: bool) -> Heard:
        return heard_at_word(char, at_end)

    def settled(self, line: str) -> list[tuple[int, Heard]]:
        found = []
        for place, tone, reason in words_in(line):
            kept = tuple(one for one in heard_at_word(line[place], place == len(line) - 1).readings if one.tone is tone)
            found.append((place, Heard(kept, reason)))
        return found

    def tones_by_words(self, line: str) -> Mapping[int, Tone]:
        return tones_by_words(line)

    def other_places(self, lines: Sequence[str], converted: Sequence[str]) -> list[tuple[int, int, Heard]]:
        return other_places(lines, converted)

    def interpret(self, lines: Sequence[str], widened: bool = False) -> Hearing:
        return interpret(lines, widened)

    def every_reading(self, lines: Sequence[str]) -> Hearing:
        return every_reading(lines)


class _Pingshui(_OldBook):
    name, title, numbered = "pingshui", "平水韵", False
    rhymes, level_rhymes, parts = GROUPS, LEVEL_GROUPS, PART_NAMES
    oblique_rhymes = GROUPS[len(LEVEL_GROUPS) :]

    def rhyme(self, reading: Reading) -> str:
        return reading.group

    def neighbours(self, rhyme: str) -> frozenset[str]:
        return NEIGHBOUR_GROUPS[rhyme]


class _Cilin(_OldBook):
    name, title = "cilin", "词林正韵"
    rhymes, parts, stopped_parts = tuple(PART_NAMES.values()), PART_NAMES, STOPPED_PARTS
    mixed_parts, mixed_words = MIXED_PARTS, MIXED_WORDS
    level_rhymes = tuple(name for part, name in PART_NAMES.items() if part not in STOPPED_PARTS)
    oblique_rhymes = rhymes

    def rhyme(self, reading: Reading) -> str:
        return PART_NAMES[reading.part]


class _SungPingshui(_OldBook):
    """平水韵 as far as 词 can go by it: what rhymes with a level word in one family of the 廣韻 rhymes with it."""

    name, title, numbered = "pingshui", "平水韵", False

    def __init__(self) -> None:
        self.rhymes = self.oblique_rhymes = tuple(dict.fromkeys(FAMILY_NAMES.values()))
        self.level_rhymes = tuple(name for name in self.rhymes if GROUP_CONTOURS[name] == "平")
        self.parts = dict(enumerate(self.rhymes, 1))
        self.stopped_parts = frozenset(number for number, name in self.parts.items() if GROUP_CONTOURS[name] == "入")
        self._number_of = {name: number for number, name in self.parts.items()}
        self._numbered = functools.cache(self._numbered_by_family)

    def rhyme(self, reading: Reading) -> str:
        return FAMILY_NAMES[reading.group]

    def readings(self, char: str) -> tuple[Reading, ...]:
        return self._numbered(Heard(readings(char))).readings

    def heard(self, char: str, at_end: bool) -> Heard:
        return self._numbered(heard_widened(char, at_end))

    def heard_at_word(self, char: str, at_end: bool) -> Heard:
        return self._numbered(heard_at_word(char, at_end))

    def interpret(self, lines: Sequence[str], widened: bool = False) -> Hearing:
        return self._by_family(interpret(lines, widened))

    def every_reading(self, lines: Sequence[str]) -> Hearing:
        return self._by_family(every_reading(lines))

    def __reduce__(self) -> str:
        return "SUNG_PINGSHUI"

    def _by_family(self, hearing: Hearing) -> Hearing:
        return [list(map(self._numbered, line)) for line in hearing]

    def _numbered_by_family(self, place: Heard) -> Heard:
        return place._replace(readings=tuple(replace(one, part=self._number_of[self.rhyme(one)]) for one in place.readings))


class _Yuan(_OldBook):
    """中原音韵: its groups hold all tones, and level words rhyme with oblique ones; 入 counts among the other tones."""

    name, title = "yuan", "中原音韵"
    rhymes = level_rhymes = oblique_rhymes = YUAN_GROUPS
    parts = YUAN_PART_NAMES

    def rhyme(self, reading: Reading) -> str:
        return reading.group

    def readings(self, char: str) -> tuple[Reading, ...]:
        return yuan_readings(readings(char))

    def heard(self, char: str, at_end: bool) -> Heard:
        return yuan_heard(heard_widened(char, at_end))

    def heard_at_word(self, char: str, at_end: bool) -> Heard:
        return yuan_heard(heard_at_word(char, at_end))

    def settled(self, line: str) -> list[tuple[int, Heard]]:
        return [(place, yuan_heard(left)) for place, left in super().settled(line)]

    def tones_by_words(self, line: str) -> Mapping[int, Tone]:
        (heard,) = self.interpret([line])
        told = {}
        for place in tones_by_words(line):
            tones = {heard[place].likely or one.tone for one in heard[place].readings}
            if len(tones) == 1:
                told[place] = tones.pop()
        return told

    def other_places(self, lines: Sequence[str], converted: Sequence[str]) -> list[tuple[int, int, Heard]]:
        return [(line, index, yuan_heard(place)) for line, index, place in other_places(lines, converted)]

    def interpret(self, lines: Sequence[str], widened: bool = False) -> Hearing:
        return [list(map(yuan_heard, line)) for line in interpret(lines, widened)]

    def every_reading(self, lines: Sequence[str]) -> Hearing:
        return [list(map(yuan_heard, line)) for line in every_reading(lines)]


class _ModernBook(RhymeBook):
    """A book over modern readings.

    Args:
        name: What `--book` calls it.
        title: Its Chinese name.
        table: One group a line: its name, and its finals.
    """

    modern = True

    def __init__(self, name: str, title: str, table: str) -> None:
        rows = [row.split() for row in table.strip().splitlines()]
        self.name, self.title = name, title
        self.rhymes = self.level_rhymes = self.oblique_rhymes = tuple(group for group, *_ in rows)
        self.parts = dict(enumerate(self.rhymes, 1))
        self._number_of = {final: number for number, (_, *finals) in enumerate(rows, 1) for final in finals}
        assert self._number_of.keys() == FINALS, FINALS ^ self._number_of.keys()
        self._read = functools.cache(self._readings)

    def rhyme(self, reading: Reading) -> str:
        return reading.group

    def readings(self, char: str) -> tuple[Reading, ...]:
        return self._read(char)

    def _readings(self, char: str) -> tuple[Reading, ...]:
        known = modern_table().readings
        return tuple(
            Reading(tone, contour, final, self.parts[number], number, char, pinyin=spelt(syllable))
            for syllable in known.get(char) or known.get(simplified(char), ())
            for final in (final_of(syllable),)
            for number in (self._number_of[final],)
            for tone, contour in _TONES[syllable[-1]]
        )

    def heard(self, char: str, at_end: bool) -> Heard:
        return Heard(self._read(char))

    def converted(self, lines: Sequence[str]) -> Sequence[str]:
        text = "\n".join(lines)
        return lines if not is_traditional(text) else _simple_lines(text)

    def heard_at_word(self, char: str, at_end: bool) -> Heard:
        return Heard(self._read(char))

    def settled(self, line: str) -> list[tuple[int, Heard]]:
        return [
            (
                place,
                Heard(
                    tuple(one for one in self._read(line[place]) if one.pinyin == pinyin),
                    _("word {word}: {pinyin}", word=word, pinyin=pinyin),
                ),
            )
            for place, syllable, word in words_settling(line)
            for pinyin in (spelt(syllable),)
        ]

    def tones_by_words(self, line: str) -> Mapping[int, Tone]:
        (read,) = self.converted([line])
        told = {}
        for place, left in self.settled(read):
            tones = {one.tone for one in left.readings}
            if len(tones) == 1 and {one.tone for one in self._read(read[place])} == set(Tone):
                told[place] = tones.pop()
        return told

    def interpret(self, lines: Sequence[str], widened: bool = False) -> Hearing:
        hearing = []
        for line in self.converted(lines):
            places = [Heard(self._read(char)) for char in line]
            for place, left in self.settled(line):
                places[place] = left
            hearing.append(places)
        return hearing


_TONES = {
    "1": ((Tone.LEVEL, "阴平"),),
    "2": ((Tone.LEVEL, "阳平"),),
    "3": ((Tone.OBLIQUE, "上"),),
    "4": ((Tone.OBLIQUE, "去"),),
    # A character that has no full tone at all may count as either.
    "5": ((Tone.LEVEL, "轻声"), (Tone.OBLIQUE, "轻声")),
}


@functools.lru_cache(maxsize=256)
def _simple_lines(text: str) -> Sequence[str]:
    """Traditional lines in simplified characters, by phrases (乾坤 keeps 乾)."""
    lines = text.split("\n")
    changed = converter("t2s")(text).split("\n")
    return tuple(new if len(new) == len(old) else simplified(old) for new, old in zip(changed, lines))


PINGSHUI: RhymeBook = _Pingshui()
CILIN: RhymeBook = _Cilin()
XINYUN: RhymeBook = _ModernBook(
    "xinyun",
    "中华新韵",
    """
    一麻   a ia ua
    二波   o io e uo
    三皆   ie ve
    四开   ai uai
    五微   ei uei
    六豪   ao iao
    七尤   ou iou
    八寒   an ian uan van
    九文   en in uen vn
    十唐   ang iang uang
    十一庚 eng ing ueng ong iong
    十二齐 i er v
    十三支 -i
    十四姑 u
    """,
)
TONGYUN: RhymeBook = _ModernBook(
    "tongyun",
    "中华通韵",
    """
    一啊   a ia ua
    二喔   o io uo
    三鹅   e ie ve
    四衣   i -i
    五乌   u
    六迂   v
    七哀   ai uai
    八欸   ei uei
    九熬   ao iao
    十欧   ou iou
    十一安 an ian uan van
    十二恩 en in uen vn
    十三昂 ang iang uang
    十四英 eng ing ueng
    十五雍 ong iong
    十六儿 er
    """,
)
SUNG_PINGSHUI: RhymeBook = _SungPingshui()
YUAN: RhymeBook = _Yuan()

BOOKS: tuple[RhymeBook, ...] = (PINGSHUI, CILIN, XINYUN, TONGYUN)
"""The books that a person chooses among, the old ones first."""

_SHORT_TITLES = {"平水": PINGSHUI, "诗韵": PINGSHUI, "词林": CILIN, "词韵": CILIN, "新韵": XINYUN, "通韵": TONGYUN}
_BY_NAME = {name: book for book in (*BOOKS, YUAN) for name in (book.name, book.title)} | _SHORT_TITLES


def rhyme_book(name: str = "", *, sung: bool = False, song: bool = False) -> RhymeBook:
    """The book of a name, as 诗, 词 or 曲 goes by it.

    Args:
        name: `pingshui`, `cilin`, `xinyun`, `tongyun` or its Chinese name, in either script; empty: the usual one.
        sung: Whether it is for a 词.
        song: Whether it may be for a 曲, which alone goes by 中原音韵 (`yuan`).

    Raises:
        UsageError: No book is called so, and the nearest names are offered; or it is one for 曲 alone.
    """
    if not name:
        return CILIN if sung else PINGSHUI
    book = _BY_NAME.get(name) or _BY_NAME.get(simplified(name.strip()).casefold())
    if book is None:
        known = [book.name for book in BOOKS]
        near = nearest_names(name.strip().casefold(), list(_BY_NAME))
        raise UsageError(
            _("no rhyme book is called {name!r}", name=name),
            expected=_("one of {form_names}", form_names=listed(known)),
            action=_("did you mean {near}?", near=" / ".join(near)) if near else _("choose a name of the list"),
        )
    if book is YUAN and not song:
        raise for_songs_alone()
    return SUNG_PINGSHUI if sung and book is PINGSHUI else book


def for_songs_alone() -> UsageError:
    """The error where 中原音韵 is asked for and the verse is no 曲."""
    return UsageError(
        _("{title} (yuan) is the rhyme book of 曲, and of no other verse", title=YUAN.title),
        expected=_("one of {form_names}", form_names=listed(book.name for book in BOOKS)),
        action=_("leave --book out, or name a 曲牌, such as 天净沙"),
    )
