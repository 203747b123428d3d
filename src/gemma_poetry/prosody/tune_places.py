"""What the places of a tune ask for, told from few poems by what well-attested tunes ask for.

In: the tunes that many poems attest (`learn`); then, of another tune, how many poems have a level and how many an oblique tone
in each place of its lines. Out: a `PlaceBelief` for each place: how likely it asks for 平, for 仄, for nothing.

The model. A place is in one of three states, 平 仄 中. Along a line the states are a chain that is read from its end: the
state of a place depends on the two behind it, on its distance from the end, on the length of the line and on its rhyme
(平, 仄 or none). That is what the line types of regulated verse come to (odd places free, beats fixed and alternating, the
last place fixed), learned and not written down. The tones of poems are drawn from the state: a Beta-binomial, one Beta a
state. Lines that are known to be alike send their evidence over, weakened by how often such lines differ in well-attested
tunes: the line of the other stanza (片) that has the same place in it, and the line of a sister variant.

    counts of a line ─┐
    of its mirror ────┼─likelihood of 平, 仄, 中 in each place──> chain of the line, forwards and backwards ──> belief
    of its sisters ───┘
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher

from gemma_poetry.prosody.forms import Form, Tone

LEVEL, OBLIQUE, FREE = range(3)
"""The states of a place."""

Counts = tuple[float, float]
"""How many poems have a level, how many an oblique tone in a place."""
Likelihood = tuple[float, float, float]
"""How likely the poems are where the place asks for 平, for 仄, for nothing."""

_STATES = (LEVEL, OBLIQUE, FREE)
_BORDER = 3
# Pseudo-counts: how many lines of the wider context a narrower one is worth.
_BACKOFF = 2.0
_LONGEST = 7


@dataclass(frozen=True, slots=True)
class PlaceBelief:
    """What is believed of one place.

    Attributes:
        level: The probability that it asks for 平.
        oblique: The probability that it asks for 仄.
        expected: The probability that the next poem has a level tone there.
    """

    level: float
    oblique: float
    expected: float

    def tone(self, needed: float) -> Tone | None:
        """The tone that it asks for at least as surely as is needed; `None` if neither."""
        if self.level >= needed:
            return Tone.LEVEL
        return Tone.OBLIQUE if self.oblique >= needed else None


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a tune as evidence.

    Attributes:
        counts: Level and oblique tones in each of its places.
        rhyme: The tone of its rhyme, `None` for a line without one.
        mirror: The index of the line of the other stanza that has its place there, `None` if there is none.
    """

    counts: tuple[Counts, ...]
    rhyme: Tone | None
    mirror: int | None = None


def mirrors(lengths: Sequence[int], rhymed: Sequence[Tone | None], stanza_end: int) -> list[int | None]:
    """For each line the line of the other stanza that it answers; lines are matched by length and rhyme.

    Args:
        lengths: Characters of each line.
        rhymed: The tone of each line's rhyme.
        stanza_end: After how many lines the second stanza begins; 0 for a tune of one stanza.
    """
    found: list[int | None] = [None] * len(lengths)
    keys = list(zip(lengths, rhymed))
    # Stanzas end alike and begin otherwise (换头): lines are matched from the end.
    upper, lower = keys[:stanza_end][::-1], keys[stanza_end:][::-1]
    for block in SequenceMatcher(a=upper, b=lower, autojunk=False).get_matching_blocks():
        for offset in range(block.size):
            one, other = stanza_end - 1 - block.a - offset, len(keys) - 1 - block.b - offset
            found[one], found[other] = other, one
    return found


def aligned(lengths: Sequence[int], other: Sequence[int]) -> list[tuple[int, int]]:
    """Pairs of lines of two variants of one tune that correspond."""
    blocks = SequenceMatcher(a=lengths, b=other, autojunk=False).get_matching_blocks()
    return [(block.a + offset, block.b + offset) for block in blocks for offset in range(block.size)]


