"""What the lines of a text look and sound like as verse, before anybody knows what they are.

In: a row of text, or lines. Out: its lines (句); whether they have the shape of a 诗, fill a tune, rhyme with each other.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Iterable, Sequence

from gemma_poetry.prosody.characters import HAN
from gemma_poetry.prosody.lexicon import readings
from gemma_poetry.prosody.tune_variants import line_ends
from gemma_poetry.prosody.tunes import shipped_tunes

QUATRAIN = 4
"""Lines of the shortest poem."""
NOTE = re.compile(r"[（(][^（）()]*[）)]|[\[［][0-9]{1,3}[\]］]|[①-⑳]")
_BREAK = re.compile(r"[，。？！；：,.?!;:｡．\s]+")
_NO_TEXT = re.compile(r"[《》「」『』“”‘’\"'、·\u200b\ufeff]")
_LONGEST_TUNE = 80


def verse_lines(text: str) -> tuple[str, ...]:
    """The lines of a text by its marks and white space, notes and quotation marks left out."""
    return tuple(line for line in _BREAK.split(_NO_TEXT.sub("", NOTE.sub("", text))) if line)


def is_even_verse(lines: Sequence[str]) -> bool:
    """Whether lines have the shape of a 诗: an even number from four on, of one length between four and seven."""
    return len(lines) >= QUATRAIN and len(lines) % 2 == 0 and len(set(map(len, lines))) == 1 and 4 <= len(lines[0]) <= 7


def fits_a_tune(lines: Sequence[str]) -> bool:
    """Whether lines fill a tune whose lines are of different lengths."""
    uneven = len(lines) % 2 or len(set(map(len, lines))) > 1
    return bool(uneven) and len(lines) <= _LONGEST_TUNE and _fits_a_tune(tuple(map(len, lines)))


def rhyme_together(ends: Iterable[str], spared: int = 0) -> bool:
    """Whether lines end in one rhyme, all but so many of them."""
    heard = [sounds(end) for end in ends]
    counts = Counter(sound for own in heard for sound in own)
    return max(counts.values(), default=0) >= len(heard) - spared


def sounds(line: str) -> frozenset[str]:
    """What the end of a line rhymes with: 平水韵 groups, and 词林正韵 parts by tone class."""
    return _end_sounds(next((char for char in reversed(line) if re.match(f"[{HAN}]", char)), ""))


@functools.cache
def _end_sounds(char: str) -> frozenset[str]:
    found = readings(char) if char else ()
    return frozenset(name for one in found for name in (one.group, f"{one.part}{one.tone.value}"))


@functools.cache
def _tune_shapes() -> dict[int, list[frozenset[int]]]:
    """For each number of characters, where the tunes of this length rhyme."""
    shapes: dict[int, list[frozenset[int]]] = {}
    for tune in shipped_tunes().judged.values():
        for variant in tune.solid:
            if len(set(variant.form.line_lengths)) > 1 or len(variant.form.lines) % 2:
                shapes.setdefault(variant.characters, []).append(variant.rhyme_ends)
    return shapes


@functools.lru_cache(maxsize=4096)
def _fits_a_tune(lengths: tuple[int, ...]) -> bool:
    ends = set(line_ends(lengths))
    return any(rhymes <= ends for rhymes in _tune_shapes().get(sum(lengths), ()))
