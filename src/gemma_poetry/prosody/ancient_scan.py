"""Scansion of ancient verse (古体): rhyme alone.

In: the lines of a 四言诗, 五言古诗, 六言诗, 七言古诗 or a 绝句 that rhymes oblique. Out: a `Scansion`.

What is asked for: each sentence rhymes at its end, in any tone. Sentences are of two lines, or of three where the closing
marks say so; where marks and couplets differ, what leaves fewer faults counts. Of a poem that rhymes in every line each
line is asked to. The rhyme may change (换韵) if each rhyme holds two words at least, of two sentences or of one. Words of
one 平水韵 group rhyme; words of one 词林正韵 part in the same tone class (平, 上去, 入) are taken together as a licence (通韵).
A first line that rhymes is marked, and asked for nothing. Tones inside the lines are free.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gemma_poetry.languages import _
from gemma_poetry.prosody.findings import ONLY_READING, Fault, Place, Scansion
from gemma_poetry.prosody.forms import FULL_STOP
from gemma_poetry.prosody.interpretation import Heard, interpret
from gemma_poetry.prosody.lexicon import Reading
from gemma_poetry.prosody.rhyme import PART_NAMES
from gemma_poetry.prosody.rules import Rule, Verdict, verdict_of

_MAX_STRANGERS = 0.1
"""A poem rhymes in every line if no greater share of its lines leaves the group of the others."""


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


def scan_ancient(lines: Sequence[str], name: str, pattern: str = "", marks: str = "") -> Scansion:
    """Reads a poem for its rhyme.

    Args:
        lines: The lines.
        name: The form's name.
        pattern: What kind of it the poem is, as the scansion shall say.
        marks: One closing mark a line, where they are known; empty: every second line ends a sentence.
    """
    heard = interpret(lines)
    words = {number: line[-1] for number, line in enumerate(heard, 1)}
    # min keeps the first of equals: the marks tell more than the count of lines does.
    rhymes, found = min((_read(words, lines, sentences) for sentences in _divisions(words, marks)), key=_cost)
    verdict = verdict_of(fault.rule for fault in found)
    rhyme_of = {number: rhyme for rhyme in rhymes for number in rhyme.numbers}
    certain = all(_certain(words[number], rhyme) for number, rhyme in rhyme_of.items())
    rhyme_of |= _also_rhyming(words, rhymes)
    variables = {id(rhyme): chr(ord("a") + index % 26) for index, rhyme in enumerate(rhymes)}
    return Scansion(
        name,
        pattern,
        tuple(lines),
        verdict,
        verdict.passes and certain,
        "、".join(dict.fromkeys(_name(rhyme) for rhyme in rhymes if len(rhyme.numbers) > 1)),
        tuple(
            tuple(_places(line, line_heard, rhyme, variables[id(rhyme)] if rhyme else ""))
            for line, line_heard, rhyme in ((line, own, rhyme_of.get(n)) for n, (line, own) in enumerate(zip(lines, heard), 1))
        ),
        tuple(fault for fault in found if fault.rule.verdict is Verdict.FAIL),
        tuple(fault for fault in found if fault.rule.verdict is not Verdict.FAIL),
        (_("ancient verse (古体) is judged by its rhyme alone"),),
    )


def _divisions(words: dict[int, Heard], marks: str) -> list[list[list[int]]]:
    """The ways to divide a poem into sentences, each of which rhymes at its end; the likeliest first.

    A poem of which nearly all lines share one group rhymes in every line (燕歌行, 饮中八仙歌).
    """
    numbers = list(words)
    known = [number for number in numbers if words[number].readings]
    votes = Counter(group for number in known for group in _groups(words[number]))
    system_outputs = len(known) - max(votes.values(), default=0)
    if system_outputs <= _MAX_STRANGERS * len(known):
        return [[[number] for number in numbers]]
    couplets = [numbers[index : index + 2] for index in range(0, len(numbers), 2)]
    marked = _sentences(marks) if len(marks) == len(words) else couplets
    return [marked, couplets] if marked != couplets else [couplets]


def _sentences(marks: str) -> list[list[int]]:
    """The lines of each sentence, in twos and threes.

    One line alone is none, though ？ or ！ may close it (问君何能尔？心远地自偏。), and four or more are several that an editor
    has joined.
    """
    sentences: list[list[int]] = [[]]
    for number, mark in enumerate(marks, 1):
        sentences[-1].append(number)
        if mark == FULL_STOP and len(sentences[-1]) > 1:
            sentences.append([])
    divided = []
    for sentence in sentences:
        while len(sentence) > 3:
            divided.append(sentence[:2])
            sentence = sentence[2:]
        if sentence:
            divided.append(sentence)
    return divided


def _read(
    words: dict[int, Heard], lines: Sequence[str], sentences: Sequence[Sequence[int]]
) -> tuple[list[_Rhyme], list[Fault]]:
    """The rhymes of a poem whose sentences are these, and what is wrong with them."""
    rhymes = _divide(words, sentences)
    found: list[Fault] = []
    for index, rhyme in enumerate(rhymes):
        known = [number for number in rhyme.numbers if words[number].readings]
        if len(known) == 1 and len(rhyme.numbers) == 1:
            (number,) = known
            beside = [other for other in (*rhymes[index - 1 : index], *rhymes[index + 1 : index + 2]) if len(other.numbers) > 1]
            wanted = _name(beside[0]) if beside else "a rhyme"
            found.append(Fault(Rule.RHYME, number, len(lines[number - 1]), wanted, "/".join(sorted(_groups(words[number])))))
        elif known and not rhyme.groups:
            number = _first_stranger(known, words)
            actual = "/".join(sorted(_groups(words[number])))
            found.append(Fault(Rule.JOINED_RHYME, number, len(lines[number - 1]), _name(rhyme), actual))
    return rhymes, found


def _cost(read: tuple[list[_Rhyme], list[Fault]]) -> int:
    return sum(fault.rule.verdict is Verdict.FAIL for fault in read[1])


def _divide(words: dict[int, Heard], sentences: Sequence[Sequence[int]]) -> list[_Rhyme]:
    """The words at the ends of sentences in runs, each as long as its words share a class; unknown words break none."""
    rhymes: list[_Rhyme] = []
    for sentence in sentences:
        number = sentence[-1]
        if not words[number].readings:
            if rhymes:
                rhymes[-1].numbers.append(number)
            continue
        own = _Rhyme([number], _classes(words[number]), _groups(words[number]))
        last = rhymes[-1] if rhymes else None
        if last and last.classes & own.classes:
            last.numbers.append(number)
            last.classes &= own.classes
            last.groups &= own.groups
        else:
            rhymes.append(own)
    sentence_of = {sentence[-1]: sentence for sentence in sentences}
    for index, rhyme in enumerate(rhymes):
        if len(rhyme.numbers) == 1:
            _complete(rhyme, sentence_of[rhyme.numbers[0]], rhymes[index - 1] if index else None, words)
    return rhymes


def _complete(single: _Rhyme, sentence: Sequence[int], before: _Rhyme | None, words: dict[int, Heard]) -> None:
    """Finds a fellow for a rhyme word that stands alone: another line of its sentence, or the last of the run before."""
    for fellow in reversed(sentence[:-1]):
        if _classes(words[fellow]) & single.classes:
            return _join(single, fellow, words)
    if before and len(before.numbers) > 2 and _classes(words[before.numbers[-1]]) & single.classes:
        _join(single, before.numbers.pop(), words)
    return None


def _also_rhyming(words: dict[int, Heard], rhymes: Sequence[_Rhyme]) -> dict[int, _Rhyme]:
    """The lines that rhyme though nothing asks them to: the first of the poem, and the first of a new rhyme."""
    found: dict[int, _Rhyme] = {}
    taken = {number for rhyme in rhymes for number in rhyme.numbers}
    for rhyme in rhymes:
        if len(rhyme.numbers) < 2:
            continue
        # In front of the first word that is asked to rhyme stand one line of its sentence, or two.
        begin = max((number for number in taken if number < rhyme.numbers[0]), default=0) + 1
        for number in range(max(begin, rhyme.numbers[0] - 2), rhyme.numbers[0]):
            shared = _groups(words[number]) & rhyme.groups if rhyme.groups else _classes(words[number]) & rhyme.classes
            if shared:
                found[number] = rhyme
    return found


def _join(rhyme: _Rhyme, number: int, words: dict[int, Heard]) -> None:
    rhyme.numbers.insert(0, number)
    rhyme.classes &= _classes(words[number])
    rhyme.groups &= _groups(words[number])


def _name(rhyme: _Rhyme) -> str:
    if rhyme.groups:
        return "/".join(sorted(rhyme.groups))
    return "/".join(PART_NAMES[part] for part in sorted({one.part for one in rhyme.classes}))


def _first_stranger(numbers: Sequence[int], words: dict[int, Heard]) -> int:
    """The first line whose word leaves the group that the first words share."""
    shared = _groups(words[numbers[0]])
    for number in numbers[1:]:
        if not shared & _groups(words[number]):
            return number
        shared &= _groups(words[number])
    return numbers[-1]


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
                return reading, _("rhyme")
    if place.reason:
        return place.readings[0], place.reason
    return None, ""