@dataclass
class PlaceModel:
    """The prior over the places of a line, and how poems keep what a place asks for.

    Attributes:
        chain: How often a state stands before two others, in ever wider contexts.
        betas: For each state the Beta distribution of the share of level tones.
        mirrored: How often a place of one state answers one of another across stanzas: `mirrored[mine][theirs]`.
        sisterly: The same across variants of one tune.
    """

    chain: dict[tuple[object, ...], Counter[int]] = field(default_factory=dict)
    betas: tuple[tuple[float, float], ...] = ((1.0, 1.0),) * 3
    mirrored: list[list[float]] = field(default_factory=lambda: [[1.0] * 3 for _ in _STATES])
    sisterly: list[list[float]] = field(default_factory=lambda: [[1.0] * 3 for _ in _STATES])
    _known: dict[tuple[object, ...], list[float]] = field(default_factory=dict)

    def beliefs(
        self, lines: Sequence[Line], sisters: Iterable[tuple[Sequence[Line], Sequence[tuple[int, int]]]] = ()
    ) -> list[list[PlaceBelief]]:
        """What is believed of each place, line by line.

        Args:
            lines: The lines of a variant.
            sisters: Other variants of the tune, each with the pairs (line here, line there) that correspond.
        """
        own = [[self.likelihood(*count) for count in line.counts] for line in lines]
        evidence = [list(line) for line in own]
        for number, line in enumerate(lines):
            if line.mirror is not None:
                self._send(own[line.mirror], evidence[number], self.mirrored)
        for others, pairs in sisters:
            for mine, theirs in pairs:
                if lines[mine].rhyme is others[theirs].rhyme:
                    sent = [self.likelihood(*count) for count in others[theirs].counts]
                    self._send(sent, evidence[mine], self.sisterly)
        return [self._line(line, found) for line, found in zip(lines, evidence)]

    def likelihood(self, level: float, oblique: float) -> Likelihood:
        """How likely poems with such tones in a place are in each of its states."""
        first, second, third = (
            math.exp(_log_beta(one + level, other + oblique) - _log_beta(one, other)) for one, other in self.betas
        )
        return first, second, third

    def _send(self, sent: Sequence[Likelihood], evidence: list[Likelihood], alike: Sequence[Sequence[float]]) -> None:
        """Adds the evidence of a line that is like another, weakened by how often such lines differ."""
        for place, theirs in enumerate(sent):
            weakened = [sum(share * heard for share, heard in zip(row, theirs)) / sum(row) for row in alike]
            first, second, third = (mine * other for mine, other in zip(evidence[place], weakened))
            evidence[place] = first, second, third

    def _line(self, line: Line, evidence: Sequence[Likelihood]) -> list[PlaceBelief]:
        """Forwards and backwards along a line, from its end, over pairs of states."""
        length = len(evidence)
        pairs: list[dict[tuple[int, int], float]] = [{(_BORDER, _BORDER): 1.0}]
        steps: list[dict[tuple[int, int], list[float]]] = []
        for distance in range(length):
            after: dict[tuple[int, int], float] = {}
            step = {}
            for (near, far), weight in pairs[-1].items():
                chances = self.chances(length, distance, line.rhyme, near, far)
                step[near, far] = [chances[state] * evidence[length - 1 - distance][state] for state in _STATES]
                for state in _STATES:
                    after[state, near] = after.get((state, near), 0.0) + weight * step[near, far][state]
            total = sum(after.values())
            pairs.append({pair: weight / total for pair, weight in after.items()})
            steps.append(step)
        rest = dict.fromkeys(pairs[-1], 1.0)
        found = []
        for distance in reversed(range(length)):
            states = [0.0] * 3
            before = dict.fromkeys(pairs[distance], 0.0)
            for (near, far), weight in pairs[distance].items():
                for state in _STATES:
                    onwards = steps[distance][near, far][state] * rest[state, near]
                    before[near, far] += onwards
                    states[state] += weight * onwards
            total = sum(states)
            found.append(self._belief([share / total for share in states], line.counts[length - 1 - distance]))
            scale = max(before.values())
            rest = {pair: weight / scale for pair, weight in before.items()}
        return found

    def _belief(self, states: Sequence[float], count: Counts) -> PlaceBelief:
        expected = [(one + count[0]) / (one + other + sum(count)) for one, other in self.betas]
        return PlaceBelief(states[LEVEL], states[OBLIQUE], sum(share * mean for share, mean in zip(states, expected)))

    def chances(self, length: int, distance: int, rhyme: Tone | None, near: int, far: int) -> list[float]:
        """The prior of a place's state, given the two places behind it (nearest first)."""
        asked = (length, distance, rhyme, near, far)
        if asked not in self._known:
            self._known[asked] = self._chances(*asked)
        return self._known[asked]

    def _chances(self, length: int, distance: int, rhyme: Tone | None, near: int, far: int) -> list[float]:
        found = [1 / 3] * 3
        for context in _contexts(length, distance, rhyme, near, far):
            seen = self.chain.get(context)
            if seen:
                total = seen.total() + _BACKOFF
                found = [(seen[state] + _BACKOFF * chance) / total for state, chance in enumerate(found)]
        return found


