"""What a 词 listens to: the tone class and the 词林正韵 part that a character may stand for.

In: a character. Out: every `Sound` that one of its readings gives it; none for an unknown character.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

from gemma_poetry.prosody.forms import Tone
from gemma_poetry.prosody.lexicon import readings


class Sound(NamedTuple):
    """One way to sing a character; two that are equal rhyme.

    Attributes:
        part: Its 词林正韵 part: 1 to 14 hold 平 and 仄 rhymes, 15 to 19 are 入声.
        tone: 平 or 仄. 上 and 去 rhyme together, and 入 has parts of its own, so that no more need be told apart.
    """

    part: int
    tone: Tone


@functools.cache
def sounds(char: str) -> frozenset[Sound]:
    """Every sound of a character; empty if it has no known reading."""
    return frozenset(Sound(reading.part, reading.tone) for reading in readings(char))
