"""Regulated verse (近体诗) has a metre: what each line type asks for, and what a line of given tones makes of it.

In: the tones of a line, one of 平 and 仄 for each character, and a line type. Out: the `Finding`s (faults, licences) of
that line; the chains of line types that 绝句, 律诗 and 排律 follow; the patterns as `Form`s of strict slots.

    A 仄起仄收 仄仄平平仄    B 平起平收 平平仄仄平    C 平起仄收 平平平仄仄    D 仄起平收 仄仄仄平平
    of seven characters: two more before these five
    of six (六言): A 中仄中平中仄, B 中平中仄平平, C 中平中仄中仄, D 中仄中平仄平
    chain: A B C D A B C D …, or C D A B …; a rhymed first line is D (then B C D A …) or B (then D A B C …)
    on an oblique rhyme (仄韵): B A D C …, or D C B A …; a rhymed first line is A (then C B A …) or C (then A D C …)

Rules after the handbooks in the line of Wang Li (诗词格律); where authorities differ it is said at the rule. What lines of
six characters keep, the handbooks hardly say: it is what 1,980 poems of the collection do (docs/results.md). Beats 2 and 4
contrast in a line, the leads contrast in a couplet, and the couplets 仄平仄 / 平仄平 are mostly repeated, so that 粘 is free.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gemma_poetry.languages import _
from gemma_poetry.prosody.forms import FIXED_SHAPES, OBLIQUE_FORMS, Form, Slot, Tone, alternating_marks, form_name
from gemma_poetry.prosody.rules import Rule, Verdict, verdict_of

LEVEL, OBLIQUE, EITHER = "平", "仄", "中"


class Finding(NamedTuple):
    """A rule that a line meets at a position (from 1), and the tone that would have been regular there."""

    rule: Rule
    position: int
    expected: str


@dataclass(frozen=True, slots=True, eq=False)
class LineType:
    """One of the four line types.

    Attributes:
        name: A, B, C or D.
        second: The tone of the second of five or six characters; of seven, of the fourth.
        last: The tone of the last.
    """

    name: str
    second: str
    last: str

    def lead(self, characters: int) -> str:
        """The tone of the second character of a line, which 粘 and 对 go by."""
        return _opposite(self.second) if characters == 7 else self.second


def _opposite(tone: str) -> str:
    return OBLIQUE if tone == LEVEL else LEVEL


A, B, C, D = (
    LineType("A", OBLIQUE, OBLIQUE),
    LineType("B", LEVEL, LEVEL),
    LineType("C", LEVEL, OBLIQUE),
    LineType("D", OBLIQUE, LEVEL),
)
LINE_TYPES = (A, B, C, D)

_STRICT = {A: "中仄平平仄", B: "平平中仄平", C: "中平平仄仄", D: "中仄仄平平"}
_STRICT_OF_SIX = {A: "中仄中平中仄", B: "中平中仄平平", C: "中平中仄中仄", D: "中仄中平仄平"}


def strict_pattern(kind: LineType, characters: int) -> str:
    """The type as 平, 仄 and 中 (where either tone keeps every rule without a licence)."""
    if characters == 6:
        return _STRICT_OF_SIX[kind]
    return (EITHER + kind.lead(7) if characters == 7 else "") + _STRICT[kind]


class Pattern(NamedTuple):
    """What the line types of a whole poem follow from.

    Attributes:
        opening: The type of the first line.
        rhyme: The tone of its rhyme; lines that do not rhyme end in the other.
        adheres: Whether each couplet adheres to the one before (粘); else all have the lead of the one before.
    """

    opening: LineType
    rhyme: str = LEVEL
    adheres: bool = True

    @property
    def opens_rhymed(self) -> bool:
        """Whether the first line rhymes."""
        return self.opening.last == self.rhyme

    @property
    def name(self) -> str:
        """Its name without what the length of the lines adds: 首句入韵, 仄韵首句不入韵."""
        oblique, apart = "仄韵" if self.rhyme == OBLIQUE else "", "" if self.adheres else "不粘"
        return f"{oblique}{apart}首句{'' if self.opens_rhymed else '不'}入韵"

    def kinds(self, lines: int) -> tuple[LineType, ...]:
        """The line types of a poem of so many lines."""
        types = [self.opening]
        while len(types) < lines:
            before = types[-1]
            odd = len(types) % 2 == 1
            # Within a couplet 对: the other lead, rhymed. Between couplets 粘: the same lead, unrhymed.
            second = _opposite(before.second) if odd or not self.adheres else before.second
            last = self.rhyme if odd else _opposite(self.rhyme)
            types.append(next(kind for kind in LINE_TYPES if (kind.second, kind.last) == (second, last)))
        return tuple(types)


def chain(opening: LineType, lines: int) -> tuple[LineType, ...]:
    """The line types of a poem on a level rhyme that opens with a type."""
    return Pattern(opening).kinds(lines)


@functools.cache
def line_findings(tones: str, kind: LineType, next_third: str = "") -> tuple[Finding, ...]:
    """What a line makes of its type.

    Args:
        tones: Five, six or seven of 平 and 仄.
        kind: The type that is expected.
        next_third: For type A, the tone of the next line's third character before its last two (position 3 of 5, 5 of 7),
            by which a twist is mended; empty where there is none, and behind a line that rhymes.
    """
    if len(tones) == 6:
        return _findings_of_six(tones, kind)
    core, start = tones[-5:], len(tones) - 5
    first, second, third, fourth, last = list(core)
    found = []

    def add(rule: Rule, position: int, expected: str) -> None:
        found.append(Finding(rule, start + position, expected))

    if start and tones[1] == kind.second:
        found.append(Finding(Rule.BEAT, 2, _opposite(kind.second)))
    if second != kind.second:
        add(Rule.BEAT, 2, kind.second)
    if kind is A:
        if fourth == OBLIQUE:
            add(Rule.MAJOR_TWIST_MENDED if next_third == LEVEL else Rule.MAJOR_TWIST, 4, LEVEL)
        elif third == OBLIQUE:
            add(Rule.MINOR_TWIST, 3, LEVEL)
    elif kind is B:
        if fourth == LEVEL:
            add(Rule.BEAT, 4, OBLIQUE)
        elif first == OBLIQUE and second == LEVEL:
            add(Rule.LONE_LEVEL_MENDED if third == LEVEL else Rule.LONE_LEVEL, 1, LEVEL)
    elif kind is C:
        if third == OBLIQUE and fourth == LEVEL:
            if first == LEVEL:
                add(Rule.SWAP_ALLOWED, 3, LEVEL)
            else:
                add(Rule.SWAP, 1, LEVEL)
        elif fourth == LEVEL:
            add(Rule.BEAT, 4, OBLIQUE)
        elif third == OBLIQUE:
            add(Rule.THREE_OBLIQUE, 3, LEVEL)
    else:
        if fourth == OBLIQUE:
            add(Rule.BEAT, 4, LEVEL)
        elif third == LEVEL:
            add(Rule.THREE_LEVEL, 3, OBLIQUE)
    if last != kind.last:
        add(Rule.LINE_END, 5, kind.last)
    return tuple(sorted(found, key=lambda finding: finding.position))


def _findings_of_six(tones: str, kind: LineType) -> tuple[Finding, ...]:
    """What a line of six characters makes of its type: two beats that contrast, its end, and the place before it."""
    found = []
    for position, asked in ((2, kind.second), (4, _opposite(kind.second))):
        if tones[position - 1] != asked:
            found.append(Finding(Rule.BEAT, position, asked))
    fifth = _STRICT_OF_SIX[kind][4]
    if fifth not in (EITHER, tones[4]):
        found.append(Finding(Rule.FIFTH_OF_SIX, 5, fifth))
    if tones[5] != kind.last:
        found.append(Finding(Rule.LINE_END, 6, kind.last))
    return tuple(found)


def line_verdict(findings: Sequence[Finding]) -> Verdict:
    """The verdict on a line with these findings."""
    return verdict_of(finding.rule for finding in findings)


def pattern_name(pattern: Pattern, characters: int) -> str:
    """The usual name of a pattern: 平起 or 仄起 by the first line's second character; 仄韵 where the rhyme is oblique."""
    lead = "平起" if pattern.opening.lead(characters) == LEVEL else "仄起"
    before, _unused, after = pattern.name.partition("首句")
    return f"{before}{lead}首句{after}"


