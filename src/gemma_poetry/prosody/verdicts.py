"""Verdicts on many poems: what `scan` says of regulated verse, without the reasons, some hundred times as fast.

In: the lines of a poem, a rhyme book. Out: its verdict, and whether every choice of readings passes.

    characters ──tone code 1 平, 2 仄, 3 both──> a key a line ──cached──> best and worst outcome under each line type
    rhyme words ──bit mask of the book's groups, level and oblique apart──> common group

There are no more than 3^7 keys, so every line of a corpus is looked up; a poem costs four chains of look-ups.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple

from gemma_poetry.prosody.forms import Tone
from gemma_poetry.prosody.lexicon import Reading
from gemma_poetry.prosody.lines import as_lines
from gemma_poetry.prosody.regulated import (
    LEVEL,
    LINE_TYPES,
    OBLIQUE,
    A,
    B,
    C,
    D,
    LineType,
    Pattern,
    line_findings,
    line_verdict,
)
from gemma_poetry.prosody.rhyme_book import RhymeBook
from gemma_poetry.prosody.rhyme_books import PINGSHUI
from gemma_poetry.prosody.rules import MAX_UNKNOWN_SHARE, Verdict

VERDICTS = (Verdict.STRICT, Verdict.MINOR, Verdict.RESCUED, Verdict.FAIL)
_FAIL = VERDICTS.index(Verdict.FAIL)
_CODE_OF_TONE = {Tone.LEVEL: "1", Tone.OBLIQUE: "2"}
_TONES_OF_CODE = {"1": LEVEL, "2": OBLIQUE, "3": LEVEL + OBLIQUE}
_REGULATED_LENGTHS = (5, 7)


class _RhymeMask(NamedTuple):
    """The groups of a character as bits."""

    some: int
    every: int


def _tone_code(found: Sequence[Reading]) -> str:
    tones = {reading.tone for reading in found}
    return "3" if len(tones) != 1 else _CODE_OF_TONE[tones.pop()]


class _Codes(dict[int, str]):
    """Tone codes by code point, found as `str.translate` asks for them; `unread` are the characters without a reading."""

    def __init__(self, book: RhymeBook) -> None:
        super().__init__({ord("\n"): "\n"})
        self.book = book
        self.unread: set[str] = set()

    def __missing__(self, code: int) -> str:
        found = self.book.heard_at_word(chr(code), False).readings
        if not found:
            self.unread.add(chr(code))
        self[code] = value = _tone_code(found)
        return value


class _Ending(NamedTuple):
    """A character at the end of a line: its tone code and its rhyme mask."""

    code: str
    mask: _RhymeMask


class _Ear:
    """Tone codes and rhyme masks of characters, by one rhyme book.

    Attributes:
        book: The book.
        all_groups: The bits of all its groups; level and oblique words of one group have bits of their own.
        groups_in: Those of each tone.
    """

    def __init__(self, book: RhymeBook) -> None:
        self.book = book
        self.codes = _Codes(book)
        self.endings: dict[str, _Ending] = {}
        self.any_forms: dict[str, int] = {}
        self.near: dict[int, int] = {}
        toned = [(tone, rhyme) for tone in Tone for rhyme in book.rhymes_in(tone)]
        self.bits = {one: 1 << index for index, one in enumerate(toned)}
        self.all_groups = (1 << len(self.bits)) - 1
        self.groups_in = {tone: sum(bit for (own, _rhyme), bit in self.bits.items() if own is tone) for tone in Tone}

    def mask(self, found: Sequence[Reading]) -> _RhymeMask:
        """The rhyme mask of a character with these readings."""
        by_rhyme: dict[str, int] = {}
        for reading in found:
            # The same final in level and oblique tones is two readings, of which one rhymes.
            key = f"{reading.rhyme}{reading.tone.value}"
            by_rhyme[key] = by_rhyme.get(key, 0) | self.bits[reading.tone, self.book.rhyme(reading)]
        some, every = 0, self.all_groups
        for bits in by_rhyme.values():
            some |= bits
            every &= bits
        # A character without a reading may be anything: it is reported, and not taken for a fault.
        return _RhymeMask(some, every) if by_rhyme else _RhymeMask(self.all_groups, 0)

    def neighbours(self, groups: int) -> int:
        """The bits of the groups that neighbour one of these."""
        near = self.near.get(groups)
        if near is None:
            own = [toned for toned, bit in self.bits.items() if groups & bit]
            near = self.near[groups] = functools.reduce(
                int.__or__, (self.bits[tone, other] for tone, rhyme in own for other in self.book.neighbours(rhyme)), 0
            )
        return near

    def any_form(self, char: str) -> int:
        """The groups that a character has as any traditional form that it may stand for."""
        groups = self.any_forms.get(char)
        if groups is None:
            groups = self.any_forms[char] = self.mask(self.book.heard(char, True).readings).some
        return groups

    def ending(self, char: str) -> _Ending:
        """A character at the end of a line."""
        ending = self.endings.get(char)
        if ending is None:
            found = self.book.heard_at_word(char, True).readings
            ending = self.endings[char] = _Ending(_tone_code(found), self.mask(found))
        return ending

    def read(self, lines: Sequence[str]) -> tuple[list[str], list[_RhymeMask]]:
        """The key and the rhyme mask of each line.

        Args:
            lines: The lines, converted to the script of the book's readings.
        """
        keys, masks = [], []
        modern = self.book.modern
        for key, line in zip("\n".join(lines).translate(self.codes).split("\n"), lines):
            code, mask = self.ending(line[-1])
            key = key[:-1] + code
            if "3" in key or modern:
                for place, left in self.book.settled(line):
                    if left.readings and (key[place] == "3" or modern):
                        key = key[:place] + _tone_code(left.readings) + key[place + 1 :]
                        if place == len(line) - 1:
                            mask = self.mask(left.readings)
            keys.append(key)
            masks.append(mask)
        return keys, masks


@functools.cache
def _ear(book: RhymeBook) -> _Ear:
    return _Ear(book)


def regulated_verdict(lines: str | Sequence[str], book: RhymeBook = PINGSHUI) -> Verdict:
    """The verdict of the best choice of readings, as regulated verse of any of the four patterns.

    Args:
        lines: The lines of a poem, or the poem as one text.
        book: The rhyme book.

    Returns:
        `FAIL` also for what has not the shape of regulated verse: at least four lines, an even number, of five or seven
        characters each. `NOT_JUDGED` where too many characters have no known reading, as for `scan`.
    """
    lines = as_lines(lines)
    if not _has_shape(lines):
        return Verdict.FAIL
    ear = _ear(book)
    read = book.converted(lines)
    keys, masks = ear.read(read)
    rank = _best(ear, lines, keys, masks)
    others = book.other_places(lines, read) if rank == _FAIL else ()
    for line, index, place in others:
        keys[line] = keys[line][:index] + _tone_code(place.readings) + keys[line][index + 1 :]
        if index == len(read[line]) - 1:
            masks[line] = ear.mask(place.readings)
    if others:
        rank = _best(ear, lines, keys, masks)
    return VERDICTS[rank] if _is_readable(ear, read) else Verdict.NOT_JUDGED


def _is_readable(ear: _Ear, lines: Sequence[str]) -> bool:
    """Whether few enough characters of a poem, and few enough of its rhyme words, have no known reading."""
    unread = ear.codes.unread
    if not unread or unread.isdisjoint("".join(lines)):
        return True
    unknown = sum(char in unread for line in lines for char in line)
    even = [line[-1] in unread for line in lines[1::2]]
    return unknown <= MAX_UNKNOWN_SHARE * len(lines) * len(lines[0]) and 2 * sum(even) < len(even)


def every_reading_passes(lines: str | Sequence[str], book: RhymeBook = PINGSHUI, rhyme: Tone = Tone.LEVEL) -> bool:
    """Whether the poem is regulated verse under every choice of readings; never with an unknown character.

    Args:
        lines: The lines of a poem, or the poem as one text.
        book: The rhyme book.
        rhyme: The tone of its rhyme.
    """
    lines = as_lines(lines)
    if not (_has_shape(lines) or _has_shape(lines, (6,))):
        return False
    ear = _ear(book)
    read = book.converted(lines)
    if not all(book.heard_at_word(char, False).readings for line in read for char in line):
        return False
    keys, masks = ear.read(read)
    common = ear.groups_in[rhyme]
    for mask in masks[1::2]:
        common &= mask.every
    even = [line[-1] for line in lines[1::2]]
    if not common or len(set(even)) < len(even):
        return False
    # Every choice of the first line's readings opens one pattern, under which all choices of the others must pass. Couplets
    # of six characters do not lean on each other: each is opened by its own first line.
    span = 2 if len(read[0]) == 6 else len(keys)
    for start in range(0, len(keys), span):
        for tones in _resolutions(keys[start]):
            opening = _kind_of(tones)
            if opening.last == rhyme.value:
                # On an oblique rhyme the first line may end oblique without rhyming.
                own = masks[0].some & ear.groups_in[Tone.LEVEL]
                astray = rhyme is Tone.LEVEL and own & ~(common | ear.neighbours(common))
                if start or lines[0][-1] in even or astray:
                    return False
            if _worst_rank(tones, keys[start + 1 : start + span], Pattern(opening, rhyme.value)) == _FAIL:
                return False
    return True


def _kind_of(tones: str) -> LineType:
    """The type that a line's lead and end are of."""
    second = tones[1] if len(tones) == 6 else tones[-4]
    return next(kind for kind in LINE_TYPES if (kind.second, kind.last) == (second, tones[-1]))


