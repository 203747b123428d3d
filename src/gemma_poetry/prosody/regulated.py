"""Regulated verse (近体诗) has a metre: what each line type asks for, and what a line of given tones makes of it.

In: the tones of a line, one of 平 and 仄 for each character, and a line type. Out: the `Finding`s (faults, licences) of
that line; the chains of line types that 绝句, 律诗 and 排律 follow; the patterns as `Form`s of strict slots.

    A 仄起仄收 仄仄平平仄    B 平起平收 平平仄仄平    C 平起仄收 平平平仄仄    D 仄起平收 仄仄仄平平
    of seven characters: two more before these five
    chain: A B C D A B C D …, or C D A B …; a rhymed first line is D (then B C D A …) or B (then D A B C …)

Rules after the handbooks in the line of Wang Li (诗词格律); where authorities differ it is said at the rule.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gemma_poetry.languages import _
from gemma_poetry.prosody.forms import FIXED_SHAPES, Form, Slot, Tone, alternating_marks, form_name
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
        second: The tone of the second of five characters; of seven, of the fourth.
        rhymed: Whether it ends level, and so rhymes.
    """

    name: str
    second: str
    rhymed: bool

    def lead(self, characters: int) -> str:
        """The tone of the second character of a line, which 粘 and 对 go by."""
        return self.second if characters == 5 else _opposite(self.second)


def _opposite(tone: str) -> str:
    return OBLIQUE if tone == LEVEL else LEVEL


A, B, C, D = (
    LineType("A", OBLIQUE, False),
    LineType("B", LEVEL, True),
    LineType("C", LEVEL, False),
    LineType("D", OBLIQUE, True),
)
LINE_TYPES = (A, B, C, D)

_STRICT = {A: "中仄平平仄", B: "平平中仄平", C: "中平平仄仄", D: "中仄仄平平"}


def strict_pattern(kind: LineType, characters: int) -> str:
    """The type as 平, 仄 and 中 (where either tone keeps every rule without a licence)."""
    return (EITHER + kind.lead(7) if characters == 7 else "") + _STRICT[kind]


def chain(opening: LineType, lines: int) -> tuple[LineType, ...]:
    """The line types of a poem that opens with a type."""
    types = [opening]
    while len(types) < lines:
        before = types[-1]
        odd = len(types) % 2 == 1
        # Within a couplet 对: the other lead, rhymed. Between couplets 粘: the same lead, unrhymed.
        second = _opposite(before.second) if odd else before.second
        types.append(next(kind for kind in LINE_TYPES if kind.second == second and kind.rhymed == odd))
    return tuple(types)


@functools.cache
def line_findings(tones: str, kind: LineType, next_third: str = "") -> tuple[Finding, ...]:
    """What a line makes of its type.

    Args:
        tones: Five or seven of 平 and 仄.
        kind: The type that is expected.
        next_third: For type A, the tone of the next line's third character before its last two (position 3 of 5, 5 of 7),
            by which a twist is mended; empty where there is none.
    """
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
    ending = LEVEL if kind.rhymed else OBLIQUE
    if last != ending:
        add(Rule.LINE_END, 5, ending)
    return tuple(sorted(found, key=lambda finding: finding.position))


def line_verdict(findings: Sequence[Finding]) -> Verdict:
    """The verdict on a line with these findings."""
    return verdict_of(finding.rule for finding in findings)


def pattern_name(opening: LineType, characters: int) -> str:
    """The usual name of the pattern that opens with a type: 平起 or 仄起 by the first line's second character."""
    lead = "平" if opening.lead(characters) == LEVEL else "仄"
    return f"{lead}起首句{'' if opening.rhymed else '不'}入韵"


OPENINGS: dict[int, dict[str, LineType]] = {
    characters: {pattern_name(kind, characters): kind for kind in LINE_TYPES} for characters in (5, 7)
}
"""The four patterns by characters a line and name."""

REGULATED_CHARACTERS = {
    "五言绝句": 5, "七言绝句": 7, "五言律诗": 5, "七言律诗": 7, "五言排律": 5, "七言排律": 7,
}  # fmt: skip
"""The regulated forms, and the characters of their lines."""

_EXAMINATION_LINES = 12


@functools.cache
def regulated_forms(name: str, lines: int | None = None) -> tuple[Form, ...]:
    """The four patterns of a regulated form, as strict slots that need no licence.

    Args:
        name: 五言绝句, 七言绝句, 五言律诗, 七言律诗, 五言排律, 七言排律, or a short name.
        lines: Lines of a 排律, an even number from 10 (default 12, the 六韵 of the examinations).

    Raises:
        UnknownFormError: No form is called so.
        ValueError: The form is not regulated, or has no such number of lines.
    """
    full = form_name(name)
    if full not in REGULATED_CHARACTERS:
        raise ValueError(_("{full} is no regulated form", full=full))
    characters = REGULATED_CHARACTERS[full]
    if full in FIXED_SHAPES:
        count = FIXED_SHAPES[full][0]
        if lines not in (None, count):
            raise ValueError(_("{full} has {count} lines, not {lines}", full=full, count=count, lines=lines))
    else:
        count = _EXAMINATION_LINES if lines is None else lines
        if count < 10 or count % 2:
            raise ValueError(_("{full} has an even number of lines from 10, not {lines}", full=full, lines=lines))
    return tuple(
        Form(full, tuple(_strict_slots(kind, characters) for kind in chain(opening, count)), alternating_marks(count), pattern)
        for pattern, opening in OPENINGS[characters].items()
    )


def _strict_slots(kind: LineType, characters: int) -> tuple[Slot, ...]:
    slots = [Slot(None if letter == EITHER else Tone(letter)) for letter in strict_pattern(kind, characters)]
    if kind.rhymed:
        slots[-1] = Slot(Tone.LEVEL, "a")
    return tuple(slots)
