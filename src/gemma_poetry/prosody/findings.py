"""A scansion finds characters where they stand, faults, and a verdict.

In: the reading of a poem, by whichever scanner. Out: a `Scansion`, which records, mending and pages read.
"""

from __future__ import annotations

from dataclasses import dataclass

from gemma_poetry.languages import _
from gemma_poetry.prosody.lexicon import Reading
from gemma_poetry.prosody.rhyme_book import RhymeBook
from gemma_poetry.prosody.rhyme_books import PINGSHUI
from gemma_poetry.prosody.rules import Rule, Verdict

ONLY_READING = _("only reading")
"""The reason why a reading was taken that has no rival."""


@dataclass(frozen=True, slots=True)
class Place:
    """A character where it stands.

    Attributes:
        char: The character.
        tones: The tone classes that its readings give: `平`, `仄`, `平仄` (both), or empty for an unknown character.
        expected: What the form asks for here: `平`, `仄` or `中` (either).
        rhyme: The form's rhyme variable here, empty where none.
        taken: The reading taken; `None` where several stay possible, or none is known.
        reason: Why that reading was taken (`only reading`, `metre`, `rhyme`, or the word that decides it).
    """

    char: str
    tones: str
    expected: str
    rhyme: str = ""
    taken: Reading | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Fault:
    """A rule that is broken, or a licence that is made use of.

    Attributes:
        rule: The rule.
        line: The line, from 1.
        position: The character in the line, from 1; 0 for the whole line.
        expected: What the form asks for there: a tone, a rhyme group, a character.
        actual: What stands there instead.
    """

    rule: Rule
    line: int
    position: int
    expected: str
    actual: str


@dataclass(frozen=True, slots=True)
class Scansion:
    """What a scansion found.

    Attributes:
        form: The form (体裁 or 词牌) that the poem was read against.
        pattern: Which of its patterns (平起首句入韵 …, 又一体); empty where it has one only.
        lines: The lines.
        verdict: That of the best choice of readings.
        every_reading: Whether every choice of readings passes.
        rhyme_group: The group of the rhyme book, or the groups of a 词, that the poem rhymes in; empty where there is none.
        places: The characters where they stand, line by line.
        faults: The rules that are broken, in the order of the text.
        licences: The departures that the rules allow, in the order of the text.
        remarks: What else is worth knowing, one sentence each.
        book: The rhyme book that it was read by.
        passing_books: Of a poem that fails by it, where that was asked for: the books by which it passes.
        poems: How many poems the template of a tune was learned from; 0 where no template is.
    """

    form: str
    pattern: str
    lines: tuple[str, ...]
    verdict: Verdict
    every_reading: bool
    rhyme_group: str
    places: tuple[tuple[Place, ...], ...]
    faults: tuple[Fault, ...] = ()
    licences: tuple[Fault, ...] = ()
    remarks: tuple[str, ...] = ()
    book: RhymeBook = PINGSHUI
    passing_books: tuple[RhymeBook, ...] = ()
    poems: int = 0

    @property
    def unknown(self) -> tuple[tuple[int, int, str], ...]:
        """The characters without a known reading: line and position from 1, character."""
        return tuple(
            (line, position, place.char)
            for line, places in enumerate(self.places, 1)
            for position, place in enumerate(places, 1)
            if not place.tones
        )
