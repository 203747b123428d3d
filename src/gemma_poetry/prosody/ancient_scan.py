"""Scansion of ancient verse (古体): rhyme alone.

In: the lines of a 四言诗, 五言古诗, 六言诗, 七言古诗 or a 绝句 that rhymes oblique. Out: a `Scansion`.

What is asked for: every second line rhymes, in any tone, and the last line where their number is odd. The rhyme may change
(换韵) if each rhyme holds two words at least, two rhyming lines or both lines of a couplet. Words of one 平水韵 group
rhyme; words of one 词林正韵 part in the same tone class (平, 上去, 入) are taken together as a licence (通韵). Tones inside
the lines are free.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gemma_poetry.prosody.findings import ONLY_READING, Fault, Place, Scansion
from gemma_poetry.prosody.interpretation import Heard, interpret
from gemma_poetry.prosody.lexicon import Reading
from gemma_poetry.prosody.rhyme import PART_NAMES
from gemma_poetry.prosody.rules import Rule, Verdict, verdict_of


class _Class(NamedTuple):
    """Readings that may be taken together: one part, and one of 平, 上去, 入 (whose parts are their own)."""

    part: int
    level: bool


@dataclass(slots=True)
class _Rhyme:
    """A run of rhyme words.

    Attributes:
        numbers: Their lines, from 1.
        classes: The classes that all of them share; empty where a single word rhymes with nothing.
        groups: The groups that all of them share; empty where they are only taken together.
    """

    numbers: list[int]
    classes: frozenset[_Class]
    groups: frozenset[str]


def _classes(place: Heard) -> frozenset[_Class]:
    return frozenset(_Class(reading.part, reading.contour == "平") for reading in place.readings)


def _groups(place: Heard) -> frozenset[str]:
    return frozenset(reading.group for reading in place.readings)


def scan_ancient(lines: Sequence[str], name: str, pattern: str = "") -> Scansion:
    """Reads a poem for its rhyme.

    Args:
        lines: The lines.
        name: The form's name.
        pattern: What kind of it the poem is, as the scansion shall say.
    """
    heard = interpret(lines)
    words = {number: line[-1] for number, line in enumerate(heard, 1)}
    rhyming = [number for number in words if number % 2 == 0 or number == len(lines)]
    rhymes = _divide(words, [number for number in rhyming if words[number].readings])
    found: list[Fault] = []
    for index, rhyme in enumerate(rhymes):
        if len(rhyme.numbers) == 1:
            number = rhyme.numbers[0]
            beside = [other for other in (*rhymes[index - 1 : index], *rhymes[index + 1 : index + 2]) if len(other.numbers) > 1]
            wanted = _name(beside[0]) if beside else "a rhyme"
            found.append(Fault(Rule.RHYME, number, len(lines[number - 1]), wanted, "/".join(sorted(_groups(words[number])))))
        elif not rhyme.groups:
            number = _first_stranger(rhyme, words)
            actual = "/".join(sorted(_groups(words[number])))
            found.append(Fault(Rule.JOINED_RHYME, number, len(lines[number - 1]), _name(rhyme), actual))
    verdict = verdict_of(fault.rule for fault in found)
    rhyme_of = {number: rhyme for rhyme in rhymes for number in rhyme.numbers}
    variables = {number: chr(ord("a") + index % 26) for index, rhyme in enumerate(rhymes) for number in rhyme.numbers}
    return Scansion(
        name,
        pattern,
        tuple(lines),
        verdict,
        verdict.passes and all(_certain(words[number], rhyme) for number, rhyme in rhyme_of.items()),
        "、".join(dict.fromkeys(_name(rhyme) for rhyme in rhymes if len(rhyme.numbers) > 1)),
        tuple(
            tuple(_places(line, line_heard, rhyme_of.get(number), variables.get(number, "")))
            for number, (line, line_heard) in enumerate(zip(lines, heard), 1)
        ),
        tuple(fault for fault in found if fault.rule.verdict is Verdict.FAIL),
        tuple(fault for fault in found if fault.rule.verdict is not Verdict.FAIL),
        ("ancient verse (古体) is judged by its rhyme alone",),
    )


def _divide(words: dict[int, Heard], rhyming: Sequence[int]) -> list[_Rhyme]:
    """The rhyme words in runs, each as long as its words share a class."""
    rhymes: list[_Rhyme] = []
    for number in rhyming:
        own = _Rhyme([number], _classes(words[number]), _groups(words[number]))
        last = rhymes[-1] if rhymes else None
        if last and last.classes & own.classes:
            last.numbers.append(number)
            last.classes &= own.classes
            last.groups &= own.groups
        else:
            rhymes.append(own)
    for index, rhyme in enumerate(rhymes):
        if len(rhyme.numbers) == 1:
            _complete(rhyme, rhymes[index - 1] if index else None, words)
    return rhymes


def _complete(single: _Rhyme, before: _Rhyme | None, words: dict[int, Heard]) -> None:
    """Finds a fellow for a rhyme word that stands alone: the other line of its couplet, or the last of the run before."""
    number = single.numbers[0]
    fellow = number - 1
    if number % 2 == 0 and _classes(words[fellow]) & single.classes:
        _join(single, fellow, words)
    elif before and len(before.numbers) > 2 and _classes(words[before.numbers[-1]]) & single.classes:
        _join(single, before.numbers.pop(), words)


def _join(rhyme: _Rhyme, number: int, words: dict[int, Heard]) -> None:
    rhyme.numbers.insert(0, number)
    rhyme.classes &= _classes(words[number])
    rhyme.groups &= _groups(words[number])


def _name(rhyme: _Rhyme) -> str:
    if rhyme.groups:
        return "/".join(sorted(rhyme.groups))
    return "/".join(PART_NAMES[part] for part in sorted({one.part for one in rhyme.classes}))


def _first_stranger(rhyme: _Rhyme, words: dict[int, Heard]) -> int:
    """The first line whose word leaves the group that the first words share."""
    shared = _groups(words[rhyme.numbers[0]])
    for number in rhyme.numbers[1:]:
        if not shared & _groups(words[number]):
            return number
        shared &= _groups(words[number])
    return rhyme.numbers[-1]


def _certain(place: Heard, rhyme: _Rhyme) -> bool:
    """Whether every reading of a rhyme word is in its rhyme."""
    return all(_Class(reading.part, reading.contour == "平") in rhyme.classes for reading in place.readings)


def _places(line: str, heard: Sequence[Heard], rhyme: _Rhyme | None, variable: str) -> list[Place]:
    places = []
    for index, (char, place) in enumerate(zip(line, heard)):
        tones = "".join(dict.fromkeys(sorted((reading.tone.value for reading in place.readings), key="平仄".index)))
        ends = rhyme is not None and index == len(line) - 1
        taken, reason = _taken(place, rhyme if ends else None)
        places.append(Place(char, tones, "中", variable if ends else "", taken, reason))
    return places


def _taken(place: Heard, rhyme: _Rhyme | None) -> tuple[Reading | None, str]:
    if len({(reading.rhyme, reading.tone) for reading in place.readings}) == 1:
        return place.readings[0], place.reason or ONLY_READING
    if rhyme and len(rhyme.numbers) > 1:
        for reading in place.readings:
            if reading.group in rhyme.groups or (
                not rhyme.groups and _Class(reading.part, reading.contour == "平") in rhyme.classes
            ):
                return reading, "rhyme"
    if place.reason:
        return place.readings[0], place.reason
    return None, ""
