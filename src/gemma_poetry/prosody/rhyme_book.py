"""The interface of a rhyme book (韵书): what scansion, verdicts and generation ask of it.

In: characters by themselves, or the lines of a poem. Out: readings, the rhyme of each, and the groups that a person names.
The books themselves are in `rhyme_books`.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from gemma_poetry.errors import ConstraintError, nearest_names
from gemma_poetry.languages import _
from gemma_poetry.prosody.forms import Tone
from gemma_poetry.prosody.interpretation import Heard
from gemma_poetry.prosody.lexicon import Reading
from gemma_poetry.prosody.rhyme import GROUP_CONTOURS

_DIGITS = "一二三四五六七八九十"
_NUMERAL = re.compile(rf"第?([{_DIGITS}]+)")

Hearing = list[list[Heard]]
"""The readings of every place, line by line."""


class RhymeBook(ABC):
    """What one book says of characters.

    Attributes:
        name: What `--book` calls it.
        title: Its Chinese name.
        rhymes: Its groups by name, the level ones first where tones have groups of their own.
        level_rhymes: Those in which level words rhyme.
        oblique_rhymes: Those in which oblique words rhyme.
        parts: The groups that 词 rhymes in, by the number that readings carry as `part`.
        stopped_parts: Those of the entering tone.
        mixed_parts: For a part those that Song poets took together with it in 词.
        mixed_words: The parts in which they rhymed single words besides their own.
        modern: Whether it reads characters as Mandarin does; a word then settles the rhyme of a character too.
        numbered: Whether the number of a group names it.
    """

    name: str
    title: str
    rhymes: tuple[str, ...]
    level_rhymes: tuple[str, ...]
    oblique_rhymes: tuple[str, ...]
    parts: Mapping[int, str]
    stopped_parts: frozenset[int] = frozenset()
    mixed_parts: Mapping[int, frozenset[int]] = {}
    mixed_words: Mapping[str, frozenset[int]] = {}
    modern: bool = False
    numbered: bool = True

    def __repr__(self) -> str:
        return f"<{self.title}>"

    def __reduce__(self) -> str:
        # A book is pickled as the constant that it is.
        return self.name.upper()

    @abstractmethod
    def readings(self, char: str) -> tuple[Reading, ...]:
        """Every reading of a character; empty for an unknown one."""

    @abstractmethod
    def heard(self, char: str, at_end: bool) -> Heard:
        """A character of any text, by itself, for all that it may stand for in some company."""

    @abstractmethod
    def rhyme(self, reading: Reading) -> str:
        """The name of the group of a reading."""

    def toned_rhyme(self, reading: Reading) -> str:
        """The name of the group of a reading, with its tone class where groups hold all tones (第三部仄)."""
        rhyme = self.rhyme(reading)
        return rhyme if rhyme in GROUP_CONTOURS or reading.contour == "入" else rhyme + reading.tone.value

    @property
    def mixes_tones(self) -> bool:
        """Whether a group holds level and oblique words, so that it does not tell the tone of a rhyme."""
        return not set(self.level_rhymes).isdisjoint(self.oblique_rhymes)

    def rhymes_in(self, tone: Tone) -> tuple[str, ...]:
        """The groups in which words of a tone rhyme."""
        return self.level_rhymes if tone is Tone.LEVEL else self.oblique_rhymes

    def neighbours(self, rhyme: str) -> frozenset[str]:
        """The groups of the same tone that a first line may rhyme in besides (邻韵)."""
        return frozenset()

    @abstractmethod
    def converted(self, lines: Sequence[str]) -> Sequence[str]:
        """The lines in the script of the book's readings."""

    @abstractmethod
    def heard_at_word(self, char: str, at_end: bool) -> Heard:
        """A character of converted lines, by itself."""

    @abstractmethod
    def settled(self, line: str) -> list[tuple[int, Heard]]:
        """The characters of a converted line that a word settles: index from 0, and what the word leaves of them."""

    @abstractmethod
    def tones_by_words(self, line: str) -> Mapping[int, Tone]:
        """The tones that words in a line settle or make likely, of characters that have both: by index, from 0.

        Args:
            line: The line; what is no character of it yet may be □.
        """

    def other_places(self, lines: Sequence[str], converted: Sequence[str]) -> list[tuple[int, int, Heard]]:
        """The places where another traditional form can be meant too; see `interpretation.other_places`."""
        return []

    @abstractmethod
    def interpret(self, lines: Sequence[str], widened: bool = False) -> Hearing:
        """The readings of every place; widened: with those of every traditional form that can be meant there."""

    def every_reading(self, lines: Sequence[str]) -> Hearing:
        """The readings of every place without what usage settles; what a modern word settles stays settled."""
        return self.interpret(lines)

    def find(self, wish: str) -> str:
        """The full name of a group that a person names: `一东`, `东` (of equals the level one), `第一部`, `一`, `1`.

        Raises:
            ConstraintError: The book has no such group; the nearest names are offered.
        """
        if wish in self.rhymes:
            return wish
        numeral = re.fullmatch(rf"第?(\d+|[{_DIGITS}]+)部?", wish)
        for number, name in enumerate(self.rhymes, 1):
            # The level groups of 平水韵 stand first, so a bare head names a level group where it can; its numbers name many.
            own = _NUMERAL.match(name)
            if name.lstrip(_DIGITS) == wish or (numeral and own and self.numbered and numeral[1] in (str(number), own[1])):
                return name
        near = nearest_names(wish, self.rhymes)
        raise ConstraintError(
            _("{title} has no group {wish!r}", title=self.title, wish=wish),
            expected=" ".join(self.rhymes if self.numbered else self.level_rhymes),
            action=_("did you mean {near}?", near=" / ".join(near)) if near else _("choose a name of the list"),
        )
