"""A 词 listens to the tone class and the 词林正韵 part that a character may stand for.

In: a poem, or the readings of a character. Out: every `Sound` that one of the readings gives; none for an unknown
character.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

from gemma_poetry.prosody.forms import Tone
from gemma_poetry.prosody.lexicon import Reading


class Sound(NamedTuple):
    """One way to sing a character; two that are equal rhyme.

    Attributes:
        part: Its 词林正韵 part: 1 to 14 hold 平 and 仄 rhymes, 15 to 19 are 入声.
        tone: 平 or 仄. 上 and 去 rhyme together, and 入 has parts of its own, so that no more need be told apart.
    """

    part: int
    tone: Tone


Sounds = frozenset[Sound]


@functools.cache
def sounds_of(readings: tuple[Reading, ...]) -> Sounds:
    """The sounds of a character with these readings."""
    return frozenset(Sound(reading.part, reading.tone) for reading in readings)


@functools.cache
def tones_of(sounds: Sounds) -> frozenset[Tone]:
    """The tone classes among sounds."""
    return frozenset(sound.tone for sound in sounds)


@functools.cache
def parts_of(sounds: Sounds, tone: Tone | None = None) -> frozenset[int]:
    """The parts among sounds, of one tone class where one is given."""
    return frozenset(sound.part for sound in sounds if tone in (None, sound.tone))
