"""A form is laid out as one row of cells: its slots in the order of the text, closing marks between them.

In: a `Form`. Out: its `Cell`s. A line that repeats an earlier one (叠句) or a character that comes again (叠字), and what they
repeat, are made to ask for the same.
"""

from __future__ import annotations

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
        again_last: Whether the character comes again at the end of the line, so that it must sound right there too.
        echo: How many places back the character stands that this one repeats (叠句, 重字); 0: it repeats none.
    """

    slot: Slot
    line: int
    position: int
    last: bool = False
    taken: frozenset[str] = frozenset()
    again_last: bool = False
    echo: int = 0


def flatten(form: Form) -> tuple[Cell, ...]:
    """The cells of a form's running text, closing marks included.

    Raises:
        ConstraintError: A line and the line that it repeats ask for different things.
    """
    lines, echoes = unite_echoes(form)
    again = {(line, position): position - earlier for line, position, earlier in form.repeats}
    at_end = _unite_repeats(lines, form)
    fixed: dict[str, set[str]] = {}
    for slots in lines:
        for slot in slots:
            if slot.rhyme and slot.char:
                fixed.setdefault(slot.rhyme, set()).add(slot.char)
    cells: list[Cell] = []
    for line, (slots, mark) in enumerate(zip(lines, form.marks), 1):
        for position, slot in enumerate(slots, 1):
            echo = echoes.get(line, 0) or again.get((line, position), 0)
            taken = frozenset(fixed.get(slot.rhyme, ())) if slot.rhyme and not slot.char and not echo else frozenset()
            cells.append(Cell(slot, line, position, position == len(slots), taken, (line, position) in at_end, echo))
        cells.append(Cell(Slot(char=mark), line, 0))
    return tuple(cells)


def unite_echoes(form: Form) -> tuple[list[list[Slot]], dict[int, int]]:
    """The slots of a form, those of a repeating line and of what it repeats made equal, and how far each goes back."""
    lines = [list(slots) for slots in form.lines]
    begins, begin = [], 0
    for slots in lines:
        begins.append(begin)
        begin += len(slots) + 1
    echoes: dict[int, int] = {}
    for line, earlier in form.echoes:
        late, early = lines[line - 1], lines[earlier - 1]
        shift = len(early) - len(late)
        echoes[line] = begins[line - 1] - begins[earlier - 1] - shift
        for position, slot in enumerate(late):
            other = early[position + shift]
            early[position + shift], late[position] = _meet(other, slot, earlier, line)
    return lines, echoes


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
