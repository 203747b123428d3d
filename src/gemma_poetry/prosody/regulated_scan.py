"""Scansion of regulated verse: the line types, readings and rhyme that a poem is best read with.

In: the lines of a 绝句, 律诗 or 排律, a rhyme book. Out: a `Scansion`.

Line types are chosen line by line, so that one broken joint (失粘, 失对) is one fault, and not a fault in every line behind
it. A dynamic programme over the lines finds the types and tones with the fewest faults, then the fewest mended
departures, then the fewest minor ones; what it chooses between is every reading that the book leaves open.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from gemma_poetry.languages import _, listed
from gemma_poetry.prosody.findings import ONLY_READING, Fault, Place, Scansion
from gemma_poetry.prosody.forms import Tone
from gemma_poetry.prosody.interpretation import Heard
from gemma_poetry.prosody.lexicon import Reading
from gemma_poetry.prosody.parallelism import parallelism
from gemma_poetry.prosody.regulated import (
    LEVEL,
    LINE_TYPES,
    OBLIQUE,
    OPENINGS,
    A,
    Finding,
    LineType,
    line_findings,
    pattern_name,
    strict_pattern,
)
from gemma_poetry.prosody.rhyme_book import RhymeBook
from gemma_poetry.prosody.rhyme_books import PINGSHUI
from gemma_poetry.prosody.rules import Rule, Verdict, verdict_of
from gemma_poetry.prosody.verdicts import every_reading_passes

# Each weight outweighs all that a poem may gather of the lighter ones, so that the least cost has the best verdict. A
# joint costs more than one wrong tone and less than two: a wrong tone is then never taken for a line of another type, nor
# a line of another type for several wrong tones.
_TONE_COST, _JOINT_COST = 2_000_000, 3_000_000
_LICENCE_COSTS = {Verdict.STRICT: 0, Verdict.MINOR: 1, Verdict.RESCUED: 1_000}
_LINES_OF_OCTAVE = 8


class _Step(NamedTuple):
    """The cheapest way to read the lines up to one: the type and the tones of each, and what they cost."""

    cost: int
    kinds: tuple[LineType, ...] = ()
    tones: tuple[str, ...] = ()


def scan_regulated(lines: Sequence[str], name: str, pattern: str = "", book: RhymeBook = PINGSHUI) -> Scansion:
    """Reads a poem as regulated verse.

    Args:
        lines: An even number of lines, at least two, of five or seven characters each.
        name: The form's name.
        pattern: The pattern that it must keep; empty: any of the four.
        book: The rhyme book.
    """
    heard = book.interpret(lines)
    scansion = _scan(lines, name, pattern, heard, book)
    if scansion.verdict is Verdict.FAIL:
        # The traditional form that the context suggests may be the wrong one (香烟 of a temple is not 香菸).
        wider = book.interpret(lines, widened=True)
        widened = _scan(lines, name, pattern, wider, book) if wider != heard else scansion
        if len(widened.faults) < len(scansion.faults):
            return widened
    return scansion


def _scan(lines: Sequence[str], name: str, pattern: str, heard: list[list[Heard]], book: RhymeBook) -> Scansion:
    characters = len(lines[0])
    group = _choose_group(heard, book)
    first_rule = _rule_of_first(lines, heard, group, book)
    tones = [[_tones(place.readings) for place in line] for line in heard]
    openings = [OPENINGS[characters][pattern]] if pattern else list(LINE_TYPES)
    best = _best_path(tones, openings, first_rule is None or first_rule.verdict is not Verdict.FAIL)
    found = sorted(
        [*_metre_faults(best, characters), *_rhyme_faults(lines, heard, best, group, first_rule, book)],
        key=lambda fault: (fault.line, fault.position),
    )
    verdict = verdict_of(fault.rule for fault in found)
    return Scansion(
        name,
        pattern_name(best.kinds[0], characters),
        tuple(lines),
        verdict,
        verdict.passes and every_reading_passes(lines, book),
        group,
        tuple(
            tuple(_places(line, line_heard, kind, chosen, best.tones[number + 1 : number + 2], group, book))
            for number, (line, line_heard, kind, chosen) in enumerate(zip(lines, heard, best.kinds, best.tones))
        ),
        tuple(fault for fault in found if fault.rule.verdict is Verdict.FAIL),
        tuple(fault for fault in found if fault.rule.verdict is not Verdict.FAIL),
        tuple(_parallel_remarks(lines)) if len(lines) >= _LINES_OF_OCTAVE else (),
        book,
    )


def _parallel_remarks(lines: Sequence[str]) -> list[str]:
    """What the couplets that ought to be parallel, all but the first and the last, have of it."""
    middle = [parallelism(lines[index], lines[index + 1]) for index in range(2, len(lines) - 2, 2)]
    if len(lines) > _LINES_OF_OCTAVE:
        return [
            _(
                "对仗: {middle} of {count} middle couplets are parallel",
                middle=sum(found.parallel for found in middle),
                count=len(middle),
            )
        ]
    remarks = []
    for number, found in enumerate(middle):
        first = 2 * number + 3
        kind = _("parallel") if found.parallel else _("hardly parallel")
        same = listed((_("; {lines} opposite itself", lines=lines[first - 1][position - 1]) for position in found.repeated), "")
        remarks.append(
            _(
                "对仗 of lines {first} and {first_2}: {kind}, {answered} of {count} places{same}",
                first=first,
                first_2=first + 1,
                kind=kind,
                answered=sum(found.answered),
                count=len(found.answered),
                same=same,
            )
        )
    return remarks


def _tones(found: Sequence[Reading]) -> str:
    tones = {reading.tone for reading in found}
    return "".join(tone.value for tone in Tone if tone in tones)


def _resolutions(line: Sequence[str]) -> list[str]:
    return ["".join(choice) for choice in itertools.product(*(tones or LEVEL + OBLIQUE for tones in line))]


def _cost(findings: Sequence[Finding]) -> int:
    return sum(_LICENCE_COSTS.get(finding.rule.verdict, _TONE_COST) for finding in findings)


def _best_path(poem: Sequence[Sequence[str]], openings: Sequence[LineType], first_rhymes: bool) -> _Step:
    """The cheapest types and tones of a poem, given the tones that each place may have."""
    steps: dict[tuple[LineType, str] | None, _Step] = {None: _Step(0)}
    for index, line in enumerate(poem):
        kinds = openings if index == 0 else [kind for kind in LINE_TYPES if kind.rhymed == (index % 2 == 1)]
        following: dict[tuple[LineType, str] | None, _Step] = {}
        for kind, tones in itertools.product(kinds, _resolutions(line)):
            # The next line may mend one of type A: what it costs, and so which tones are best, is not known before.
            pending = kind is A and index + 1 < len(poem)
            own = 0 if pending else _cost(line_findings(tones, kind))
            if index == 0 and kind.rhymed and not first_rhymes:
                own += _TONE_COST
            best = min(
                (_Step(step.cost + own + _joint_cost(step, kind, tones), step.kinds, step.tones) for step in steps.values()),
                key=lambda step: step.cost,
            )
            key = (kind, tones if pending else "")
            if key not in following or best.cost < following[key].cost:
                following[key] = _Step(best.cost, (*best.kinds, kind), (*best.tones, tones))
        steps = following
    return min(steps.values(), key=lambda step: step.cost)


def _joint_cost(step: _Step, kind: LineType, tones: str) -> int:
    """What a line costs beside its own findings: the joint with the line before, and that line's if it was pending."""
    if not step.kinds:
        return 0
    before = step.kinds[-1]
    cost = _cost(line_findings(step.tones[-1], before, tones[-3])) if before is A else 0
    return cost if _joined(before, kind, len(step.kinds)) else cost + _JOINT_COST


