"""An alphabet sorts the characters at hand into classes that no slot can tell apart.

In: characters and what they sound like. Out: an `Alphabet`: some hundred classes for 8,000 characters, because to a form
two characters of the same tones and rhyme groups are one.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from gemma_poetry.prosody.forms import COMMA, FULL_STOP, Tone

MARKS = COMMA + FULL_STOP
"""The closing marks; they stand only where a form has them."""


class Sounds(Protocol):
    """What characters sound like, under one rhyme book and one way to treat characters of several readings."""

    def known(self, char: str) -> bool:
        """Whether the character has a reading at all."""

    def tones(self, char: str, at_end: bool) -> frozenset[Tone]:
        """The tone classes that the character may stand for, at the end of a line or inside it."""

    def rhymes(self, char: str, tone: Tone | None) -> frozenset[str]:
        """The rhyme groups that the character may stand for at the end of a line, in a slot of this tone."""

    def given_rhymes(self, char: str, tone: Tone | None) -> frozenset[str]:
        """The same of a rhyme word that is given: the rhyme decides how it is read."""


@dataclass(frozen=True, slots=True)
class CharacterClass:
    """What all characters of one class have in common.

    Attributes:
        free: Whether they may stand where no character is fixed.
        tones: The tone classes they may stand for inside a line.
        end_tones: Those at the end of a line.
        rhymes: The rhyme groups they may stand for, by the tone of the slot.
        char: The one character of the class, where the class was made for a fixed character.
    """

    free: bool
    tones: frozenset[Tone]
    end_tones: frozenset[Tone]
    rhymes: tuple[tuple[Tone | None, frozenset[str]], ...]
    char: str | None = None

    def groups(self, tone: Tone | None) -> frozenset[str]:
        """The rhyme groups at a slot of this tone."""
        return dict(self.rhymes)[tone]


_TONES: tuple[Tone | None, ...] = (None, Tone.LEVEL, Tone.OBLIQUE)
_SILENT = tuple((tone, frozenset[str]()) for tone in _TONES)


class Alphabet:
    """Characters sorted into classes that no slot can tell apart.

    Args:
        characters: The characters that can be written, closing marks among them.
        sounds: Their sounds; `None` where no form asks for tones or rhymes.
        charset: Characters that may stand in slots without a fixed character; `None`: all that are no mark.
    """

    def __init__(
        self,
        characters: Sequence[str],
        sounds: Sounds | None = None,
        charset: Collection[str] | None = None,
    ) -> None:
        self.characters = tuple(characters)
        self.sounds = sounds
        wanted = None if charset is None else frozenset(charset)
        numbers: dict[CharacterClass, int] = {}
        of_character = np.empty(len(self.characters), dtype=np.int32)
        for index, char in enumerate(self.characters):
            free = char not in MARKS and (wanted is None or char in wanted)
            described = self._describe(char, free)
            of_character[index] = numbers.setdefault(described, len(numbers))
        self.classes: tuple[CharacterClass, ...] = tuple(numbers)
        self.of_character: npt.NDArray[np.int32] = of_character
        self.index_of: dict[str, int] = {char: index for index, char in enumerate(self.characters)}

    def _describe(self, char: str, free: bool) -> CharacterClass:
        sounds = self.sounds
        if sounds is None or not sounds.known(char):
            # A character without a reading cannot be judged, so a poem whose tones matter does without it.
            return CharacterClass(free and sounds is None, frozenset(), frozenset(), _SILENT)
        rhymes = tuple((tone, sounds.rhymes(char, tone)) for tone in _TONES)
        return CharacterClass(free, sounds.tones(char, False), sounds.tones(char, True), rhymes)
