"""Morae of Japanese are counted from kana, or by the readings of an analyser's dictionary.

In: a line in kana and kanji. Out: its readings in kana by the number of their morae, and the words whose reading nobody knows;
the wordstock of kana that lines are made of.

A kana is a mora; small ゃ ゅ ょ and small vowels share that of the kana before them; っ ん ー are one each. Kanji are read
by SudachiPy with its small dictionary where it is installed: it parts the line into words and chooses a reading of each, and
its dictionary has the others (音: おと, おん, ね), of which those of personal names are left out. A reading in brackets behind
kanji, 古池（ふるいけ）, is the author's own and is taken in place of all others.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from gemma_poetry.prosody.measures import Unit
from gemma_poetry.prosody.wordstock import Wordstock

SMALL = frozenset("ゃゅょゎぁぃぅぇぉャュョヮァィゥェォ")

_KANA = re.compile("[ぁ-ゖァ-ヺー]+")
_RUBY = re.compile("([一-鿿㐀-䶿々〆]+)[（(]([ぁ-ゖァ-ヺー]+)[）)]")
_PERSON = "人名"
_MARKS = re.compile("[\\s、。，．・！？「」『』―…]+")

# The kana in which a syllable may begin; those that take a small ゃ ゅ ょ; those that a small っ may double.
_PLAIN = (
    "あいうえおかきくけこがぎぐげごさしすせそざじずぜぞたちつてとだぢづでどなにぬねのはひふへほばびぶべぼぱぴぷぺぽ"
    "まみむめもやゆよらりるれろわを"
)
_BEFORE_SMALL = "きぎしじちにひびぴみり"
_WRITTEN = frozenset(_PLAIN + "ゃゅょっん")
_DOUBLED = "かきくけこさしすせそたちつてとぱぴぷぺぽ"


@dataclass(frozen=True, slots=True)
class LineReading:
    """How a line can be read.

    Attributes:
        kana: The reading: that of the kana or brackets, else the likeliest by the analyser.
        unknown: Words without a known reading, with their positions from 1; they count for nothing.
        by_morae: The reading of each number of morae that some choice of readings has, as near to `kana` as can be.
    """

    kana: str
    unknown: tuple[tuple[int, str], ...] = ()
    by_morae: Mapping[int, str] = field(default_factory=dict)

    @property
    def morae(self) -> int:
        """The morae of the likeliest reading."""
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
        return LineReading(spoken, by_morae={count_morae(spoken): spoken})
    analyser = _analyser()
    if analyser is None:
        runs = [(match.start() + 1, match[0]) for match in re.finditer("[^ぁ-ゖァ-ヺー]+", spoken)]
        return LineReading("".join(_KANA.findall(spoken)), tuple(runs))
    kana, unknown = "", []
    # By the morae so far: how many words are read otherwise than is likeliest, and the reading.
    found = {0: (0, "")}
    position = 1
    for morpheme in analyser.tokenizer.tokenize(spoken):
        surface = str(morpheme.surface())
        ways = _word_readings(analyser.dictionary, morpheme, surface)
        if ways:
            kana += ways[0]
            found = _longer(found, ways)
        else:
            unknown.append((position, surface))
        position += len(surface)
    return LineReading(kana, tuple(unknown), {morae: reading for morae, (_, reading) in sorted(found.items())})


def _word_readings(dictionary: Any, morpheme: Any, surface: str) -> list[str]:
    """The readings of a word, the analyser's first; none where nobody knows one."""
    if _KANA.fullmatch(surface):
        return [surface]
    own = [] if morpheme.is_oov() else [str(morpheme.reading_form())]
    others = [str(entry.reading_form()) for entry in dictionary.lookup(surface) if _PERSON not in entry.part_of_speech()]
    return [reading for reading in dict.fromkeys([*own, *sorted(others)]) if _KANA.fullmatch(reading)]


def _longer(found: Mapping[int, tuple[int, str]], ways: Sequence[str]) -> dict[int, tuple[int, str]]:
    """The readings of a line with one word more."""
    longer: dict[int, tuple[int, str]] = {}
    for morae, (changed, begun) in found.items():
        for place, way in enumerate(ways):
            entry = (changed + (place > 0), begun + way)
            total = morae + count_morae(way)
            longer[total] = min(longer.get(total, entry), entry)
    return longer


class _Analyser(NamedTuple):
    dictionary: Any
    tokenizer: Any


@functools.cache
def _analyser() -> _Analyser | None:
    """The analyser with its small dictionary; `None` where either is not installed (extra `japanese`)."""
    try:
        from sudachipy import Dictionary

        dictionary = Dictionary(dict="small")
        return _Analyser(dictionary, dictionary.tokenizer())
    except ImportError:
        return None


def can_end_a_line(word: str) -> bool:
    """Whether a word can be made to end a written line: kana of the syllabary alone, and no っ."""
    return set(word) <= _WRITTEN - {"っ"}


@functools.lru_cache(maxsize=4)
def kana_wordstock(characters: frozenset[str], endings: tuple[tuple[str, str], ...]) -> Wordstock:
    """Kana as units: a syllable with what belongs to it, so that っ is followed by what it doubles and ん begins nothing.

    Args:
        characters: The kana at hand.
        endings: Words in kana that are units of their own, each with the rhyme group that it may end a line of.

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
    for word, _ in endings:
        # What such a word begins with may go on otherwise: はつ in はつこい is two kana, though はつゆき begins with it.
        for end in range(1, len(word) + 1):
            begun = word[:end]
            if begun[-1] != "っ" and begun not in units:
                units[begun] = Unit(count_morae(begun))
    for word, group in endings:
        units[word] = Unit(count_morae(word), group)
    return Wordstock({spelling: unit for spelling, unit in units.items() if characters.issuperset(spelling)})


def wordstock(characters: Collection[str], endings: Mapping[str, str]) -> Wordstock:
    """`kana_wordstock`, made once for a vocabulary.

    Args:
        characters: The characters at hand.
        endings: Words with their rhyme groups; those that cannot end a written line are left out.
    """
    kana = frozenset(characters) & _WRITTEN
    written = sorted((word, group) for word, group in endings.items() if can_end_a_line(word) and kana.issuperset(word))
    return kana_wordstock(kana, tuple(written))