def is_level_rhymed(lines: Sequence[str], book: RhymeBook = PINGSHUI) -> bool:
    """Whether every even line may end level, and all of them, or all but one, share a level group.

    A simplified character may end its line as any traditional form that it has, so that no conversion decides on the form.
    """
    ear = _ear(book)
    read = book.converted(lines)
    if _share_group(ear, [ear.ending(line[-1]).mask.some for line in read[1::2]]):
        return True
    return read is not lines and _share_group(ear, [ear.any_form(line[-1]) for line in lines[1::2]])


def _share_group(ear: _Ear, masks: Sequence[int]) -> bool:
    masks = [mask & ear.groups_in[Tone.LEVEL] for mask in masks]
    if not all(masks):
        return False
    shared = functools.reduce(int.__and__, masks)
    if shared:
        return True
    return any(functools.reduce(int.__and__, [*masks[:out], *masks[out + 1 :]], ear.all_groups) for out in range(len(masks)))


def broken_share(lines: Sequence[str], book: RhymeBook = PINGSHUI) -> float:
    """How far a long poem is from regulated verse: broken couplets and broken joints, per couplet.

    Args:
        lines: An even number of lines, at least two, of five or seven characters each.
        book: The rhyme book.
    """
    keys, _ = _ear(book).read(book.converted(lines))
    outcomes = [_best_outcomes(key) for key in keys]
    # The least number of faults of all couplets so far, by the type that the last one ends with.
    after_b = after_d = 0
    for index in range(0, len(outcomes), 2):
        first, second = outcomes[index], outcomes[index + 1]
        ends_b = _couplet_rank(first, A, second, B) == _FAIL
        ends_d = _couplet_rank(first, C, second, D) == _FAIL
        if index == 0:
            ends_b = ends_b and _couplet_rank(first, D, second, B) == _FAIL
            ends_d = ends_d and _couplet_rank(first, B, second, D) == _FAIL
            after_b, after_d = int(ends_b), int(ends_d)
        else:
            # A follows D, and C follows B; else the joint is broken.
            after_b, after_d = min(after_d, after_b + 1) + ends_b, min(after_b, after_d + 1) + ends_d
    return min(after_b, after_d) / (len(lines) / 2)