def _patterns(characters: int) -> dict[str, Pattern]:
    if characters == 6:
        found = [Pattern(A, adheres=False), *map(Pattern, LINE_TYPES)]
    else:
        found = [Pattern(kind, rhyme) for rhyme in (LEVEL, OBLIQUE) for kind in LINE_TYPES]
    return {pattern_name(pattern, characters): pattern for pattern in found}


PATTERNS: dict[int, dict[str, Pattern]] = {characters: _patterns(characters) for characters in (5, 6, 7)}
"""The patterns by characters a line and name; those on an oblique rhyme are of 绝句 alone."""

_RHYMED_FIRST, _OBLIQUE_FIRST = "首句入韵", "首句仄脚"


def without_first_rhyme(name: str) -> str:
    """The name of a pattern on an oblique rhyme where the first line ends oblique and does not rhyme (首句仄脚)."""
    return name.replace(_RHYMED_FIRST, _OBLIQUE_FIRST)


def find_pattern(name: str, characters: int) -> Pattern:
    """The pattern of a name, also of one that `without_first_rhyme` gave.

    Raises:
        KeyError: No pattern is called so.
    """
    return PATTERNS[characters][name.replace(_OBLIQUE_FIRST, _RHYMED_FIRST)]


REGULATED_CHARACTERS = {
    "五言绝句": 5, "七言绝句": 7, "五言律诗": 5, "七言律诗": 7, "五言排律": 5, "七言排律": 7, "六言绝句": 6, "六言律诗": 6,
}  # fmt: skip
"""The regulated forms, and the characters of their lines."""

