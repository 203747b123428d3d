"""Scansion of regulated verse: the line types, readings and rhyme that a poem is best read with.

In: the lines of a 绝句, 律诗 or 排律, a rhyme book. Out: a `Scansion`.

Line types are chosen line by line, so that one broken joint (失粘, 失对) is one fault, and not a fault in every line behind
it. A dynamic programme over the lines finds the types and tones with the fewest faults, then the fewest mended
departures, then the fewest minor ones; what it chooses between is every reading that the book leaves open.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

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
    A,
    Finding,
    LineType,
    Pattern,
    find_pattern,
    line_findings,
    line_verdict,
    pattern_name,
    strict_pattern,
    without_first_rhyme,
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
# Of choices that are as good, the one that agrees with words: less than the lightest licence for a whole poem.
_UNLIKELY_COST = 0.001
_LINES_OF_OCTAVE = 8


class _Step(NamedTuple):
    """The cheapest way to read the lines up to one: the type and the tones of each, and what they cost."""

    cost: float
    kinds: tuple[LineType, ...] = ()
    tones: tuple[str, ...] = ()


def scan_regulated(
    lines: Sequence[str], name: str, pattern: str = "", rhyme: Tone = Tone.LEVEL, book: RhymeBook = PINGSHUI
) -> Scansion:
    """Reads a poem as regulated verse.

    Args:
        lines: An even number of lines, at least two, of five, six or seven characters each.
        name: The form's name.
        pattern: The pattern that it must keep; empty: any of those on the rhyme.
        rhyme: The tone of the rhyme, where no pattern says it.
        book: The rhyme book.
    """
    heard = book.interpret(lines)
    scansion = _scan(lines, name, pattern, rhyme, heard, book)
    if scansion.verdict is Verdict.FAIL:
        # The traditional form that the context suggests may be the wrong one (香烟 of a temple is not 香菸).
        wider = book.interpret(lines, widened=True)
        widened = _scan(lines, name, pattern, rhyme, wider, book) if wider != heard else scansion
        if len(widened.faults) < len(scansion.faults):
            return widened
    return scansion


def _scan(
    lines: Sequence[str], name: str, pattern: str, rhyme_tone: Tone, heard: list[list[Heard]], book: RhymeBook
) -> Scansion:
    characters = len(lines[0])
    openings, rhyme = list(LINE_TYPES), rhyme_tone.value
    if pattern:
        opening, rhyme, _unused = find_pattern(pattern, characters)
        openings = [opening]
    group = _choose_group(heard, rhyme, book)
    first_rule = _rule_of_first(lines, heard, group, rhyme, book)
    tones = [[_tones(place.readings) for place in line] for line in heard]
    likely = [[place.likely.value if place.likely else "" for place in line] for line in heard]
    best = _best_path(tones, likely, openings, rhyme, first_rule is None or first_rule.verdict is not Verdict.FAIL)
    found = sorted(
        [*_metre_faults(best, characters, rhyme), *_rhyme_faults(lines, heard, best, group, rhyme, first_rule, book)],
        key=lambda fault: (fault.line, fault.position),
    )
    verdict = verdict_of(fault.rule for fault in found)
    rhyming = [kind.last == rhyme for kind in best.kinds]
    named = pattern_name(_pattern_found(best, characters, rhyme), characters)
    if any(fault.rule is Rule.OBLIQUE_FIRST for fault in found):
        rhyming[0], named = False, without_first_rhyme(named)
    return Scansion(
        name,
        named,
        tuple(lines),
        verdict,
        verdict.passes and every_reading_passes(lines, book, Tone(rhyme)),
        group,
        tuple(
            tuple(
                _places(line, line_heard, kind, chosen, _mending_third(kind, rhyme, best.tones[number:]), ends and group, book)
            )
            for number, (line, line_heard, kind, chosen, ends) in enumerate(
                zip(lines, heard, best.kinds, best.tones, rhyming), 1
            )
        ),
        tuple(fault for fault in found if fault.rule.verdict is Verdict.FAIL),
        tuple(fault for fault in found if fault.rule.verdict is not Verdict.FAIL),
        (
            *(_unlikely_readings(lines, heard, best, rhyme) if verdict.passes else ()),
            *(_parallel_remarks(lines) if len(lines) >= _LINES_OF_OCTAVE else ()),
        ),
        book,
    )


def _unlikely_readings(lines: Sequence[str], heard: Sequence[Sequence[Heard]], best: _Step, rhyme: str) -> Iterator[str]:
    """Where a line passes only with a reading that the word of the character hardly has."""
    for number, (line, places, kind, tones) in enumerate(zip(lines, heard, best.kinds, best.tones), 1):
        third = _mending_third(kind, rhyme, best.tones[number:])
        for position, (char, place, tone) in enumerate(zip(line, places, tones), 1):
            if place.likely is None or place.likely.value == tone:
                continue
            other = tones[: position - 1] + place.likely.value + tones[position:]
            if not line_verdict(line_findings(other, kind, third)).passes:
                yield _(
                    "line {line}, position {position} {char}: the form needs it {tone}, against its {reason}",
                    line=number,
                    position=position,
                    char=char,
                    tone=tone,
                    reason=place.likely_reason,
                )


def _pattern_found(best: _Step, characters: int, rhyme: str) -> Pattern:
    """The pattern that a poem opens with; of six characters also whether its couplets adhere."""
    opening = best.kinds[0]
    repeats = characters == 6 and opening is A and all(kind is A for kind in best.kinds[2::2])
    return Pattern(opening, rhyme, not repeats)


def _mending_third(kind: LineType, rhyme: str, following: Sequence[str]) -> str:
    """The tone of the next line by which a line may be mended; a line that rhymes is mended by none."""
    return following[0][-3] if following and kind is A and rhyme == LEVEL else ""


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


def _best_path(
    poem: Sequence[Sequence[str]], likely: Sequence[Sequence[str]], openings: Sequence[LineType], rhyme: str, first_rhymes: bool
) -> _Step:
    """The cheapest types and tones of a poem, given the tones that each place may have, and those that words make likely."""
    steps: dict[tuple[LineType, str] | None, _Step] = {None: _Step(0)}
    for index, line in enumerate(poem):
        kinds = openings if index == 0 else [kind for kind in LINE_TYPES if (kind.last == rhyme) == (index % 2 == 1)]
        following: dict[tuple[LineType, str] | None, _Step] = {}
        for kind, tones in itertools.product(kinds, _resolutions(line)):
            # The next line may mend one of type A: what it costs, and so which tones are best, is not known before.
            pending = kind is A and rhyme == LEVEL and index + 1 < len(poem)
            own: float = 0 if pending else _cost(line_findings(tones, kind))
            own += _UNLIKELY_COST * sum(bool(wanted) and wanted != tone for wanted, tone in zip(likely[index], tones))
            if index == 0 and kind.last == rhyme and not first_rhymes:
                own += _TONE_COST
            best = min(
                (
                    _Step(step.cost + own + _joint_cost(step, kind, tones, rhyme), step.kinds, step.tones)
                    for step in steps.values()
                ),
                key=lambda step: step.cost,
            )
            key = (kind, tones if pending else "")
            if key not in following or best.cost < following[key].cost:
                following[key] = _Step(best.cost, (*best.kinds, kind), (*best.tones, tones))
        steps = following
    return min(steps.values(), key=lambda step: step.cost)


def _joint_cost(step: _Step, kind: LineType, tones: str, rhyme: str) -> int:
    """What a line costs beside its own findings: the joint with the line before, and that line's if it was pending."""
    if not step.kinds:
        return 0
    before = step.kinds[-1]
    cost = _cost(line_findings(step.tones[-1], before, tones[-3])) if before is A and rhyme == LEVEL else 0
    return cost if _joined(before, kind, len(step.kinds), len(tones)) else cost + _JOINT_COST