def _joined(before: LineType, kind: LineType, index: int) -> bool:
    """Whether a line (from 0) contrasts with the one before in its couplet, or adheres to the couplet before."""
    return (before.second != kind.second) == (index % 2 == 1)


def _metre_faults(best: _Step, characters: int) -> list[Fault]:
    faults = []
    for index, (kind, tones) in enumerate(zip(best.kinds, best.tones)):
        following = best.tones[index + 1][-3] if index + 1 < len(best.tones) else ""
        for finding in line_findings(tones, kind, following):
            faults.append(Fault(finding.rule, index + 1, finding.position, finding.expected, tones[finding.position - 1]))
        if index and not _joined(best.kinds[index - 1], kind, index):
            actual = kind.lead(characters)
            expected = OBLIQUE if actual == LEVEL else LEVEL
            faults.append(Fault(Rule.CONTRAST if index % 2 else Rule.ADHESION, index + 1, 2, expected, actual))
    return faults


def _level_groups(place: Heard, book: RhymeBook) -> frozenset[str]:
    return frozenset(book.rhyme(reading) for reading in place.readings if reading.tone is Tone.LEVEL)


def _choose_group(heard: Sequence[Sequence[Heard]], book: RhymeBook) -> str:
    """The level group that most even lines can rhyme in; of equals the one that suits the first line best."""
    counts = Counter(group for line in heard[1::2] for group in _level_groups(line[-1], book))
    first = _level_groups(heard[0][-1], book)

    def worth(group: str) -> tuple[int, bool, bool]:
        return counts[group], group in first, not first.isdisjoint(book.neighbours(group))

    return max(counts, key=worth, default="")


