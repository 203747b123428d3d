"""Variants (又一体) of a tune, and how its lines and stanzas lie.

In: a `Form`, the number of its poems and the share of level tones in each place. Out: a `TuneVariant` that says which poems fit
it, what it requires and how well it is attested; where lines and stanzas (片) end.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import Enum

from gemma_poetry.languages import _
from gemma_poetry.prosody.forms import FULL_STOP, Form, Slot, Tone

MIN_FIXED_PERCENT = 98
"""A place is fixed where so many in a hundred poems have its tone, else usual: of the places that 90 to 97 keep the handbook
of 1715 leaves a third free, of those that 98 keep 15 in a hundred, of those that all keep five."""
SOLID_POEMS = 8
"""So many poems attest a variant by themselves."""
_NEAR_CHARACTERS = 0.1
_NEAR_LINES = 0.6


class Tier(str, Enum):
    """How well a template is attested."""

    SOLID = "solid"
    """By at least `SOLID_POEMS` poems."""
    THIN = "thin"
    """By a few poems: what they leave open is told by what is usual in places like these (`tune_places`)."""
    SINGLE = "single"
    """By one poem."""


def poems_text(poems: int) -> str:
    """`1 poem`, `3 poems`."""
    counted = f"{poems:,}"
    return _("1 poem") if poems == 1 else _("{poems} poems", poems=counted)


def tier_of(poems: int) -> Tier:
    """How well so many poems attest a template."""
    if poems >= SOLID_POEMS:
        return Tier.SOLID
    return Tier.THIN if poems > 1 else Tier.SINGLE


@dataclass(frozen=True)
class TuneVariant:
    """One variant (体) of a tune.

    Attributes:
        form: Its slots, marks and echoes; `form.pattern` tells variants apart (`44字平仄换韵`).
        poems: How many poems it was induced from.
        level_shares: Percent of poems that have a level tone, for each slot (poems whose character there may be both
            left out), of a variant of few poems the percentage to expect; -1 where no poem could tell.
        usual_rhymes: The lines, from 1, whose rhyme most poems keep and not all: whoever does not has a licence.
    """

    form: Form
    poems: int
    level_shares: tuple[tuple[int, ...], ...]
    usual_rhymes: tuple[int, ...] = ()

    @property
    def tier(self) -> Tier:
        """How well it is attested."""
        return tier_of(self.poems)

    @functools.cached_property
    def characters(self) -> int:
        """The number of characters."""
        return sum(self.form.line_lengths)

    @functools.cached_property
    def slots(self) -> tuple[Slot, ...]:
        """Its slots, one behind the other."""
        return tuple(slot for line in self.form.lines for slot in line)

    @functools.cached_property
    def rhyme_ends(self) -> frozenset[int]:
        """Where rhymes stand, as 0-based places in the running characters."""
        return frozenset(end for end, slots in zip(line_ends(self.form.line_lengths), self.form.lines) if slots[-1].rhyme)

    @functools.cached_property
    def usual_rhyme_ends(self) -> frozenset[int]:
        """Where rhymes stand that most poems keep and not all."""
        ends = line_ends(self.form.line_lengths)
        return frozenset(ends[line - 1] for line in self.usual_rhymes)

    def fits(self, lengths: Sequence[int]) -> bool:
        """Whether a poem with such line lengths can be laid over the variant character by character.

        It needs as many characters, and a line end wherever the variant rhymes: editors divide the sentence between
        two rhymes in different ways (水调歌头: 4+7 or 6+5).
        """
        return sum(lengths) == self.characters and self.rhyme_ends <= set(line_ends(lengths))

    def is_near(self, lengths: Sequence[int]) -> bool:
        """Whether a poem with such line lengths may be meant for the variant: about as long, and most lines alike."""
        return are_near(lengths, self.form.line_lengths)

    def is_fixed(self, slot: Slot, level_share: int) -> bool:
        """Whether a slot's tone is asked for, and not merely usual."""
        if slot.rhyme or level_share < 0:
            return True
        return (level_share if slot.tone is Tone.LEVEL else 100 - level_share) >= MIN_FIXED_PERCENT


SHORTEST_TWOFOLD = 36
"""Characters of the shortest tunes of two stanzas (双调), 长相思 and 相见欢."""

_STANZAS = {"调笑令": (), "兰陵王": (10, 18)}
"""Tunes whose stanzas lines do not tell, of one (单调) and of three (三叠), and the lines that end the earlier stanzas."""


def stanza_ends(tune: str, lengths: Sequence[int], marks: str) -> tuple[int, ...]:
    """The lines (from 1) after which a new stanza (片) begins; none for a tune of one stanza.

    Two stanzas are about as long as each other, and mostly end alike (换头 changes their beginnings): the break stands
    behind the full stop where the characters of equal lines at both ends, less the difference in length, are most.

    Args:
        tune: The name of the tune.
        lengths: Characters of each line.
        marks: One closing mark a line.
    """
    if tune in _STANZAS:
        return tuple(end for end in _STANZAS[tune] if end < len(lengths))
    total = sum(lengths)
    if total < SHORTEST_TWOFOLD:
        return ()

    def alike(end: int) -> int:
        equal = itertools.takewhile(
            lambda pair: pair[0] == pair[1],
            zip(zip(lengths[:end][::-1], marks[:end][::-1]), zip(lengths[end:][::-1], marks[end:][::-1])),
        )
        return sum(length for (length, _), _ in equal)

    stops = [end for end in range(1, len(lengths)) if marks[end - 1] == FULL_STOP]
    best = max(stops, key=lambda end: alike(end) - abs(total - 2 * sum(lengths[:end])), default=None)
    return () if best is None else (best,)


def are_near(lengths: Sequence[int], usual: Sequence[int]) -> bool:
    """Whether lines may be meant for others: about as many characters, and most lines alike."""
    if abs(sum(lengths) - sum(usual)) > _NEAR_CHARACTERS * sum(usual):
        return False
    return SequenceMatcher(a=lengths, b=usual, autojunk=False).ratio() >= _NEAR_LINES


def line_ends(lengths: Iterable[int]) -> list[int]:
    """The last place of each line, 0-based in the running characters."""
    return [total - 1 for total in itertools.accumulate(lengths)]
