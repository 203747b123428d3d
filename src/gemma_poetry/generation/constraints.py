"""From forms to what may stand next: one or several forms as a small automaton over classes of characters.

In: forms (lines of slots), the characters at hand, their sounds, wishes for rhyme variables.
Out: an `Automaton`: for a state, the next state under every class of characters, or that the class may not stand.

    Form ──flatten──> cells (a slot or a closing mark) ──one tape a form──┐
    characters ──same tones, same rhymes──> classes (some hundred) ───────┴──> states, found as decoding needs them

All forms are followed at once. A state is the set of tapes that the text so far fits, each cut to what is still to
come, with the rhyme groups that its variables may still take: patterns (平起, 仄起) and rhymes are thus chosen by
whoever writes, character by character, and two histories with the same future share a state. Characters enter only as
classes, because 8,000 characters differ in no more than some hundred ways.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from gemma_poetry.errors import ConstraintError
from gemma_poetry.prosody.forms import Form, Slot, Tone

NOWHERE = -1
"""In a row of transitions: the class may not stand here."""


class Sounds(Protocol):
    """What characters sound like, under one rhyme book and one way to treat characters of several readings."""

    def known(self, char: str) -> bool:
        """Whether the character has a reading at all."""

    def tones(self, char: str) -> frozenset[Tone]:
        """The tone classes that the character may stand for."""

    def rhymes(self, char: str, tone: Tone | None) -> frozenset[str]:
        """The rhyme groups that the character may stand for at a slot of this tone."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One place of the running text.

    Attributes:
        slot: What stands here; a closing mark is a slot with a fixed character.
        line: The line, from 1.
        position: The character in the line, from 1; 0 for the closing mark.
        taken: Characters that may not stand here (rhyme words that are fixed elsewhere).
    """

    slot: Slot
    line: int
    position: int
    taken: frozenset[str] = frozenset()


def flatten(form: Form) -> tuple[Cell, ...]:
    """The cells of a form's running text, closing marks included."""
    fixed: dict[str, set[str]] = {}
    for slots in form.lines:
        for slot in slots:
            if slot.rhyme and slot.char:
                fixed.setdefault(slot.rhyme, set()).add(slot.char)
    cells = []
    for line, (slots, mark) in enumerate(zip(form.lines, form.marks), 1):
        for position, slot in enumerate(slots, 1):
            taken = frozenset(fixed.get(slot.rhyme, ())) if slot.rhyme and not slot.char else frozenset()
            cells.append(Cell(slot, line, position, taken))
        cells.append(Cell(Slot(char=mark), line, 0))
    return tuple(cells)


@dataclass(frozen=True, slots=True)
class CharacterClass:
    """What all characters of one class have in common.

    Attributes:
        free: Whether they may stand where no character is fixed.
        tones: The tone classes they may stand for.
        rhymes: The rhyme groups they may stand for, by the tone of the slot.
        char: The one character of the class, where the class was made for a fixed character.
    """

    free: bool
    tones: frozenset[Tone]
    rhymes: tuple[tuple[Tone | None, frozenset[str]], ...]
    char: str | None = None

    def groups(self, tone: Tone | None) -> frozenset[str]:
        """The rhyme groups at a slot of this tone."""
        return dict(self.rhymes)[tone]


_TONES: tuple[Tone | None, ...] = (None, Tone.LEVEL, Tone.OBLIQUE)
_SILENT = tuple((tone, frozenset[str]()) for tone in _TONES)