def _rule_of_first(lines: Sequence[str], heard: Sequence[Sequence[Heard]], group: str, book: RhymeBook) -> Rule | None:
    """What becomes of the first line if it rhymes: nothing, a licence, or a fault."""
    place = heard[0][-1]
    if lines[0][-1] in {line[-1] for line in lines[1::2]}:
        return Rule.REPEATED_RHYME
    own = _level_groups(place, book)
    if not place.readings or not group or group in own:
        return None
    return Rule.RHYME if book.neighbours(group).isdisjoint(own) else Rule.NEIGHBOUR_RHYME


def _rhyme_faults(
    lines: Sequence[str],
    heard: Sequence[Sequence[Heard]],
    best: _Step,
    group: str,
    first_rule: Rule | None,
    book: RhymeBook,
) -> list[Fault]:
    faults = []
    line_of: dict[str, int] = {}
    for number, (line, kind, tones, line_heard) in enumerate(zip(lines, best.kinds, best.tones, heard), 1):
        word, place, position = line[-1], line_heard[-1], len(line)
        if not kind.rhymed or tones[-1] != LEVEL:
            continue
        if word in line_of:
            faults.append(Fault(Rule.REPEATED_RHYME, number, position, group, f"{word} = {line_of[word]}"))
        line_of.setdefault(word, number)
        own = _level_groups(place, book)
        rule = first_rule if number == 1 else Rule.RHYME if group not in own and place.readings else None
        if rule in (Rule.RHYME, Rule.NEIGHBOUR_RHYME):
            faults.append(Fault(rule, number, position, group, "/".join(sorted(own))))
    return faults


def _places(
    line: str, heard: Sequence[Heard], kind: LineType, chosen: str, following: Sequence[str], group: str, book: RhymeBook
) -> list[Place]:
    next_third = following[0][-3] if following else ""
    expected = strict_pattern(kind, len(line))
    verdict = verdict_of(finding.rule for finding in line_findings(chosen, kind, next_third))
    places = []
    for index, (char, place, asked) in enumerate(zip(line, heard, expected)):
        rhymes = kind.rhymed and index == len(line) - 1
        tones = _tones(place.readings)
        taken, reason = _taken(place, group if rhymes else "", book)
        if not taken and len(tones) > 1:
            other = OBLIQUE if chosen[index] == LEVEL else LEVEL
            flipped = chosen[:index] + other + chosen[index + 1 :]
            if verdict_of(finding.rule for finding in line_findings(flipped, kind, next_third)) != verdict:
                taken, reason = _first_of_tone(place.readings, chosen[index]), _("metre")
        places.append(Place(char, tones, asked, "a" if rhymes else "", taken, reason))
    return places


def _taken(place: Heard, group: str, book: RhymeBook) -> tuple[Reading | None, str]:
    """The reading that is taken without asking the metre, and why; `None` where several stay open."""
    if group:
        rhyming = [one for one in place.readings if one.tone is Tone.LEVEL and book.rhyme(one) == group]
        if rhyming:
            return rhyming[0], place.reason or (_("rhyme") if len(place.readings) > 1 else ONLY_READING)
    if len({(reading.rhyme, reading.tone) for reading in place.readings}) == 1:
        return place.readings[0], place.reason or ONLY_READING
    if place.reason:
        return place.readings[0], place.reason
    return None, ""


def _first_of_tone(found: Sequence[Reading], tone: str) -> Reading | None:
    return next((reading for reading in found if reading.tone.value == tone), None)
