"""Scansion of regulated verse: the line types, readings and rhyme that a poem is best read with.

In: the readings of every place. Out: a `Scansion`.

Line types are chosen line by line, so that one broken joint (失粘, 失对) is one fault, and not a fault in every line behind
it; a small dynamic programme over the lines finds the choice of types and readings with the least and lightest faults.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from gemma_poetry.prosody.forms import Tone
from gemma_poetry.prosody.lexicon import Reading, readings
from gemma_poetry.prosody.regulated import (
    LEVEL,
    LINE_TYPES,
    OPENINGS,
    A,
    Finding,
    LineType,
    chain,
    line_findings,
    pattern_name,
    strict_pattern,
)
from gemma_poetry.prosody.rhyme import PART_NAMES
from gemma_poetry.prosody.rules import Rule, Verdict, verdict_of
from gemma_poetry.prosody.scansion import Fault, Place, Scansion

# A joint costs more than one wrong tone and less than two, so that a single wrong tone is never taken for a line of
# another type, and a line of another type never for several wrong tones.
_TONE_COST, _JOINT_COST = 200, 300
_LICENCE_COSTS = {Verdict.STRICT: 1, Verdict.MINOR: 10, Verdict.RESCUED: 12}


class _Step(NamedTuple):
    """The cheapest way to read the lines up to one: types and tones of each line, and what they cost."""

    cost: int
    kinds: tuple[LineType, ...]
    tones: tuple[str, ...]


def _cost(findings: Sequence[Finding]) -> int:
    return sum(_LICENCE_COSTS.get(finding.rule.verdict, _TONE_COST) for finding in findings)


def scan_regulated(lines: Sequence[str], name: str, pattern: str = "") -> Scansion:
    """Reads a poem as regulated verse.

    Args:
        lines: An even number of lines of five or seven characters each.
        name: The form's name.
        pattern: The pattern that it must keep; empty: any.
    """
    characters = len(lines[0])
    heard = [[readings(char) for char in line] for line in lines]
    group = _choose_group(heard)
    first_rhymes = _first_line_rhymes(heard[0][-1], group, [line[-1] for line in heard[1::2]])
    masks = [[_tone_mask(found) for found in line] for line in heard]
    openings = [OPENINGS[characters][pattern]] if pattern else list(LINE_TYPES)
    best = _best_path(masks, openings, first_rhymes)
    found = _faults(best, characters)
    found += _rhyme_faults(lines, heard, best, group)
    found.sort(key=lambda fault: (fault.line, fault.position))
    faults = tuple(fault for fault in found if fault.rule.verdict is Verdict.FAIL)
    licences = tuple(fault for fault in found if fault.rule.verdict is not Verdict.FAIL)
    places = tuple(
        tuple(
            Place(char, mask, expected, "a" if kind.rhymed and last else "", *_taken(found_readings, tone, mask))
            for char, mask, expected, found_readings, tone, last in zip(
                line, line_masks, strict_pattern(kind, characters), line_heard, tones, [False] * (characters - 1) + [True]
            )
        )
        for line, line_masks, line_heard, kind, tones in zip(lines, masks, heard, best.kinds, best.tones)
    )
    verdict = verdict_of(fault.rule for fault in found)
    return Scansion(
        name, pattern_name(best.kinds[0], characters), tuple(lines), verdict, False, group, places, faults, licences
    )


def _taken(found: tuple[Reading, ...], tone: str, mask: str) -> tuple[Reading | None, str]:
    own = [reading for reading in found if reading.tone.value == tone]
    if len(found) == 1:
        return found[0], "only reading"
    return (own[0], "metre") if own and len(mask) > 1 else (None, "")


def _tone_mask(found: Sequence[Reading]) -> str:
    tones = {reading.tone for reading in found}
    return "".join(tone.value for tone in Tone if tone in tones)


def _resolutions(masks: Sequence[str]) -> list[str]:
    return ["".join(choice) for choice in itertools.product(*(mask or "平仄" for mask in masks))]


def _best_path(masks: Sequence[Sequence[str]], openings: Sequence[LineType], first_rhymes: bool) -> _Step:
    count = len(masks)
    steps: dict[tuple[LineType, str], _Step] = {}
    for index, line in enumerate(masks):
        choices = _resolutions(line)
        if index == 0:
            allowed = openings
        else:
            allowed = [kind for kind in LINE_TYPES if kind.rhymed == (index % 2 == 1)]
        following: dict[tuple[LineType, str], _Step] = {}
        for kind in allowed:
            for tones in choices:
                # A line of type A is costed with the next line, which may mend it.
                pending = kind is A and index + 1 < count
                own = 0 if pending else _cost(line_findings(tones, kind))
                if index == 0 and kind.rhymed and not first_rhymes:
                    own += _TONE_COST
                best: _Step | None = None
                if index == 0:
                    best = _Step(own, (kind,), (tones,))
                for (before, pending_tones), step in steps.items():
                    cost = step.cost + own
                    if pending_tones:
                        cost += _cost(line_findings(step.tones[-1], before, tones[-3]))
                    if not _joined(before, kind, index):
                        cost += _JOINT_COST
                    if best is None or cost < best.cost:
                        best = _Step(cost, (*step.kinds, kind), (*step.tones, tones))
                assert best is not None
                # Which tones are best in a line that the next may mend stays open until that is read.
                key = (kind, tones if pending else "")
                if key not in following or best.cost < following[key].cost:
                    following[key] = best
        steps = following
    return min(steps.values(), key=lambda step: step.cost)


def _joined(before: LineType, kind: LineType, index: int) -> bool:
    return (before.second != kind.second) == (index % 2 == 1)


def _faults(best: _Step, characters: int) -> list[Fault]:
    faults = []
    for index, (kind, tones) in enumerate(zip(best.kinds, best.tones)):
        following = best.tones[index + 1][-3] if kind is A and index + 1 < len(best.tones) else ""
        for finding in line_findings(tones, kind, following):
            faults.append(Fault(finding.rule, index + 1, finding.position, finding.expected, tones[finding.position - 1]))
        if index and not _joined(best.kinds[index - 1], kind, index):
            before = best.kinds[index - 1].lead(characters)
            expected = before if index % 2 == 0 else ("仄" if before == LEVEL else LEVEL)
            rule = Rule.CONTRAST if index % 2 else Rule.ADHESION
            faults.append(Fault(rule, index + 1, 2, expected, kind.lead(characters)))
    return faults


def _level_groups(found: Sequence[Reading]) -> set[str]:
    return {reading.group for reading in found if reading.tone is Tone.LEVEL}


def _choose_group(heard: Sequence[Sequence[tuple[Reading, ...]]]) -> str:
    counts: Counter[str] = Counter()
    for line in heard[1::2]:
        counts.update(_level_groups(line[-1]))
    for group in _level_groups(heard[0][-1]):
        if group in counts:
            counts[group] += 0
    return max(counts, key=lambda group: (counts[group], group in _level_groups(heard[0][-1])), default="")


def _first_line_rhymes(first: Sequence[Reading], group: str, even: Sequence[Sequence[Reading]]) -> bool:
    return _rhyme_of_first(first, group, even) is not Rule.RHYME


def _rhyme_of_first(first: Sequence[Reading], group: str, even: Sequence[Sequence[Reading]]) -> Rule | None:
    if not first or group in _level_groups(first):
        return None
    parts = {reading.part for line in even for reading in line if reading.group == group}
    if any(reading.part in parts for reading in first if reading.tone is Tone.LEVEL):
        return Rule.NEIGHBOUR_RHYME
    return Rule.RHYME


def _rhyme_faults(lines: Sequence[str], heard: Sequence[Sequence[tuple[Reading, ...]]], best: _Step, group: str) -> list[Fault]:
    faults = []
    seen: dict[str, int] = {}
    even = [line[-1] for line in heard[1::2]]
    for index, (line, kind, found) in enumerate(zip(lines, best.kinds, heard)):
        if not kind.rhymed:
            continue
        last = found[-1]
        actual = "/".join(dict.fromkeys(f"{reading.group}" for reading in last)) or "?"
        rule = _rhyme_of_first(last, group, even) if index == 0 else None
        if index and last and group not in _level_groups(last) and _level_groups(last):
            rule = Rule.RHYME
        if rule:
            faults.append(Fault(rule, index + 1, len(line), group, actual))
        if line[-1] in seen:
            faults.append(
                Fault(Rule.REPEATED_RHYME, index + 1, len(line), f"≠{line[-1]}", f"{line[-1]} (line {seen[line[-1]]})")
            )
        seen.setdefault(line[-1], index + 1)
    return faults


__all__ = ["PART_NAMES", "chain", "scan_regulated"]