class Alphabet:
    """Characters sorted into classes that no slot can tell apart.

    Args:
        characters: The characters that can be written, closing marks among them.
        sounds: Their sounds; `None` where no form asks for tones or rhymes.
        charset: Characters that may stand in slots without a fixed character; `None`: all that are no mark.
        marks: The closing marks; they stand only where a form has them.
    """

    def __init__(
        self,
        characters: Sequence[str],
        sounds: Sounds | None = None,
        charset: Collection[str] | None = None,
        marks: str = "，。",
    ) -> None:
        self.characters = tuple(characters)
        self.sounds = sounds
        wanted = None if charset is None else frozenset(charset)
        numbers: dict[CharacterClass, int] = {}
        of_character = np.empty(len(self.characters), dtype=np.int32)
        for index, char in enumerate(self.characters):
            free = char not in marks and (wanted is None or char in wanted)
            described = self._describe(char, free)
            of_character[index] = numbers.setdefault(described, len(numbers))
        self.classes: tuple[CharacterClass, ...] = tuple(numbers)
        self.of_character: npt.NDArray[np.int32] = of_character
        self.index_of: dict[str, int] = {char: index for index, char in enumerate(self.characters)}

    def _describe(self, char: str, free: bool) -> CharacterClass:
        if self.sounds is None:
            return CharacterClass(free, frozenset(), _SILENT)
        # A character without a reading cannot be judged, so a poem whose tones matter does without it.
        known = self.sounds.known(char)
        rhymes = tuple((tone, self.sounds.rhymes(char, tone) if known else frozenset()) for tone in _TONES)
        return CharacterClass(free and known, self.sounds.tones(char) if known else frozenset(), rhymes)


Bindings = tuple[tuple[str, frozenset[str]], ...]
"""The rhyme groups that each variable still to come may take, sorted by variable."""

_Parts = list[tuple[npt.NDArray[np.bool_], frozenset[str] | None]]
"""The classes that fit a cell, apart by the rhyme groups that they leave to its variable."""


@dataclass(frozen=True, slots=True)
class _Suffix:
    """What is still to come of a tape: a cell and the suffix behind it."""

    cell: Cell
    rest: int
    variables: frozenset[str]


