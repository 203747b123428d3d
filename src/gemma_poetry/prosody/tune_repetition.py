"""What the poems of a tune repeat: whole lines or their ends (叠句), also backwards, and characters inside a line (叠字).

In: poems of one pattern. Out: what nearly all of them repeat, as a `Form` has it; slots that ask for the same where they
repeat each other.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import NamedTuple

from gemma_poetry.prosody.forms import Slot
from gemma_poetry.prosody.tune_grouping import PoemGroup

_ECHO_SHARE = 0.9
_REPEAT_SHARE = 0.98
_MIN_TURNED = 2
"""A line that one poem turns round is a writer's play (回文)."""
_FAR_CHARACTERS = 3
"""In few poems a line repeats the end of another than the last only if it is as long: two characters come again by chance."""
_FEW_POEMS = 8
_MIN_POEMS = 5
"""In fewer poems a character that comes again is the writer's own figure, unless it fills its line (莫莫莫)."""
_FILLED = 3


class Repetitions(NamedTuple):
    """What poems repeat: the fields of `Form` that are called so."""

    echoes: tuple[tuple[int, int], ...]
    repeats: tuple[tuple[int, int, int], ...]
    turns: tuple[tuple[int, int], ...]


def repetitions(group: PoemGroup) -> Repetitions:
    """What nearly all poems of a group repeat."""
    echoed = _echoes(group)
    turned = _turns(group, {line for line, _earlier in echoed})
    return Repetitions(echoed, _repeats(group, {line for line, _earlier in (*echoed, *turned)}), turned)


def _echoes(group: PoemGroup) -> tuple[tuple[int, int], ...]:
    """The lines of at least two characters that repeat the end of an earlier line in nearly all poems."""
    poems = [poem.lines for poem in group.poems if poem.lengths == group.division]
    found = []
    for second, length in enumerate(group.division):
        for first in range(second):
            near = first == second - 1 or length >= _FAR_CHARACTERS or len(group) >= _FEW_POEMS
            same = sum(lines[first].endswith(lines[second]) for lines in poems)
            if 2 <= length <= group.division[first] and near and same >= _ECHO_SHARE * len(poems):
                found.append((second + 1, first + 1))
                break
    return tuple(found)


def _turns(group: PoemGroup, repeating: Collection[int]) -> tuple[tuple[int, int], ...]:
    """The lines of at least two characters that say the end of the line before backwards in nearly all poems (路迷，迷路)."""
    poems = [poem.lines for poem in group.poems if poem.lengths == group.division]
    if len(poems) < _MIN_TURNED:
        return ()
    found = []
    for number, (before, length) in enumerate(zip(group.division, group.division[1:]), 1):
        same = sum(lines[number - 1].endswith(lines[number][::-1]) for lines in poems)
        if 2 <= length <= before and number + 1 not in repeating and same >= _ECHO_SHARE * len(poems):
            found.append((number + 1, number))
    return tuple(found)


def _repeats(group: PoemGroup, repeating: Collection[int]) -> tuple[tuple[int, int, int], ...]:
    """The characters that nearly all poems say twice in a row: line, position, the position before.

    Lines that repeat another whole are left out: they repeat its characters with it.
    """
    poems = [poem.lines for poem in group.poems if poem.lengths == group.division]
    found = []
    for number, length in enumerate(group.division, 1):
        own = [lines[number - 1] for lines in poems]
        filled = length >= _FILLED and all(len(set(line)) == 1 for line in own)
        if number in repeating or not (filled or len(poems) >= _MIN_POEMS):
            continue
        for position in range(2, length + 1):
            if sum(line[position - 1] == line[position - 2] for line in own) >= _REPEAT_SHARE * len(own):
                found.append((number, position, position - 1))
    return tuple(found)


def unite_repeats(slots: list[list[Slot]], shares: list[list[int]], repeated: Sequence[tuple[int, int, int]]) -> None:
    """Makes characters that repeat each other ask for one tone: that of the last, which may be a rhyme."""
    for line, position, earlier in reversed(repeated):
        row, levels = slots[line - 1], shares[line - 1]
        row[earlier - 1] = replace(row[earlier - 1], tone=row[position - 1].tone)
        levels[earlier - 1] = levels[position - 1]
