"""A rhyme book gives the sounds that a character may stand for, under one view of polyphones (多音字).

In: the readings that the book leaves to a character, by itself (不 is 仄 inside a line), whatever traditional character it
may stand for: the same that scansion knows before neighbours narrow them further, so that a form that is kept here is
kept there. Out: `BookSounds`, which sorts an alphabet into classes.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Literal

from gemma_poetry.prosody.forms import Tone
from gemma_poetry.prosody.lexicon import Reading
from gemma_poetry.prosody.rhyme_book import RhymeBook

Polyphones = Literal["every", "any"]
"""`every`: the form holds whichever reading is taken; `any`: for some choice of readings."""


@dataclass(frozen=True, slots=True)
class BookSounds:
    """Sounds by a rhyme book.

    Attributes:
        book: The rhyme book.
        polyphones: Whether all readings of a character must fit, or one.
    """

    book: RhymeBook
    polyphones: Polyphones

    def known(self, char: str) -> bool:
        """Whether the character has a reading at all."""
        return bool(self.book.readings(char))

    def tones(self, char: str, at_end: bool) -> frozenset[Tone]:
        """The tone classes that the character may stand for; none under `every` where its readings differ."""
        found = frozenset(reading.tone for reading in self.book.heard(char, at_end).readings)
        return found if self.polyphones == "any" or len(found) == 1 else frozenset()

    def rhymes(self, char: str, tone: Tone | None) -> frozenset[str]:
        """The rhyme groups that the character may stand for at the end of a line, in a slot of this tone."""
        known = self.book.heard(char, True).readings
        return _fitting(tuple([(one.tone, self.group(one)) for one in known]), tone, self.polyphones)

    def given_rhymes(self, char: str, tone: Tone | None) -> frozenset[str]:
        """The same of a rhyme word that is given: it is read as the rhyme asks, also where it has other readings (回 疏 台)."""
        known = self.book.heard(char, True).readings
        return frozenset(self.group(reading) for reading in known if tone is None or reading.tone is tone)

    def group(self, reading: Reading) -> str:
        """The rhyme group of a reading, by this book."""
        return self.book.rhyme(reading)


@functools.lru_cache(maxsize=16384)
def _fitting(known: tuple[tuple[Tone, str], ...], tone: Tone | None, polyphones: Polyphones) -> frozenset[str]:
    """The groups of readings, each a tone and a group, that stand for a tone."""
    fitting = [own for own in known if tone is None or own[0] is tone]
    groups = frozenset(group for _, group in fitting)
    if polyphones == "every" and (len(fitting) < len(known) or len(groups) > 1):
        return frozenset()
    return groups