_EXAMINATION_LINES = 12


def patterns_of(name: str) -> dict[str, Pattern]:
    """The patterns of a regulated form by their names: four, and of 五言绝句 and 七言绝句 four more on an oblique rhyme."""
    known = PATTERNS[REGULATED_CHARACTERS[name]]
    return {own: pattern for own, pattern in known.items() if pattern.rhyme == LEVEL or name in OBLIQUE_FORMS}


@functools.cache
def regulated_forms(name: str, lines: int | None = None, rhyme: Tone = Tone.LEVEL) -> tuple[Form, ...]:
    """The patterns of a regulated form, as strict slots that need no licence.

    Args:
        name: 五言绝句, 七言绝句, 五言律诗, 七言律诗, 五言排律, 七言排律, 六言绝句, 六言律诗, or a short name.
        lines: Lines of a 排律, an even number from 10 (default 12, the 六韵 of the examinations).
        rhyme: The tone of the rhyme; oblique for a 绝句 of five or seven characters alone.

    Raises:
        UnknownFormError: No form is called so.
        ValueError: The form is not regulated, has no such number of lines, or does not rhyme oblique.
    """
    full = form_name(name)
    if full not in REGULATED_CHARACTERS:
        raise ValueError(_("{full} is no regulated form", full=full))
    if full in FIXED_SHAPES:
        count = FIXED_SHAPES[full][0]
        if lines not in (None, count):
            raise ValueError(_("{full} has {count} lines, not {lines}", full=full, count=count, lines=lines))
    else:
        count = _EXAMINATION_LINES if lines is None else lines
        if count < 10 or count % 2:
            raise ValueError(_("{full} has an even number of lines from 10, not {lines}", full=full, lines=lines))
    patterns = {own: pattern for own, pattern in patterns_of(full).items() if pattern.rhyme == rhyme.value}
    if not patterns:
        raise ValueError(_("{full} does not rhyme oblique (仄韵): of regulated forms only 绝句 may", full=full))
    return tuple(
        Form(full, tuple(_strict_slots(kind, pattern, REGULATED_CHARACTERS[full]) for kind in pattern.kinds(count)),
             alternating_marks(count), own)
        for own, pattern in patterns.items()
    )  # fmt: skip


def _strict_slots(kind: LineType, pattern: Pattern, characters: int) -> tuple[Slot, ...]:
    slots = [Slot(None if letter == EITHER else Tone(letter)) for letter in strict_pattern(kind, characters)]
    if kind.last == pattern.rhyme:
        slots[-1] = Slot(Tone(pattern.rhyme), "a")
    return tuple(slots)