class Automaton:
    """What may stand next, for several forms at once.

    States are small integers, `start` the first; they are found and kept as `row` asks for them.

    Args:
        forms: The forms; a text is right if it fits one of them.
        alphabet: The characters at hand.
        rhymes: Rhyme groups that a variable is limited to; variables that are not named are free.

    Raises:
        ConstraintError: No form can be filled; each obstacle is named with line and position.
    """

    def __init__(self, forms: Sequence[Form], alphabet: Alphabet, rhymes: Mapping[str, frozenset[str]] | None = None) -> None:
        self.alphabet = alphabet
        fixed = sorted({cell.slot.char for form in forms for cell in flatten(form) if cell.slot.char})
        self._number_classes(fixed)
        self._suffixes: list[_Suffix | None] = [None]  # 0: the end
        self._suffix_ids: dict[tuple[Slot, frozenset[str], bool, int], int] = {}
        self._parts: dict[tuple[Slot, frozenset[str], frozenset[str] | None], _Parts] = {}
        self._states: list[frozenset[tuple[int, Bindings]]] = []
        self._state_ids: dict[frozenset[tuple[int, Bindings]], int] = {}
        self._rows: dict[int, npt.NDArray[np.int32]] = {}
        self.forms: list[Form] = []
        obstacles, hypotheses = [], set()
        for form in forms:
            cells = flatten(form)
            obstacle, bindings = self._feasible(cells, rhymes or {})
            if obstacle:
                obstacles.append(f"{form.pattern or form.name}: {obstacle}")
            else:
                self.forms.append(form)
                hypotheses.add((self._intern_tape(cells), bindings))
        if not hypotheses:
            raise ConstraintError(
                "the wishes cannot be met\n" + "\n".join(dict.fromkeys(obstacles)),
                expected="characters at hand for every slot of at least one pattern",
                action="change the wish that is named, or choose another form or pattern",
            )
        self.start = self._intern_state(frozenset(hypotheses))

    def _number_classes(self, fixed: Sequence[str]) -> None:
        """Gives each fixed character a class of its own behind those of the alphabet."""
        alphabet = self.alphabet
        self.classes: list[CharacterClass] = list(alphabet.classes)
        self.of_character = alphabet.of_character.copy()
        self._class_of_fixed: dict[str, int] = {}
        for char in fixed:
            index = alphabet.index_of.get(char)
            if index is not None:
                common = alphabet.classes[alphabet.of_character[index]]
                self._class_of_fixed[char] = len(self.classes)
                self.of_character[index] = len(self.classes)
                self.classes.append(CharacterClass(common.free, common.tones, common.rhymes, char))
        sizes = np.bincount(self.of_character, minlength=len(self.classes))
        self._sizes: npt.NDArray[np.int64] = sizes.astype(np.int64)

    def _feasible(self, cells: Sequence[Cell], wished: Mapping[str, frozenset[str]]) -> tuple[str, Bindings]:
        """Why a tape cannot be filled (empty: it can), and the groups that each of its variables may take."""
        rhyming: dict[str, list[Cell]] = {}
        for cell in cells:
            slot, place = cell.slot, f"line {cell.line}, character {cell.position}"
            if slot.rhyme:
                rhyming.setdefault(slot.rhyme, []).append(cell)
            if slot.char and slot.char not in self._class_of_fixed:
                return f"{place}: {slot.char!r} cannot be written with the model's vocabulary", ()
            if not self._fits(cell, None).any():
                return f"{place}: {slot.char or 'no character'} does not fit the tone {slot.tone and slot.tone.value}", ()
        bindings = []
        for variable, places in sorted(rhyming.items()):
            groups = self._viable_groups(places)
            if variable in wished:
                groups &= wished[variable]
            if not groups:
                lines = ", ".join(str(cell.line) for cell in places)
                return f"lines {lines}: no rhyme group has words for all of them", ()
            bindings.append((variable, groups))
        return "", tuple(bindings)

    def _viable_groups(self, places: Sequence[Cell]) -> frozenset[str]:
        """The groups that hold, at each of these places, at least as many words as there are places.

        Then distinct words for all of them exist (Hall's condition), and no choice made on the way can use them up.
        """
        viable: frozenset[str] | None = None
        for cell in places:
            needed = 1 if cell.slot.char else len(places)
            counts: dict[str, int] = {}
            for number in np.flatnonzero(self._fits(cell, None)):
                for group in self.classes[number].groups(cell.slot.tone):
                    counts[group] = counts.get(group, 0) + int(self._sizes[number])
            here = frozenset(group for group, count in counts.items() if count >= needed)
            viable = here if viable is None else viable & here
        return viable or frozenset()

    def _fits(self, cell: Cell, groups: frozenset[str] | None) -> npt.NDArray[np.bool_]:
        """Whether each class may stand in a cell (`groups`: those left to its rhyme variable; `None`: all)."""
        slot = cell.slot
        fits = np.zeros(len(self.classes), dtype=np.bool_)
        if slot.char:
            candidates = [self._class_of_fixed[slot.char]] if slot.char in self._class_of_fixed else []
        else:
            candidates = [number for number, common in enumerate(self.classes) if common.free and common.char not in cell.taken]
        for number in candidates:
            common = self.classes[number]
            if slot.tone is not None and slot.tone not in common.tones:
                continue
            if slot.rhyme:
                own = common.groups(slot.tone)
                if not own or (groups is not None and own.isdisjoint(groups)):
                    continue
            fits[number] = bool(self._sizes[number])
        return fits

    def _intern_tape(self, cells: Sequence[Cell]) -> int:
        rest, variables = 0, frozenset[str]()
        for cell in reversed(cells):
            if cell.slot.rhyme:
                variables |= {cell.slot.rhyme}
            key = (cell.slot, cell.taken, cell.position == 0, rest)
            if key not in self._suffix_ids:
                self._suffix_ids[key] = len(self._suffixes)
                self._suffixes.append(_Suffix(cell, rest, variables))
            rest = self._suffix_ids[key]
        return rest

    def _intern_state(self, hypotheses: frozenset[tuple[int, Bindings]]) -> int:
        number = self._state_ids.get(hypotheses)
        if number is None:
            number = self._state_ids[hypotheses] = len(self._states)
            self._states.append(hypotheses)
        return number

    def row(self, state: int) -> npt.NDArray[np.int32]:
        """The next state under each class, `NOWHERE` where the class may not stand.

        Args:
            state: A state.

        Returns:
            An int32 array of shape (classes,).
        """
        row = self._rows.get(state)
        if row is None:
            row = self._rows[state] = self._find_row(state)
        return row

    def _find_row(self, state: int) -> npt.NDArray[np.int32]:
        columns, outcomes = [], []
        for suffix_id, bindings in self._states[state]:
            suffix = self._suffixes[suffix_id]
            if suffix is None:
                continue
            variable = suffix.cell.slot.rhyme
            left = dict(bindings)[variable] if variable else None
            for fits, bound in self._split(suffix.cell, left):
                columns.append(fits)
                outcomes.append((suffix.rest, self._drop_spent(bindings, suffix.rest, variable, bound)))
        row = np.full(len(self.classes), NOWHERE, dtype=np.int32)
        if not columns:
            return row
        # Classes that the same outcomes admit lead to the same state: their columns, packed to bytes, are its key.
        table = np.stack(columns)  # (outcomes, classes)
        packed = np.packbits(table, axis=0)
        flat, width = packed.T.tobytes(), packed.shape[0]
        targets: dict[bytes, int] = {}
        for number in np.flatnonzero(table.any(axis=0)).tolist():
            key = flat[number * width : (number + 1) * width]
            if key not in targets:
                admitted = np.flatnonzero(table[:, number]).tolist()
                targets[key] = self._intern_state(frozenset(outcomes[index] for index in admitted))
            row[number] = targets[key]
        return row

    def _split(self, cell: Cell, left: frozenset[str] | None) -> _Parts:
        key = (cell.slot, cell.taken, left)
        if key not in self._parts:
            fits = self._fits(cell, left)
            if left is None:
                self._parts[key] = [(fits, None)]
            else:
                parts: dict[frozenset[str], npt.NDArray[np.bool_]] = {}
                for number in np.flatnonzero(fits).tolist():
                    bound = self.classes[number].groups(cell.slot.tone) & left
                    parts.setdefault(bound, np.zeros_like(fits))[number] = True
                self._parts[key] = [(mask, bound) for bound, mask in parts.items()]
        return self._parts[key]

    def _drop_spent(self, bindings: Bindings, rest: int, variable: str | None, bound: frozenset[str] | None) -> Bindings:
        suffix = self._suffixes[rest]
        ahead = suffix.variables if suffix else frozenset()
        return tuple(
            (name, bound if name == variable and bound is not None else groups) for name, groups in bindings if name in ahead
        )

    def ends(self, state: int) -> bool:
        """Whether the poem is whole in this state."""
        return any(suffix_id == 0 for suffix_id, _ in self._states[state])

    def rhymes(self, state: int) -> bool:
        """Whether the next character may be a rhyme word."""
        return any(cell.slot.rhyme is not None for cell in self._cells(state))

    def fixed(self, state: int) -> bool:
        """Whether the next character is given, in every form that the text so far fits."""
        cells = self._cells(state)
        return bool(cells) and all(cell.slot.char is not None for cell in cells)

    def line_ends(self, state: int) -> bool:
        """Whether a closing mark comes next, in every form that the text so far fits."""
        cells = self._cells(state)
        return bool(cells) and all(cell.position == 0 for cell in cells)

    def _cells(self, state: int) -> list[Cell]:
        suffixes = (self._suffixes[suffix_id] for suffix_id, _ in self._states[state])
        return [suffix.cell for suffix in suffixes if suffix is not None]

    def class_of(self, char: str) -> int:
        """The class of a character, `NOWHERE` if it is not at hand."""
        index = self.alphabet.index_of.get(char)
        return NOWHERE if index is None else int(self.of_character[index])

    def read(self, text: str) -> int:
        """The state after a running text, `NOWHERE` if it fits no form."""
        state = self.start
        for char in text:
            number = self.class_of(char)
            if number == NOWHERE:
                return NOWHERE
            state = int(self.row(state)[number])
            if state == NOWHERE:
                return NOWHERE
        return state