def _has_shape(lines: Sequence[str], lengths: Sequence[int] = _REGULATED_LENGTHS) -> bool:
    count = len(lines)
    if count < 4 or count % 2 or len(lines[0]) not in lengths:
        return False
    characters = len(lines[0])
    return all(len(line) == characters for line in lines)


def _best(ear: _Ear, lines: Sequence[str], keys: Sequence[str], masks: Sequence[_RhymeMask]) -> int:
    even = [line[-1] for line in lines[1::2]]
    common = ear.groups_in[Tone.LEVEL]
    for mask in masks[1::2]:
        common &= mask.some
    if not common or len(set(even)) < len(even):
        return _FAIL
    first_rhymes = masks[0].some & (common | ear.neighbours(common)) and lines[0][-1] not in even
    outcomes = [_best_outcomes(key) for key in keys]
    best = _FAIL
    for opening in LINE_TYPES:
        if opening.last == LEVEL and not first_rhymes:
            continue
        rank = 0
        index = 0
        for one, other in _couplets(Pattern(opening), len(lines)):
            rank = max(rank, _couplet_rank(outcomes[index], one, outcomes[index + 1], other))
            if rank >= best:
                break
            index += 2
        best = min(best, rank)
    return best


@functools.cache
def _couplets(pattern: Pattern, lines: int) -> tuple[tuple[LineType, LineType], ...]:
    types = pattern.kinds(lines)
    return tuple(zip(types[::2], types[1::2]))


