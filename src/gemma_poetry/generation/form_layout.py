"""A form is laid out as one row of cells: its slots in the order of the text, closing marks between them.

In: a `Form`. Out: its `Cell`s. A line that repeats an earlier one (叠句), forwards or backwards, or a character that comes
again (叠字), and what they repeat, are made to ask for the same.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from gemma_poetry.errors import ConstraintError
from gemma_poetry.languages import _
from gemma_poetry.prosody.forms import Form, Slot


@dataclass(frozen=True, slots=True)
class Cell:
    """One place of the running text.

    Attributes:
        slot: What stands here; a closing mark is a slot with a fixed character.
        line: The line, from 1.
        position: The character in the line, from 1; 0 for the closing mark.
        last: Whether it ends its line.
        taken: Characters that may not stand here (rhyme words that are fixed elsewhere).
        again: Whether the character comes again at an end, or from an end within, where it must sound right too.
        echo: How many places back the character stands that this one repeats (叠句, 重字); 0: it repeats none.
    """

    slot: Slot
    line: int
    position: int
    last: bool = False
    taken: frozenset[str] = frozenset()
    again: bool = False
    echo: int = 0


def flatten(form: Form) -> tuple[Cell, ...]:
    """The cells of a form's running text, closing marks included.

    Raises:
        ConstraintError: A line and the line that it repeats ask for different things.
    """
    lines, back = unite_echoes(form)
    back |= {(line, position): position - earlier for line, position, earlier in form.repeats}
    again = _unite_repeats(lines, form)
    for late, earlier in form.turns:
        # What ends one of the two stands within the other.
        width = len(lines[earlier - 1])
        again |= {(earlier, width), (earlier, width + 1 - len(lines[late - 1]))}
    fixed: dict[str, set[str]] = {}
    for slots in lines:
        for slot in slots:
            if slot.rhyme and slot.char:
                fixed.setdefault(slot.rhyme, set()).add(slot.char)
    cells: list[Cell] = []
    for line, (slots, mark) in enumerate(zip(lines, form.marks), 1):
        for position, slot in enumerate(slots, 1):
            echo = back.get((line, position), 0)
            taken = frozenset(fixed.get(slot.rhyme, ())) if slot.rhyme and not slot.char and not echo else frozenset()
            cells.append(Cell(slot, line, position, position == len(slots), taken, (line, position) in again, echo))
        cells.append(Cell(Slot(char=mark), line, 0))
    return tuple(cells)


def unite_echoes(form: Form) -> tuple[list[list[Slot]], dict[tuple[int, int], int]]:
    """The slots of a form, those of a line that repeats another, forwards or backwards, and of what it repeats made equal.

    Returns:
        The slots, and for each place (line, position) of such a line how far back in the running text its character stands.
    """
    lines = [list(slots) for slots in form.lines]
    begins = list(itertools.accumulate((len(slots) + 1 for slots in lines[:-1]), initial=0))
    back: dict[tuple[int, int], int] = {}
    for (line, position), (earlier, other) in form.returned_places():
        late, early = lines[line - 1], lines[earlier - 1]
        early[other - 1], late[position - 1] = _meet(early[other - 1], late[position - 1], earlier, line)
        back[line, position] = begins[line - 1] + position - begins[earlier - 1] - other
    return lines, back


def _unite_repeats(lines: list[list[Slot]], form: Form) -> set[tuple[int, int]]:
    """Makes characters ask for what those ask that repeat them; returns those that the end of a line repeats."""
    at_end: set[tuple[int, int]] = set()
    for line, position, earlier in reversed(form.repeats):
        slots = lines[line - 1]
        slots[earlier - 1], slots[position - 1] = _meet(slots[earlier - 1], slots[position - 1], line, line)
        if position == len(slots) or (line, position) in at_end:
            at_end.add((line, earlier))
    return at_end


def _meet(early: Slot, late: Slot, earlier: int, line: int) -> tuple[Slot, Slot]:
    tones = {slot.tone for slot in (early, late)} - {None}
    chars = {slot.char for slot in (early, late)} - {None}
    if len(tones) > 1 or len(chars) > 1 or (early.rhyme and late.rhyme and early.rhyme != late.rhyme):
        of_lines = _(
            "line {line} repeats line {earlier}, but other characters or tones are asked of them", line=line, earlier=earlier
        )
        of_characters = _(
            "a character comes again in line {line}, but other characters or tones are asked of its places", line=line
        )
        raise ConstraintError(of_characters if line == earlier else of_lines)
    tone, char = next(iter(tones), None), next(iter(chars), None)
    return Slot(tone, early.rhyme or late.rhyme, char), Slot(tone, late.rhyme, char)
