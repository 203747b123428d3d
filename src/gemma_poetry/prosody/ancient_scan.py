"""Scansion of ancient verse (古体): rhyme alone.

In: the rhyme book and the lines of a 四言诗, 五言古诗, 六言诗, 七言古诗 or a 绝句 that rhymes oblique. Out: a `Scansion`.

What is asked for: each sentence rhymes at its end, in any tone. Sentences are of two lines, or of three where the closing
marks say so; where marks and couplets differ, what leaves fewer faults counts. Of a poem that rhymes in every line each
line is asked to. The rhyme may change (换韵) if each rhyme holds two words at least, of two sentences or of one. Words of
one 平水韵 group rhyme; words of one 词林正韵 part in the same tone class (平, 上去, 入) are taken together as a licence (通韵).
By a book whose groups hold all tones, words of one group in the same tone class rhyme, and there is no such licence.
A first line that rhymes is marked, and asked for nothing. Tones inside the lines are free.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gemma_poetry.languages import _
from gemma_poetry.prosody.findings import ONLY_READING, Fault, Place, Scansion
from gemma_poetry.prosody.forms import FULL_STOP, Tone
from gemma_poetry.prosody.interpretation import Heard
from gemma_poetry.prosody.lexicon import Reading
from gemma_poetry.prosody.rhyme_book import RhymeBook
from gemma_poetry.prosody.rhyme_books import PINGSHUI
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


class _Word(NamedTuple):
    """A word that may rhyme.

    Attributes:
        readings: Its readings; none for an unknown character.
        classes: The classes that they are of.
        groups: The groups that they are in, apart by tone class.
    """

    readings: tuple[Reading, ...]
    classes: frozenset[_Class]
    groups: frozenset[str]


def _class(reading: Reading) -> _Class:
    return _Class(reading.part, reading.tone is Tone.LEVEL)


def _word(place: Heard, book: RhymeBook) -> _Word:
    return _Word(place.readings, frozenset(map(_class, place.readings)), frozenset(map(book.toned_rhyme, place.readings)))


def scan_ancient(lines: Sequence[str], name: str, pattern: str = "", marks: str = "", book: RhymeBook = PINGSHUI) -> Scansion:
    """Reads a poem for its rhyme.

    Args:
        lines: The lines.
        name: The form's name.
        pattern: What kind of it the poem is, as the scansion shall say.
        marks: One closing mark a line, where they are known; empty: every second line ends a sentence.
        book: The rhyme book.
    """
    heard = book.interpret(lines)
    words = {number: _word(line[-1], book) for number, line in enumerate(heard, 1)}
    # min keeps the first of equals: the marks tell more than the count of lines does.
    rhymes, found = min((_read(words, lines, sentences, book) for sentences in _divisions(words, marks)), key=_cost)
    verdict = verdict_of(fault.rule for fault in found)
    rhyme_of = {number: rhyme for rhyme in rhymes for number in rhyme.numbers}
    certain = all(words[number].classes <= rhyme.classes for number, rhyme in rhyme_of.items())
    rhyme_of |= _also_rhyming(words, rhymes)
    variables = {id(rhyme): chr(ord("a") + index % 26) for index, rhyme in enumerate(rhymes)}
    return Scansion(
        name,
        pattern,
        tuple(lines),
        verdict,
        verdict.passes and certain,
        "、".join(dict.fromkeys(_name(rhyme, book) for rhyme in rhymes if len(rhyme.numbers) > 1)),
        tuple(
            tuple(_places(line, line_heard, rhyme, variables[id(rhyme)] if rhyme else "", book))
            for line, line_heard, rhyme in ((line, own, rhyme_of.get(n)) for n, (line, own) in enumerate(zip(lines, heard), 1))
        ),
        tuple(fault for fault in found if fault.rule.verdict is Verdict.FAIL),
        tuple(fault for fault in found if fault.rule.verdict is not Verdict.FAIL),
        (_("ancient verse (古体) is judged by its rhyme alone"),),
        book,
    )


def _divisions(words: dict[int, _Word], marks: str) -> list[list[list[int]]]:
    """The ways to divide a poem into sentences, each of which rhymes at its end; the likeliest first.

    A poem of which nearly all lines share one group rhymes in every line (燕歌行, 饮中八仙歌).
    """
    numbers = list(words)
    known = [number for number in numbers if words[number].readings]
    votes = Counter(group for number in known for group in words[number].groups)
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
    words: dict[int, _Word], lines: Sequence[str], sentences: Sequence[Sequence[int]], book: RhymeBook
) -> tuple[list[_Rhyme], list[Fault]]:
    """The rhymes of a poem whose sentences are these, and what is wrong with them."""
    rhymes = _divide(words, sentences)
    found: list[Fault] = []
    for index, rhyme in enumerate(rhymes):
        known = [number for number in rhyme.numbers if words[number].readings]
        if len(known) == 1 and len(rhyme.numbers) == 1:
            (number,) = known
            beside = [other for other in (*rhymes[index - 1 : index], *rhymes[index + 1 : index + 2]) if len(other.numbers) > 1]
            wanted = _name(beside[0], book) if beside else "a rhyme"
            found.append(Fault(Rule.RHYME, number, len(lines[number - 1]), wanted, "/".join(sorted(words[number].groups))))
        elif known and not rhyme.groups:
            number = _first_stranger(known, words)
            actual = "/".join(sorted(words[number].groups))
            found.append(Fault(Rule.JOINED_RHYME, number, len(lines[number - 1]), _name(rhyme, book), actual))
    return rhymes, found


def _cost(read: tuple[list[_Rhyme], list[Fault]]) -> int:
    return sum(fault.rule.verdict is Verdict.FAIL for fault in read[1])


def _divide(words: dict[int, _Word], sentences: Sequence[Sequence[int]]) -> list[_Rhyme]:
    """The words at the ends of sentences in runs, each as long as its words share a class; unknown words break none."""
    rhymes: list[_Rhyme] = []
    for sentence in sentences:
        number = sentence[-1]
        if not words[number].readings:
            if rhymes:
                rhymes[-1].numbers.append(number)
            continue
        own = _Rhyme([number], words[number].classes, words[number].groups)
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


def _complete(single: _Rhyme, sentence: Sequence[int], before: _Rhyme | None, words: dict[int, _Word]) -> None:
    """Finds a fellow for a rhyme word that stands alone: another line of its sentence, or the last of the run before."""
    for fellow in reversed(sentence[:-1]):
        if words[fellow].classes & single.classes:
            return _join(single, fellow, words)
    if before and len(before.numbers) > 2 and words[before.numbers[-1]].classes & single.classes:
        _join(single, before.numbers.pop(), words)
    return None


def _also_rhyming(words: dict[int, _Word], rhymes: Sequence[_Rhyme]) -> dict[int, _Rhyme]:
    """The lines that rhyme though nothing asks them to: the first of the poem, and the first of a new rhyme."""
    found: dict[int, _Rhyme] = {}
    taken = {number for rhyme in rhymes for number in rhyme.numbers}
    for rhyme in rhymes:
        if len(rhyme.numbers) < 2:
            continue
        # In front of the first word that is asked to rhyme stand one line of its sentence, or two.
        begin = max((number for number in taken if number < rhyme.numbers[0]), default=0) + 1
        for number in range(max(begin, rhyme.numbers[0] - 2), rhyme.numbers[0]):
            shared = words[number].groups & rhyme.groups if rhyme.groups else words[number].classes & rhyme.classes
            if shared:
                found[number] = rhyme
    return found


def _join(rhyme: _Rhyme, number: int, words: dict[int, _Word]) -> None:
    rhyme.numbers.insert(0, number)
    rhyme.classes &= words[number].classes
    rhyme.groups &= words[number].groups


def _name(rhyme: _Rhyme, book: RhymeBook) -> str:
    if rhyme.groups:
        return "/".join(sorted(rhyme.groups))
    return "/".join(book.parts[part] for part in sorted({one.part for one in rhyme.classes}))


def _first_stranger(numbers: Sequence[int], words: dict[int, _Word]) -> int:
    """The first line whose word leaves the group that the first words share."""
    shared = words[numbers[0]].groups
    for number in numbers[1:]:
        if not shared & words[number].groups:
            return number
        shared &= words[number].groups
    return numbers[-1]


def _places(line: str, heard: Sequence[Heard], rhyme: _Rhyme | None, variable: str, book: RhymeBook) -> list[Place]:
    places = []
    for index, (char, place) in enumerate(zip(line, heard)):
        tones = "".join(dict.fromkeys(sorted((reading.tone.value for reading in place.readings), key="平仄".index)))
        ends = rhyme is not None and index == len(line) - 1
        taken, reason = _taken(place, rhyme if ends else None, book)
        places.append(Place(char, tones, "中", variable if ends else "", taken, reason))
    return places


def _taken(place: Heard, rhyme: _Rhyme | None, book: RhymeBook) -> tuple[Reading | None, str]:
    if len({(reading.rhyme, reading.tone) for reading in place.readings}) == 1:
        return place.readings[0], place.reason or ONLY_READING
    if rhyme and len(rhyme.numbers) > 1:
        for reading in place.readings:
            if book.toned_rhyme(reading) in rhyme.groups or (not rhyme.groups and _class(reading) in rhyme.classes):
                return reading, _("rhyme")
    if place.reason:
        return place.readings[0], place.reason
    return None, ""