def _contexts(length: int, distance: int, rhyme: Tone | None, near: int, far: int) -> list[tuple[object, ...]]:
    """The contexts of a place, the widest first."""
    counted = min(distance, _LONGEST - 1)
    return [(near,), (near, far), (counted, near, far), (counted, rhyme, near, far), (length, distance, rhyme, near, far)]


def learn(tunes: Iterable[Sequence[tuple[Form, Sequence[Sequence[int]]]]], stanza_end: Callable[[Form], int]) -> PlaceModel:
    """The model that well-attested tunes suggest.

    Args:
        tunes: The variants of each tune: the form, and the percentage of level tones in each place (-1: unknown).
        stanza_end: After how many lines a form's second stanza begins; 0 for one stanza.
    """
    model = PlaceModel()
    shares: list[list[float]] = [[], [], []]
    for variants in tunes:
        for form, levels in variants:
            rhymed = [slots[-1].tone if slots[-1].rhyme else None for slots in form.lines]
            states = _states(form)
            for line, rhyme, row in zip(states, rhymed, levels):
                near = far = _BORDER
                for distance, state in enumerate(reversed(line)):
                    for context in _contexts(len(line), distance, rhyme, near, far):
                        model.chain.setdefault(context, Counter())[state] += 1
                    near, far = state, near
                for state, share in zip(line, row):
                    if share >= 0:
                        shares[state].append(share / 100)
            for mine, theirs in enumerate(mirrors(form.line_lengths, rhymed, stanza_end(form))):
                if theirs is not None:
                    _count_pairs(model.mirrored, states[mine], states[theirs])
        for number, (form, _) in enumerate(variants):
            for other, _ in variants[:number]:
                for mine, theirs in aligned(form.line_lengths, other.line_lengths):
                    _count_pairs(model.sisterly, _states(form)[mine], _states(other)[theirs])
                    _count_pairs(model.sisterly, _states(other)[theirs], _states(form)[mine])
    model.betas = tuple(_beta_of(found) for found in shares)
    return model


def _states(form: Form) -> list[list[int]]:
    state_of = {Tone.LEVEL: LEVEL, Tone.OBLIQUE: OBLIQUE, None: FREE}
    return [[state_of[slot.tone] for slot in slots] for slots in form.lines]


def _count_pairs(table: list[list[float]], mine: Sequence[int], theirs: Sequence[int]) -> None:
    for one, other in zip(mine, theirs):
        table[one][other] += 1


def _beta_of(shares: Sequence[float]) -> tuple[float, float]:
    """The Beta distribution with the mean and variance of shares."""
    if len(shares) < 2:
        return 1.0, 1.0
    mean = min(0.995, max(0.005, sum(shares) / len(shares)))
    variance = sum((share - mean) ** 2 for share in shares) / len(shares)
    strength = max(1.0, mean * (1 - mean) / max(variance, 1e-6) - 1)
    return mean * strength, (1 - mean) * strength


def _log_beta(one: float, other: float) -> float:
    return math.lgamma(one) + math.lgamma(other) - math.lgamma(one + other)