class _Outcomes(NamedTuple):
    """The ranks of a line under each type; those of A and B by the tone of B's third character before its last two."""

    a_before_level: int
    a_before_oblique: int
    b_level: int
    b_oblique: int
    c: int
    d: int


def _couplet_rank(first: _Outcomes, one: LineType, second: _Outcomes, other: LineType) -> int:
    if one is A:
        return min(max(first.a_before_level, second.b_level), max(first.a_before_oblique, second.b_oblique))
    if one is C:
        return max(first.c, second.d)
    if one is D:
        return max(first.d, min(second.b_level, second.b_oblique))
    return max(min(first.b_level, first.b_oblique), second.d)


@functools.cache
def _best_outcomes(key: str) -> _Outcomes:
    return _outcomes(_resolutions(key), min)


def _outcomes(choices: Sequence[str], choose: Callable[..., int]) -> _Outcomes:
    level = [tones for tones in choices if tones[-3] == LEVEL]
    oblique = [tones for tones in choices if tones[-3] == OBLIQUE]

    def rank(among: Sequence[str], kind: LineType, next_third: str = "") -> int:
        return choose((_rank(tones, kind, next_third) for tones in among), default=_FAIL)

    return _Outcomes(
        rank(choices, A, LEVEL),
        rank(choices, A, OBLIQUE),
        rank(level, B),
        rank(oblique, B),
        rank(choices, C),
        rank(choices, D),
    )


def _worst_rank(first: str, keys: Sequence[str], pattern: Pattern) -> int:
    """The worst rank of a poem whose first line has these tones and whose others have any that their keys allow."""
    lines = [[first], *map(_resolutions, keys)]
    worst = 0
    for index, (one, other) in enumerate(_couplets(pattern, len(lines))):
        seconds = lines[2 * index + 1]
        # A line that rhymes is mended by none.
        for second in {tones[-3] for tones in seconds} if one is A and pattern.rhyme == LEVEL else {""}:
            worst = max(worst, *(_rank(tones, one, second) for tones in lines[2 * index]))
        worst = max(worst, *(_rank(tones, other) for tones in seconds))
    return worst


@functools.cache
def _rank(tones: str, kind: LineType, next_third: str = "") -> int:
    return VERDICTS.index(line_verdict(line_findings(tones, kind, next_third)))


@functools.cache
def _resolutions(key: str) -> list[str]:
    return ["".join(choice) for choice in itertools.product(*(_TONES_OF_CODE[code] for code in key))]