def _joined(before: LineType, kind: LineType, index: int, characters: int) -> bool:
    """Whether a line (from 0) contrasts with the one before in its couplet, or adheres to the couplet before."""
    in_couplet = index % 2 == 1
    # Of lines of six characters no couplet needs to adhere to another.
    return (before.second != kind.second) == in_couplet or (characters == 6 and not in_couplet)


def _metre_faults(best: _Step, characters: int, rhyme: str) -> list[Fault]:
    faults = []
    for index, (kind, tones) in enumerate(zip(best.kinds, best.tones)):
        third = _mending_third(kind, rhyme, best.tones[index + 1 :])
        for finding in line_findings(tones, kind, third):
            faults.append(Fault(finding.rule, index + 1, finding.position, finding.expected, tones[finding.position - 1]))
        if index and not _joined(best.kinds[index - 1], kind, index, characters):
            actual = kind.lead(characters)
            expected = OBLIQUE if actual == LEVEL else LEVEL
            faults.append(Fault(Rule.CONTRAST if index % 2 else Rule.ADHESION, index + 1, 2, expected, actual))
    return faults


def _groups(place: Heard, rhyme: str, book: RhymeBook) -> frozenset[str]:
    """The groups that a character may rhyme in, on a rhyme of this tone."""
    return frozenset(book.rhyme(reading) for reading in place.readings if reading.tone.value == rhyme)


