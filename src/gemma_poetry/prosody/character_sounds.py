"""The lexicon gives the sounds that a character may stand for, under one rhyme book and one view of polyphones (多音字).

In: the readings that usage leaves to a character, by itself (不 is 仄 inside a line), whatever traditional character it
may stand for: the same that scansion knows before neighbours narrow them further, so that a form that is kept here is
kept there. Out: `LexiconSounds`, which sorts an alphabet into classes, and the rhyme groups
that a person names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from gemma_poetry.errors import ConstraintError, nearest_names
from gemma_poetry.languages import _
from gemma_poetry.prosody.forms import Tone
from gemma_poetry.prosody.interpretation import heard_widened
from gemma_poetry.prosody.lexicon import Reading, readings
from gemma_poetry.prosody.rhyme import GROUP_CONTOURS, GROUPS, PART_NAMES
from gemma_poetry.prosody.yuan_rhyme import YUAN_GROUPS, yuan_readings

Book = Literal["groups", "parts", "yuan"]
"""`groups`: the 106 of 平水韵, for 诗; `parts`: the 19 of 词林正韵, for 词; `yuan`: the 19 of 中原音韵, for 曲."""

Polyphones = Literal["every", "any"]
"""`every`: the form holds whichever reading is taken; `any`: for some choice of readings."""


@dataclass(frozen=True, slots=True)
class LexiconSounds:
    """Sounds by the lexicon.

    Attributes:
        book: The rhyme book.
        polyphones: Whether all readings of a character must fit, or one.
    """

    book: Book
    polyphones: Polyphones

    def known(self, char: str) -> bool:
        """Whether the character has a reading at all."""
        return bool(readings(char))

    def tones(self, char: str, at_end: bool) -> frozenset[Tone]:
        """The tone classes that the character may stand for; none under `every` where its readings differ."""
        found = frozenset(reading.tone for reading in self._heard(char, at_end))
        return found if self.polyphones == "any" or len(found) == 1 else frozenset()

    def rhymes(self, char: str, tone: Tone | None) -> frozenset[str]:
        """The rhyme groups that the character may stand for at the end of a line, in a slot of this tone."""
        known = self._heard(char, True)
        fitting = [reading for reading in known if tone is None or reading.tone is tone]
        groups = frozenset(self.group(reading) for reading in fitting)
        if self.polyphones == "every" and (len(fitting) < len(known) or len(groups) > 1):
            return frozenset()
        return groups

    def given_rhymes(self, char: str, tone: Tone | None) -> frozenset[str]:
        """The same of a rhyme word that is given: it is read as the rhyme asks, also where it has other readings (回 疏 台)."""
        known = self._heard(char, True)
        return frozenset(self.group(reading) for reading in known if tone is None or reading.tone is tone)

    def _heard(self, char: str, at_end: bool) -> tuple[Reading, ...]:
        return self.taken(heard_widened(char, at_end).readings)

    def taken(self, known: tuple[Reading, ...]) -> tuple[Reading, ...]:
        """Readings of the 廣韻 as this book takes them."""
        return yuan_readings(known) if self.book == "yuan" else known

    def group(self, reading: Reading) -> str:
        """The rhyme group of a reading, by this book."""
        return PART_NAMES[reading.part] if self.book == "parts" else reading.group


def rhyme_group(name: str, book: Book) -> str:
    """The full name of a rhyme group that a person names.

    Args:
        name: `一东`, `东` (of equals the level one), or `第一部`, `一`, `1`.
        book: The rhyme book that the form goes by.

    Raises:
        ConstraintError: The book has no such group; the nearest names are offered.
    """
    known = {"groups": GROUPS, "parts": tuple(PART_NAMES.values()), "yuan": YUAN_GROUPS}[book]
    if name in known:
        return name
    if book == "groups":
        # The level groups stand first, so a bare head names a level group where it can.
        for group in known:
            if group.lstrip("一二三四五六七八九十") == name:
                return group
    elif book == "parts" and (number := re.fullmatch(r"第?(\d+|[一二三四五六七八九十]+)部?", name)):
        for part, part_name in PART_NAMES.items():
            if number[1] in (str(part), part_name[1:-1]):
                return part_name
    near = nearest_names(name, known)
    of_groups, of_parts = _("平水韵 has no group {name!r}", name=name), _("词林正韵 has no part {name!r}", name=name)
    of_yuan = _("中原音韵 has no group {name!r}", name=name)
    raise ConstraintError(
        {"groups": of_groups, "parts": of_parts, "yuan": of_yuan}[book],
        expected=" ".join(group for group in known if GROUP_CONTOURS.get(group, "平") == "平"),
        action=_("did you mean {near}?", near=" / ".join(near)) if near else _("choose a name of the list"),
    )
