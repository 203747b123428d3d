"""Verse without pause marks: which rows of a block are lines, which are headings.

In: the rows of a block that has no marks. Out: for each row whether it is a heading (title, author); or an `UntoldError` where
rows of different lengths are neither verse of one length under a heading nor fill a tune.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise

from gemma_poetry.corpus.stanzas import UntoldError
from gemma_poetry.corpus.tune_names import split_tune
from gemma_poetry.corpus.verse_shapes import fits_a_tune, is_even_verse, rhyme_together
from gemma_poetry.languages import _
from gemma_poetry.prosody.tunes import find_tune

MAX_HEADING_ROWS = 3
"""More rows than these above a poem are no heading."""

_LONGEST_NAME = 4


def unmarked_headings(block: Sequence[str], number: int, usual: Mapping[int, int]) -> list[bool]:
    """Which rows of a block are headings, in a text without any marks.

    Args:
        block: The rows.
        number: The number of the first of them in the file.
        usual: How often lines of each length occur in the file.

    Raises:
        UntoldError: No choice of headings leaves verse.
    """
    lines = _lines(block)
    own = Counter(map(len, lines))
    length = max(own, key=lambda size: (own[size], usual[size]))
    verse = [all(len(token) == length for token in row.split()) for row in block]
    counts = [len(row.split()) for row in block]
    if max(counts) >= 4 and all(count >= 4 or (count <= 2 and len(row) < 16) for count, row in zip(counts, block)):
        return [count < 4 for count in counts]
    if len(block) == 1:
        return [len(lines) <= 2 and max(map(len, lines)) < 16]
    if is_even_verse(lines):
        return [False] * len(block)
    if len(block) == 2 and len(set(map(len, lines))) > 1 and max(len(row) for row in block) < 16:
        # A title over a name, or two uneven lines.
        return [len(block[1]) <= 4] * 2
    tops = (0, 1, 2) if len(block) > 2 and len(block[1]) <= _LONGEST_NAME else (0, 1)
    fitting = []
    for heading in tops:
        rest = _lines(block[heading:])
        if fits_a_tune(rest) or is_even_verse(rest):
            fitting.append(heading)
    if 1 in fitting and find_tune(split_tune(block[0])[0]):
        fitting = [1]
    if len(fitting) == 1:
        return [index < fitting[0] for index in range(len(block))]
    runs = _runs(verse)
    bodies = [_lines([block[index] for index in run]) for run in runs if verse[run[0]]]
    heads = [run for run in runs if not verse[run[0]]]
    # Titles between poems of one block: each poem rhymes, and none with the next.
    if (
        len(bodies) == len(heads)
        and all(len(run) < MAX_HEADING_ROWS and (len(run) == 1 or len(block[run[1]]) <= _LONGEST_NAME) for run in heads)
        and all(is_even_verse(body) and rhyme_together(body[1::2], spared=len(body) // 8) for body in bodies)
        and not any(rhyme_together((first[-1], second[-1])) for first, second in pairwise(bodies))
    ):
        return [not own for own in verse]
    if len(block) <= MAX_HEADING_ROWS and len(lines) == len(block) and sum(verse) == 2 and verse[-1]:
        # A title over two lines.
        return [not own for own in verse]
    if not fitting and find_tune(split_tune(block[0])[0]):
        return [True] + [False] * (len(block) - 1)
    if len(block) > MAX_HEADING_ROWS:
        raise UntoldError(
            number,
            _("{count} rows without pause marks and of different lengths", count=len(block)),
            _("part lines by ， and 。, and poems by a blank row and a title"),
        )
    return [False] * len(block)


def headings_over_unmarked(block: Sequence[str]) -> list[bool]:
    """Which rows of a block without marks, in a text that has them elsewhere, are headings over verse; none: it is no verse."""
    for heading in range(min(len(block), MAX_HEADING_ROWS)):
        lines = _lines(block[heading:])
        if is_even_verse(lines) or (len(lines) == 2 and len({*map(len, lines)}) == 1 and len(lines[0]) in (5, 7)):
            return [index < heading for index in range(len(block))]
    return []


def _lines(rows: Sequence[str]) -> list[str]:
    return [token for row in rows for token in row.split()]


def _runs(flags: Sequence[bool]) -> list[list[int]]:
    runs: list[list[int]] = []
    for index, flag in enumerate(flags):
        if not runs or flags[runs[-1][0]] != flag:
            runs.append([])
        runs[-1].append(index)
    return runs
