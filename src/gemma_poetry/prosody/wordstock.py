"""A wordstock holds the units that a line may be made of, as one automaton over characters.

In: units (words, kana) with what they cost, and how they are joined. Out: a `Wordstock`: from state to state character by
character, what is paid on the way, and from which states a line can still come out at exactly its sum.

    "summer day" ─> s u m m e r ─joiner, 2 paid─> d a y ─mark of the line, 1 paid─> next line

The units are a trie. A unit is paid when it is known to be over: at the joiner, a mark, or, where nothing joins units
(か き ゃ), at a character that does not go on with it. Words of one beat fill any gap, so that a sum can be met whenever
the cheapest way to finish what is begun leaves enough; with that no decoding under a measure meets a dead end. Where nothing
joins units and the last of a line must be a certain one, that is not enough: あ before かいすいよく reads as the beginning of
あかとんぼ. There the ways to the end are counted out.
All look-ahead is done for arrays of states at once.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gemma_poetry.errors import ConstraintError
from gemma_poetry.languages import _
from gemma_poetry.prosody.measures import WEAK, MeasuredLine, Unit

NOTHING = -1
"""In place of a unit: none was paid."""

UNPAYABLE = 10**6
"""The cost of what cannot be finished."""

Ints = npt.NDArray[np.int64]
Truths = npt.NDArray[np.bool_]


class Closers(NamedTuple):
    """The units that may end a line because of its rhyme.

    Attributes:
        groups: Rhyme groups, as numbers.
        taken: Units that ended an earlier line of the same rhyme.
    """

    groups: frozenset[int]
    taken: frozenset[int]


class Wordstock:
    """Units joined to lines.

    Attributes:
        start: The state at the beginning of a line.
        characters: Every character that a line can hold.
        costs: What the unit that ends in a state costs; 0: none ends there. (states,)

    Args:
        units: What each unit costs, by its spelling.
        joiner: The character between two units; empty: they follow each other directly.
        marks: Characters that may stand behind a unit, before the joiner or the end of a line (`,;.`).
        capitalise: Whether the first letter of a line is written large.

    Raises:
        ConstraintError: No unit of cost 1 without an accent is at hand, so that not every sum can be met.
    """

    def __init__(self, units: Mapping[str, Unit], *, joiner: str = "", marks: str = "", capitalise: bool = False) -> None:
        if not any(unit.cost == 1 and not unit.accents for unit in units.values()):
            raise ConstraintError(
                _("no unit of cost 1 is at hand to fill lines up with"),
                expected=_("a vocabulary that can spell the words (or kana) of the language"),
                action=_("use a model whose tokenizer knows the script"),
            )
        self.joiner = joiner
        self.marks = frozenset(marks)
        self._merged: list[tuple[int, int, int]] = []
        self.capitalise = capitalise
        self._children: list[dict[str, int]] = [{}]
        parents, depths = [NOTHING], [0]
        ends: dict[int, Unit] = {}
        for spelling, unit in units.items():
            assert spelling and unit.cost >= 1, (spelling, unit)
            node = 0
            for char in spelling:
                child = self._children[node].get(char)
                if child is None:
                    child = self._children[node][char] = len(self._children)
                    self._children.append({})
                    parents.append(node)
                    depths.append(depths[node] + 1)
                node = child
            ends[node] = unit
        count = len(self._children)
        self.start, self._marked = count, count + 1
        self._children += [{}, {}]
        self._capitals = self._merge_capitals() if capitalise else {}
        states = len(self._children)
        self._parents = np.array(parents, dtype=np.int64)
        order = np.argsort(np.array(depths), kind="stable")
        bounds = np.flatnonzero(np.diff(np.array(depths)[order])) + 1
        # Deepest first; the root has no parent to tell.
        self._levels = [level for level in reversed(np.split(order, bounds)) if level[0] != 0]
        self.costs: Ints = np.zeros(states, dtype=np.int64)
        self._accents = np.zeros(states, dtype=np.int64)
        self._groups = np.full(states, NOTHING, dtype=np.int64)
        self.group_names = tuple(sorted({unit.rhyme for unit in ends.values() if unit.rhyme}))
        numbers = {name: number for number, name in enumerate(self.group_names)}
        for node, unit in ends.items():
            self.costs[node] = unit.cost
            self._accents[node] = sum(1 << place for place in unit.accents)
            self._groups[node] = numbers[unit.rhyme] if unit.rhyme else NOTHING
        for merged, _unused, large in self._merged:
            for values in (self.costs, self._accents, self._groups):
                values[merged] = values[large]
        self.longest_unit = max(depths)
        letters = {char for children in self._children for char in children}
        self.characters = frozenset(
            letters | set(joiner) | self.marks | ({c.upper() for c in letters} if capitalise else set())
        )
        self._following: dict[int, Collection[str]] = {}
        self._least: dict[int, Ints] = {}
        self._endings: dict[tuple[MeasuredLine, Closers], tuple[Truths, int]] = {}
        self._finished: dict[tuple[MeasuredLine, Closers, int], Truths] = {}
        self._below: dict[tuple[MeasuredLine, Closers, int], Truths] = {}

    def _merge_capitals(self) -> dict[str, int]:
        """The state behind each large letter that may begin a line.

        Where a unit is always written large (I, O), the state is both that of it and that of the small letter (In, On).
        """
        root = self._children[0]
        capitals: dict[str, int] = {}
        for char, child in root.items():
            large = char.upper()
            if large != char and large in root:
                self._merged.append((len(self._children), child, root[large]))
                capitals[large] = len(self._children)
                self._children.append(self._children[child] | self._children[root[large]])
            elif large != char or not char.isalpha():
                capitals[large] = child
            else:
                capitals.setdefault(char, child)
        return capitals

    def step(self, state: int, char: str) -> tuple[int, int] | None:
        """The state after a character, and the unit that was over with it (`NOTHING`: none).

        Returns:
            `None` where the character cannot stand.
        """
        if state == self._marked:
            return (0, NOTHING) if self.joiner and char == self.joiner else None
        if state == self.start:
            first = (self._capitals if self.capitalise else self._children[0]).get(char)
            return None if first is None else (first, NOTHING)
        child = self._children[state].get(char)
        if child is not None:
            return child, NOTHING
        if not self.costs[state]:
            return None
        if char in self.marks:
            return self._marked, state
        if self.joiner:
            return (0, state) if char == self.joiner else None
        child = self._children[0].get(char)
        return None if child is None else (child, state)

    def following(self, state: int) -> Collection[str]:
        """The characters that `step` takes from a state."""
        found = self._following.get(state)
        if found is None:
            if state == self._marked:
                found = frozenset(self.joiner)
            elif state == self.start:
                found = frozenset(self._capitals if self.capitalise else self._children[0])
            elif self.costs[state]:
                behind = frozenset(self.joiner) if self.joiner else self._children[0].keys()
                found = self._children[state].keys() | self.marks | behind
            else:
                found = self._children[state].keys()
            self._following[state] = found
        return found

    def unit_at_end(self, state: int) -> int | None:
        """The unit that is over if the line ends here (`NOTHING`: it is paid already); `None`: it cannot end here."""
        if state == self._marked:
            return NOTHING
        return state if self.costs[state] else None

    def fits(self, unit: int, line: MeasuredLine, left: int) -> bool:
        """Whether a unit can be paid with so much of the line left, its accents on strong places."""
        return bool(self.costs[unit] <= left) and not int(self._accents[unit]) & _weak_places(line, left)

    def may_close(self, unit: int, line: MeasuredLine, closers: Closers) -> bool:
        """Whether a unit may end a line under its rhyme."""
        return bool(self._endings_of(line, closers)[0][unit])

    def group_of(self, unit: int) -> int:
        """The rhyme group of a unit, as a number."""
        return int(self._groups[unit])

    def groups_for(self, lines: Collection[MeasuredLine]) -> frozenset[int]:
        """The rhyme groups with, for each of these lines, at least as many words to end it as there are lines.

        Then distinct words for all of them exist (Hall's condition), whatever is chosen on the way.
        """
        viable: frozenset[int] | None = None
        for line in lines:
            fitting = self._fitting_at_end(line) & (self._groups >= 0)
            counts = np.bincount(self._groups[fitting], minlength=len(self.group_names))
            here = frozenset(np.flatnonzero(counts >= len(lines)).tolist())
            if line.groups:
                here &= {number for number, name in enumerate(self.group_names) if name in line.groups}
            viable = here if viable is None else viable & here
        return viable or frozenset()

    def viable(self, states: Ints, left: Ints, line: MeasuredLine, closers: Closers | None) -> Truths:
        """From which states the line can still come out at exactly its sum, with a word at its end that may stand there.

        Args:
            states: States, (n,).
            left: What is left to be paid in each, (n,).
            line: The line.
            closers: The units that may end it; `None`: all.
        """
        found = np.zeros(len(states), dtype=np.bool_)
        for value in np.unique(left[left >= 0]).tolist():
            here = left == value
            own = states[here]
            least = self._least_costs(_weak_places(line, value))[own]
            if closers is None:
                found[here] = least <= value
                continue
            if not self.joiner:
                found[here] = self._finishable(line, closers, value)[own]
                continue
            reserve = self._endings_of(line, closers)[1]
            alive = least <= value - reserve
            if value == 0:
                # The word at the end was let through when it was paid.
                alive |= own == self._marked
            found[here] = alive | self._ancestors(line, closers, value)[own]
        return found

    def _finishable(self, line: MeasuredLine, closers: Closers, left: int) -> Truths:
        """From which states a line can be finished where nothing joins units. (states,)"""
        key = (line, closers, left)
        if key in self._finished:
            return self._finished[key]
        payable = (self.costs > 0) & (self.costs <= left) & ((self._accents & _weak_places(line, left)) == 0)
        alive = payable & (self.costs == left) & self._endings_of(line, closers)[0]
        alive[self._marked] = left == 0
        for cost in np.unique(self.costs[payable & (self.costs < left)]).tolist():
            after = self._finishable(line, closers, left - cost)
            ahead = [char for char, child in self._children[0].items() if after[child]]
            for state in np.flatnonzero(payable & (self.costs == cost)).tolist():
                # A character that goes on with a unit is never read as the beginning of the next one.
                alive[state] |= any(char not in self._children[state] for char in ahead)
        for level in self._levels:
            np.logical_or.at(alive, self._parents[level], alive[level])
        for merged, small, large in self._merged:
            alive[merged] = alive[small] | alive[large]
        alive[self.start] = alive[0]
        self._finished[key] = alive
        return alive

    def _least_costs(self, weak: int) -> Ints:
        """The least that finishes the unit which each state is in, its accents kept off weak places. (states,)"""
        found = self._least.get(weak)
        if found is None:
            payable = (self.costs > 0) & ((self._accents & weak) == 0)
            found = np.where(payable, self.costs, UNPAYABLE)
            for level in self._levels:
                np.minimum.at(found, self._parents[level], found[level])
            for merged, small, large in self._merged:
                found[merged] = min(found[small], found[large])
            found[self.start] = found[0]
            found[self._marked] = 0
            self._least[weak] = found
        return found

    def _fitting_at_end(self, line: MeasuredLine) -> Truths:
        """Units that can end a line: not longer than it, their accents on strong places there. (states,)"""
        fitting = (self.costs > 0) & (self.costs <= line.cost)
        for cost in np.unique(self.costs[fitting]).tolist():
            fitting &= (self.costs != cost) | ((self._accents & _weak_places(line, cost)) == 0)
        return fitting

    def _endings_of(self, line: MeasuredLine, closers: Closers) -> tuple[Truths, int]:
        """The units that may end a line, and the least that one of them costs."""
        key = (line, closers)
        if key not in self._endings:
            fitting = self._fitting_at_end(line) & np.isin(self._groups, sorted(closers.groups))
            fitting[sorted(closers.taken)] = False
            least = int(self.costs[fitting].min()) if fitting.any() else UNPAYABLE
            self._endings[key] = (fitting, least)
        return self._endings[key]

    def _ancestors(self, line: MeasuredLine, closers: Closers, cost: int) -> Truths:
        """States that lead into a unit of just this cost that may end the line. (states,)"""
        key = (line, closers, cost)
        if key not in self._below:
            found = self._endings_of(line, closers)[0] & (self.costs == cost)
            for level in self._levels:
                np.logical_or.at(found, self._parents[level], found[level])
            for merged, small, large in self._merged:
                found[merged] = found[small] | found[large]
            found[self.start] = found[0]
            self._below[key] = found
        return self._below[key]


def _weak_places(line: MeasuredLine, left: int) -> int:
    """The weak places among those still to come, as bits; bit 0 is the next place."""
    metre = line.metre[line.cost - left :]
    return sum(1 << place for place, beat in enumerate(metre) if beat == WEAK)
