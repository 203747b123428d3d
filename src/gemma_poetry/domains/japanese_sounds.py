"""Morae of Japanese, from kana or by an analyser's readings.

In: a line in kana and kanji. Out: its reading in kana with the number of morae, and the words whose reading nobody knows;
the wordstock of kana that lines are made of.

A kana is a mora; small ゃ ゅ ょ and small vowels share that of the kana before them; っ ん ー are one each. Kanji are read
by SudachiPy with its small dictionary where it is installed. A reading in brackets behind kanji, 古池（ふるいけ）, is the
author's own and is taken in place of the analyser's.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from gemma_poetry.prosody.measures import Unit
from gemma_poetry.prosody.wordstock import Wordstock

SMALL = frozenset("ゃゅょゎぁぃぅぇぉャュョヮァィゥェォ")

_KANA = re.compile("[ぁ-ゖァ-ヺー]+")
_RUBY = re.compile("([一-鿿㐀-䶿々〆]+)[（(]([ぁ-ゖァ-ヺー]+)[）)]")
_MARKS = re.compile("[\\s、。，．・！？「」『』―…]+")

# The kana in which a syllable may begin; those that take a small ゃ ゅ ょ; those that a small っ may double.
_PLAIN = (
    "あいうえおかきくけこがぎぐげごさしすせそざじずぜぞたちつてとだぢづでどなにぬねのはひふへほばびぶべぼぱぴぷぺぽ"
    "まみむめもやゆよらりるれろわを"
)
_BEFORE_SMALL = "きぎしじちにひびぴみり"
_DOUBLED = "かきくけこさしすせそたちつてとぱぴぷぺぽ"


@dataclass(frozen=True, slots=True)
class LineReading:
    """How a line is read.

    Attributes:
        kana: The reading.
        unknown: Words without a known reading, with their positions from 1.
        given: Whether the line itself says it (kana, or readings in brackets): no analyser was asked.
    """

    kana: str
    unknown: tuple[tuple[int, str], ...] = ()
    given: bool = True

    @property
    def morae(self) -> int:
        """Its morae; unknown words count for nothing."""
        return count_morae(self.kana)


def count_morae(kana: str) -> int:
    """The morae of a text in kana."""
    return sum(char not in SMALL for char in kana)


def without_readings(line: str) -> str:
    """A line without the readings in brackets."""
    return _RUBY.sub(r"\1", line)


def read_line(line: str) -> LineReading:
    """Reads a line; where no analyser is installed, kanji without a reading are unknown words."""
    spoken = _MARKS.sub("", _RUBY.sub(r"\2", line))
    if not spoken or _KANA.fullmatch(spoken):
        return LineReading(spoken)
    analyser = _analyser()
    if analyser is None:
        runs = [(match.start() + 1, match[0]) for match in re.finditer("[^ぁ-ゖァ-ヺー]+", spoken)]
        return LineReading("".join(_KANA.findall(spoken)), tuple(runs), given=False)
    kana, unknown = [], []
    position = 1
    for morpheme in analyser.tokenize(spoken):
        surface = str(morpheme.surface())
        reading = surface if _KANA.fullmatch(surface) else str(morpheme.reading_form())
        if (morpheme.is_oov() and not _KANA.fullmatch(surface)) or not _KANA.fullmatch(reading):
            unknown.append((position, surface))
        else:
            kana.append(reading)
        position += len(surface)
    return LineReading("".join(kana), tuple(unknown), given=False)


@functools.cache
def _analyser() -> Any:
    """The analyser with its small dictionary; `None` where either is not installed (extra `japanese`)."""
    try:
        from sudachipy import Dictionary

        return Dictionary(dict="small").tokenizer()
    except ImportError:
        return None


@functools.lru_cache(maxsize=4)
def kana_wordstock(characters: frozenset[str], endings: tuple[str, ...], group: str) -> Wordstock:
    """Kana as units: a syllable with what belongs to it, so that っ is followed by what it doubles and ん begins nothing.

    Args:
        characters: The kana at hand.
        endings: Words in kana that are units of their own and may end a line of the rhyme group `group`.
        group: The name of that group.

    Raises:
        ConstraintError: The characters hold no kana.
    """
    syllables = [*_PLAIN, *(kana + small for kana in _BEFORE_SMALL for small in "ゃゅょ")]
    units: dict[str, Unit] = {}
    for syllable in syllables:
        units[syllable] = Unit(1)
        units[syllable + "ん"] = Unit(2)
        if syllable[0] in _DOUBLED:
            units["っ" + syllable] = Unit(2)
            units["っ" + syllable + "ん"] = Unit(3)
    for word in endings:
        # What such a word begins with may go on otherwise: はつ in はつこい is two kana, though はつゆき begins with it.
        for end in range(1, len(word) + 1):
            begun = word[:end]
            if begun[-1] != "っ" and begun not in units:
                units[begun] = Unit(count_morae(begun))
        units[word] = Unit(count_morae(word), group)
    return Wordstock({spelling: unit for spelling, unit in units.items() if characters.issuperset(spelling)})


def wordstock(characters: Collection[str], endings: Collection[str], group: str) -> Wordstock:
    """`kana_wordstock`, made once for a vocabulary; words with other kana than these, or with っ, are no endings."""
    kana = frozenset(characters) & frozenset(_PLAIN + "ゃゅょっん")
    written = tuple(sorted(word for word in endings if kana.issuperset(word) and "っ" not in word))
    return kana_wordstock(kana, written, group)