def _choose_group(heard: Sequence[Sequence[Heard]], rhyme: str, book: RhymeBook) -> str:
    """The group that most even lines can rhyme in; of equals the one that suits the first line best."""
    # Sets have no order of their own: max keeps the group that comes first in the poem, and of one word in the book.
    groups = (sorted(_groups(line[-1], rhyme, book), key=book.rhymes.index) for line in heard[1::2])
    counts = Counter(itertools.chain.from_iterable(groups))
    first = _groups(heard[0][-1], rhyme, book)

    def worth(group: str) -> tuple[int, bool, bool]:
        return counts[group], group in first, not first.isdisjoint(book.neighbours(group))

    return max(counts, key=worth, default="")


def _rule_of_first(
    lines: Sequence[str], heard: Sequence[Sequence[Heard]], group: str, rhyme: str, book: RhymeBook
) -> Rule | None:
    """What becomes of the first line if it ends in the tone of the rhyme: nothing, a licence, or a fault."""
    place = heard[0][-1]
    if lines[0][-1] in {line[-1] for line in lines[1::2]}:
        return Rule.REPEATED_RHYME
    own = _groups(place, rhyme, book)
    if not place.readings or not group or group in own:
        return None
    if not book.neighbours(group).isdisjoint(own):
        return Rule.NEIGHBOUR_RHYME
    return Rule.OBLIQUE_FIRST if rhyme == OBLIQUE else Rule.RHYME


def _rhyme_faults(
    lines: Sequence[str],
    heard: Sequence[Sequence[Heard]],
    best: _Step,
    group: str,
    rhyme: str,
    first_rule: Rule | None,
    book: RhymeBook,
) -> list[Fault]:
    faults = []
    line_of: dict[str, int] = {}
    for number, (line, kind, tones, line_heard) in enumerate(zip(lines, best.kinds, best.tones, heard), 1):
        word, place, position = line[-1], line_heard[-1], len(line)
        if kind.last != rhyme or tones[-1] != rhyme:
            continue
        own = _groups(place, rhyme, book)
        rule = first_rule if number == 1 else Rule.RHYME if group not in own and place.readings else None
        if rule is Rule.OBLIQUE_FIRST:
            faults.append(Fault(rule, number, position, LEVEL, OBLIQUE))
            continue
        if word in line_of:
            faults.append(Fault(Rule.REPEATED_RHYME, number, position, group, f"{word} = {line_of[word]}"))
        line_of.setdefault(word, number)
        if rule in (Rule.RHYME, Rule.NEIGHBOUR_RHYME):
            faults.append(Fault(rule, number, position, group, "/".join(sorted(own))))
    return faults


def _places(
    line: str,
    heard: Sequence[Heard],
    kind: LineType,
    chosen: str,
    next_third: str,
    group: str | Literal[False],
    book: RhymeBook,
) -> list[Place]:
    """The places of a line; `group` is what it rhymes in, or `False` where it does not rhyme."""
    expected = strict_pattern(kind, len(line))
    verdict = verdict_of(finding.rule for finding in line_findings(chosen, kind, next_third))
    places = []
    for index, (char, place, asked) in enumerate(zip(line, heard, expected)):
        rhymes = group is not False and index == len(line) - 1
        tones = _tones(place.readings)
        taken, reason = _taken(place, chosen[index], group if rhymes and group else "", book)
        if not taken and len(tones) > 1:
            other = OBLIQUE if chosen[index] == LEVEL else LEVEL
            flipped = chosen[:index] + other + chosen[index + 1 :]
            if verdict_of(finding.rule for finding in line_findings(flipped, kind, next_third)) != verdict:
                taken, reason = _first_of_tone(place.readings, chosen[index]), _("metre")
            elif place.likely is not None and place.likely.value == chosen[index]:
                taken, reason = _first_of_tone(place.readings, chosen[index]), place.likely_reason
        places.append(Place(char, tones, asked, "a" if rhymes else "", taken, reason))
    return places


def _taken(place: Heard, tone: str, group: str, book: RhymeBook) -> tuple[Reading | None, str]:
    """The reading that is taken without asking the metre, and why; `None` where several stay open."""
    if group:
        rhyming = [one for one in place.readings if one.tone.value == tone and book.rhyme(one) == group]
        if rhyming:
            return rhyming[0], place.reason or (_("rhyme") if len(place.readings) > 1 else ONLY_READING)
    if len({(reading.rhyme, reading.tone) for reading in place.readings}) == 1:
        return place.readings[0], place.reason or ONLY_READING
    if place.reason:
        return place.readings[0], place.reason
    return None, ""


def _first_of_tone(found: Sequence[Reading], tone: str) -> Reading | None:
    return next((reading for reading in found if reading.tone.value == tone), None)
