"""A slot automaton says what may stand next: one or several forms over classes of characters.

In: forms (lines of slots), the characters at hand, their sounds, wishes for rhyme variables.
Out: a `SlotAutomaton`: for a state, the next state under every class of characters, or that the class may not stand.

    Form ──flatten──> cells (a slot or a closing mark) ──one tape a form──┐
    characters ──same tones, same rhymes──> classes (some hundred) ───────┴──> states, found as decoding needs them

All forms are followed at once. A state is the set of tapes that the text so far fits, each cut to what is still to
come, with the rhyme groups that its variables may still take: patterns (平起, 仄起) and rhymes are thus chosen by
whoever writes, character by character, and two histories with the same future share a state. Characters enter only as
classes, because 8,000 characters differ in no more than some hundred ways.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gemma_poetry.errors import ConstraintError
from gemma_poetry.generation.alphabet import Alphabet, CharacterClass
from gemma_poetry.generation.form_layout import Cell, flatten
from gemma_poetry.languages import _, listed
from gemma_poetry.prosody.forms import Form, Slot

NOWHERE = -1
"""In a row of transitions: the class may not stand here."""


Bindings = tuple[tuple[str, frozenset[str]], ...]
"""The rhyme groups that each variable still to come may take, sorted by variable."""

_Parts = list[tuple[npt.NDArray[np.bool_], frozenset[str] | None]]
"""The classes that fit a cell, apart by the rhyme groups that they leave to its variable."""


class Outlook(NamedTuple):
    """What comes next in a state.

    Attributes:
        ends: Whether the poem is whole.
        rhymes: Whether the next character may be a rhyme word.
        fixed: Whether it is given, in every form that the text so far fits.
        echo: How many places back the character stands that it repeats; 0: it repeats none.
        line_left: Characters left in the line (0: its closing mark comes next), one figure for each form that differs.
    """

    ends: bool
    rhymes: bool
    fixed: bool
    echo: int
    line_left: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Suffix:
    """What is still to come of a tape: a cell and the suffix behind it."""

    cell: Cell
    rest: int
    variables: frozenset[str]


def refusal(obstacles: Sequence[tuple[Form, str]]) -> ConstraintError:
    """The error that tells why no form can be followed, each reason once with the patterns that it stands against."""
    patterns: dict[str, list[str]] = {}
    for form, reason in obstacles:
        patterns.setdefault(reason, []).append(form.pattern or form.name)
    every = len({form.pattern for form, _ in obstacles})
    reasons = [reason if len(against) == every else f"{reason} ({listed(against)})" for reason, against in patterns.items()]
    return ConstraintError(
        _("{name} cannot be written so: ", name=obstacles[0][0].name) + listed(reasons, "; "),
        expected=_("wishes that at least one pattern of the form can meet"),
        action=_("change the wish that is named, or choose another form or pattern"),
    )


class SlotAutomaton:
    """What may stand next, for several forms at once.

    States are small integers, `start` the first; they are found and kept as `row` asks for them.

    Args:
        forms: The forms; a text is right if it fits one of them. Forms with repeated lines stand together only where
            the same lines repeat.
        alphabet: The characters at hand.
        rhymes: Rhyme groups that a variable is limited to; variables that are not named are free.

    Raises:
        ConstraintError: No form can be filled; each obstacle is named with line and position.
    """

    def __init__(self, forms: Sequence[Form], alphabet: Alphabet, rhymes: Mapping[str, frozenset[str]] | None = None) -> None:
        self.alphabet = alphabet
        self._number_classes(forms)
        self._suffixes: list[_Suffix | None] = [None]  # 0: the end
        self._suffix_ids: dict[tuple[Slot, frozenset[str], int, bool, int], int] = {}
        self._parts: dict[tuple[Slot, bool, bool, frozenset[str], frozenset[str] | None], _Parts] = {}
        self._states: list[frozenset[tuple[int, Bindings]]] = []
        self._state_ids: dict[frozenset[tuple[int, Bindings]], int] = {}
        self._rows: dict[int, npt.NDArray[np.int32]] = {}
        self._outlooks: dict[int, Outlook] = {}
        self.forms: list[Form] = []
        obstacles, hypotheses = [], set()
        for form in forms:
            try:
                cells = flatten(form)
                bindings = self._bind(cells, rhymes or {})
            except ConstraintError as obstacle:
                obstacles.append((form, obstacle.found))
            else:
                self.forms.append(form)
                hypotheses.add((self._intern_tape(cells), bindings))
        if not hypotheses:
            raise refusal(obstacles)
        self.start = self._intern_state(frozenset(hypotheses))

    def _number_classes(self, forms: Sequence[Form]) -> None:
        """Gives each fixed character a class of its own behind those of the alphabet."""
        fixed = {slot.char for form in forms for slots in form.lines for slot in slots if slot.char}
        fixed |= {mark for form in forms for mark in form.marks}
        alphabet = self.alphabet
        self.classes: list[CharacterClass] = list(alphabet.classes)
        self.of_character = alphabet.of_character.copy()
        self._class_of_fixed: dict[str, int] = {}
        for char in sorted(fixed):
            index = alphabet.index_of.get(char)
            if index is not None:
                common = alphabet.classes[alphabet.of_character[index]]
                self._class_of_fixed[char] = len(self.classes)
                self.of_character[index] = len(self.classes)
                self.classes.append(replace(common, char=char))
        sizes = np.bincount(self.of_character, minlength=len(self.classes))
        self._sizes: npt.NDArray[np.int64] = sizes.astype(np.int64)

    def _bind(self, cells: Sequence[Cell], wished: Mapping[str, frozenset[str]]) -> Bindings:
        """The groups that each rhyme variable of a tape may take.

        Raises:
            ConstraintError: The tape cannot be filled.
        """
        rhyming: dict[str, list[Cell]] = {}
        for cell in cells:
            slot, place = cell.slot, _("line {line}, character {position}", line=cell.line, position=cell.position)
            if slot.rhyme and not cell.echo:
                rhyming.setdefault(slot.rhyme, []).append(cell)
            if slot.char and slot.char not in self._class_of_fixed:
                raise ConstraintError(
                    _("{place}: {char!r} cannot be written with the model's vocabulary", place=place, char=slot.char)
                )
            if not self._fits(cell, None).any():
                raise ConstraintError(_("{place}: {misfit}", place=place, misfit=self._misfit(cell)))
        bindings = []
        for variable, places in sorted(rhyming.items()):
            lines = listed(str(cell.line) for cell in places)
            given = [cell.slot.char for cell in places if cell.slot.char]
            if len(set(given)) < len(given):
                raise ConstraintError(
                    _("lines {lines}: a rhyme word comes twice in {given}", lines=lines, given=" ".join(given))
                )
            groups = self._viable_groups(places)
            if not groups:
                words = _(" with {given}", given=" ".join(given)) if given else ""
                raise ConstraintError(
                    _("lines {lines}: no rhyme group has words for all of them{words}", lines=lines, words=words)
                )
            if variable in wished:
                groups &= wished[variable]
                if not groups:
                    names = "/".join(sorted(wished[variable]))
                    words = _("{given} is not in it", given=" ".join(given)) if given else _("it has too few words at hand")
                    raise ConstraintError(
                        _("lines {lines}: cannot rhyme in {names}: {words}", lines=lines, names=names, words=words)
                    )
            bindings.append((variable, groups))
        return tuple(bindings)

    def _misfit(self, cell: Cell) -> str:
        """Why no character at hand fits a cell."""
        slot = cell.slot
        wanted = _("the tone {value}", value=slot.tone.value) if slot.tone else _("a rhyme")
        if slot.char is None:
            return _("no character at hand has {wanted}", wanted=wanted)
        sounds = self.alphabet.sounds
        if sounds is None or not sounds.known(slot.char):
            return _("{char} has no known reading, {wanted} is asked for", char=slot.char, wanted=wanted)
        heard = sounds.tones(slot.char, cell.last)
        if not heard:
            return _(
                "{char} is read 平 and 仄, {wanted} is asked for (one reading is enough with polyphones any)",
                char=slot.char,
                wanted=wanted,
            )
        return _("{char} does not have {wanted}", char=slot.char, wanted=wanted)

    def _viable_groups(self, places: Sequence[Cell]) -> frozenset[str]:
        """The groups that hold, at each of these places, at least as many words as there are places.

        Then distinct words for all of them exist (Hall's condition), and no choice made on the way can use them up.
        """
        viable: frozenset[str] | None = None
        for cell in places:
            needed = 1 if cell.slot.char else len(places)
            counts: dict[str, int] = {}
            for number in np.flatnonzero(self._fits(cell, None)).tolist():
                for group in self._groups(number, cell.slot):
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
            read_by_rhyme = slot.char and slot.rhyme
            tones = common.end_tones if cell.last else common.tones
            if cell.again:
                tones &= common.tones & common.end_tones
            if slot.char and slot.read:
                tones = frozenset({slot.read})
            if slot.tone is not None and slot.tone not in tones and not read_by_rhyme:
                continue
            if slot.rhyme:
                own = self._groups(number, slot)
                if not own or (groups is not None and own.isdisjoint(groups)):
                    continue
            fits[number] = bool(self._sizes[number])
        return fits

    def _groups(self, number: int, slot: Slot) -> frozenset[str]:
        """The rhyme groups of a class in a slot; of a character that the slot gives, those that some reading has."""
        if slot.char and self.alphabet.sounds is not None:
            return self.alphabet.sounds.given_rhymes(slot.char, slot.tone)
        return self.classes[number].groups(slot.tone)

    def _intern_tape(self, cells: Sequence[Cell]) -> int:
        rest, variables = 0, frozenset[str]()
        for cell in reversed(cells):
            if cell.slot.rhyme:
                variables |= {cell.slot.rhyme}
            key = (cell.slot, cell.taken, cell.echo, cell.position == 0, rest)
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
        key = (cell.slot, cell.last, cell.again, cell.taken, left)
        if key not in self._parts:
            fits = self._fits(cell, left)
            if left is None:
                self._parts[key] = [(fits, None)]
            else:
                parts: dict[frozenset[str], npt.NDArray[np.bool_]] = {}
                for number in np.flatnonzero(fits).tolist():
                    bound = self._groups(number, cell.slot) & left
                    parts.setdefault(bound, np.zeros_like(fits))[number] = True
                self._parts[key] = [(mask, bound) for bound, mask in parts.items()]
        return self._parts[key]

    def _drop_spent(self, bindings: Bindings, rest: int, variable: str | None, bound: frozenset[str] | None) -> Bindings:
        suffix = self._suffixes[rest]
        ahead = suffix.variables if suffix else frozenset()
        return tuple(
            (name, bound if name == variable and bound is not None else groups) for name, groups in bindings if name in ahead
        )

    def outlook(self, state: int) -> Outlook:
        """What comes next in a state."""
        known = self._outlooks.get(state)
        if known is None:
            known = self._outlooks[state] = self._look_ahead(state)
        return known

    def _look_ahead(self, state: int) -> Outlook:
        suffixes = [self._suffixes[suffix_id] for suffix_id, _ in self._states[state]]
        cells = [suffix.cell for suffix in suffixes if suffix is not None]
        return Outlook(
            ends=None in suffixes,
            rhymes=any(cell.slot.rhyme is not None for cell in cells),
            fixed=bool(cells) and all(cell.slot.char is not None for cell in cells),
            echo=max((cell.echo for cell in cells), default=0),
            line_left=tuple(sorted({self._line_left(suffix) for suffix in suffixes if suffix is not None})),
        )

    def _line_left(self, suffix: _Suffix) -> int:
        left = 0
        while suffix.cell.position:
            left += 1
            behind = self._suffixes[suffix.rest]
            assert behind is not None, "a line without a closing mark"
            suffix = behind
        return left

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
