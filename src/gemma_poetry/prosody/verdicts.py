"""Verdicts on many poems: what `scan` says of regulated verse, without the reasons, some hundred times as fast.

In: the lines of a poem. Out: its verdict, and whether every choice of readings passes.

    characters ──tone code 1 平, 2 仄, 3 both──> a key a line ──cached──> best and worst outcome under each line type
    rhyme words ──bit mask of the 106 groups──> common group

There are no more than 3^7 keys, so every line of a corpus is looked up; a poem costs four chains of look-ups.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple

from gemma_poetry.prosody.forms import Tone
from gemma_poetry.prosody.interpretation import Heard, heard_at_word, heard_widened, other_places, traditional, words_in
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
from gemma_poetry.prosody.rhyme import GROUPS, LEVEL_GROUPS, NEIGHBOUR_GROUPS
from gemma_poetry.prosody.rules import MAX_UNKNOWN_SHARE, Verdict

VERDICTS = (Verdict.STRICT, Verdict.MINOR, Verdict.RESCUED, Verdict.FAIL)
_FAIL = VERDICTS.index(Verdict.FAIL)
_CODE_OF_TONE = {Tone.LEVEL: "1", Tone.OBLIQUE: "2"}
_TONES_OF_CODE = {"1": LEVEL, "2": OBLIQUE, "3": LEVEL + OBLIQUE}
# The level groups come first of all.
_BITS = {group: 1 << index for index, group in enumerate(GROUPS)}
_ALL_GROUPS = (1 << len(GROUPS)) - 1
_LEVEL_BITS = (1 << len(LEVEL_GROUPS)) - 1
_BITS_OF = {LEVEL: _LEVEL_BITS, OBLIQUE: _ALL_GROUPS & ~_LEVEL_BITS}
_NEIGHBOUR_BITS = [sum(_BITS[near] for near in NEIGHBOUR_GROUPS[group]) for group in GROUPS]
_REGULATED_LENGTHS = (5, 7)


_Hear = Callable[[str, bool], Heard]


class _RhymeMask(NamedTuple):
    """The groups of a character as bits.

    Attributes:
        some: Groups that some reading has.
        every: Groups that every reading has.
    """

    some: int
    every: int


def _rhyme_mask(found: Sequence[Reading]) -> _RhymeMask:
    by_rhyme: dict[str, int] = {}
    for reading in found:
        by_rhyme[reading.rhyme] = by_rhyme.get(reading.rhyme, 0) | _BITS[reading.group]
    some, every = 0, _ALL_GROUPS
    for bits in by_rhyme.values():
        some |= bits
        every &= bits
    # A character without a reading may be anything: it is reported, and not taken for a fault.
    return _RhymeMask(some, every) if by_rhyme else _RhymeMask(_ALL_GROUPS, 0)


def _tone_code(found: Sequence[Reading]) -> str:
    tones = {reading.tone for reading in found}
    return "3" if len(tones) != 1 else _CODE_OF_TONE[tones.pop()]


class _Codes(dict[int, str]):
    """Tone codes by code point, found as `str.translate` asks for them; `unread` are the characters without a reading."""

    def __init__(self, hear: _Hear) -> None:
        super().__init__({ord("\n"): "\n"})
        self.hear = hear
        self.unread: set[str] = set()

    def __missing__(self, code: int) -> str:
        found = self.hear(chr(code), False).readings
        if not found:
            self.unread.add(chr(code))
        self[code] = value = _tone_code(found)
        return value


class _Ending(NamedTuple):
    """A character at the end of a line: its tone code and its rhyme mask."""

    code: str
    mask: _RhymeMask


class _Book:
    """Tone codes and rhyme masks of characters, under one way to hear them."""

    def __init__(self, hear: _Hear) -> None:
        self.hear = hear
        self.codes = _Codes(hear)
        self.endings: dict[str, _Ending] = {}

    def ending(self, char: str) -> _Ending:
        """A character at the end of a line."""
        ending = self.endings.get(char)
        if ending is None:
            found = self.hear(char, True).readings
            ending = self.endings[char] = _Ending(_tone_code(found), _rhyme_mask(found))
        return ending

    def read(self, lines: Sequence[str], words: Sequence[str]) -> tuple[list[str], list[_RhymeMask]]:
        """The key and the rhyme mask of each line.

        Args:
            lines: The lines.
            words: The same lines in traditional characters, by which words are known.
        """
        keys, masks = [], []
        for key, line, word_line in zip("\n".join(lines).translate(self.codes).split("\n"), lines, words):
            code, mask = self.ending(line[-1])
            key = key[:-1] + code
            if "3" in key:
                for place, tone, _ in words_in(word_line):
                    found = self.hear(line[place], place == len(line) - 1).readings
                    if key[place] == "3" and found:
                        key = key[:place] + _CODE_OF_TONE[tone] + key[place + 1 :]
                        if place == len(line) - 1:
                            mask = _rhyme_mask([reading for reading in found if reading.tone is tone])
            keys.append(key)
            masks.append(mask)
        return keys, masks


_AT_WORD = _Book(heard_at_word)


def regulated_verdict(lines: str | Sequence[str]) -> Verdict:
    """The verdict of the best choice of readings, as regulated verse of any of the four patterns.

    Args:
        lines: The lines of a poem, or the poem as one text.

    Returns:
        `FAIL` also for what has not the shape of regulated verse: at least four lines, an even number, of five or seven
        characters each. `NOT_JUDGED` where too many characters have no known reading, as for `scan`.
    """
    lines = as_lines(lines)
    if not _has_shape(lines):
        return Verdict.FAIL
    read = traditional(lines)
    keys, masks = _AT_WORD.read(read, read)
    rank = _best(lines, keys, masks)
    others = other_places(lines, read) if rank == _FAIL else ()
    for line, index, place in others:
        keys[line] = keys[line][:index] + _tone_code(place.readings) + keys[line][index + 1 :]
        if index == len(read[line]) - 1:
            masks[line] = _rhyme_mask(place.readings)
    if others:
        rank = _best(lines, keys, masks)
    return VERDICTS[rank] if _is_readable(read) else Verdict.NOT_JUDGED


def _is_readable(lines: Sequence[str]) -> bool:
    """Whether few enough characters of a poem, and few enough of its rhyme words, have no known reading."""
    unread = _AT_WORD.codes.unread
    if not unread or unread.isdisjoint("".join(lines)):
        return True
    unknown = sum(char in unread for line in lines for char in line)
    even = [line[-1] in unread for line in lines[1::2]]
    return unknown <= MAX_UNKNOWN_SHARE * len(lines) * len(lines[0]) and 2 * sum(even) < len(even)


def every_reading_passes(lines: str | Sequence[str], rhyme: Tone = Tone.LEVEL) -> bool:
    """Whether the poem is regulated verse under every choice of readings; never with an unknown character.

    Args:
        lines: The lines of a poem, or the poem as one text.
        rhyme: The tone of its rhyme.
    """
    lines = as_lines(lines)
    if not (_has_shape(lines) or _has_shape(lines, (6,))):
        return False
    read = traditional(lines)
    if not all(heard_at_word(char, False).readings for line in read for char in line):
        return False
    keys, masks = _AT_WORD.read(read, read)
    common = _BITS_OF[rhyme.value]
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
                astray = rhyme is Tone.LEVEL and masks[0].some & _LEVEL_BITS & ~(common | _neighbours(common))
                if start or lines[0][-1] in even or astray:
                    return False
            if _worst_rank(tones, keys[start + 1 : start + span], Pattern(opening, rhyme.value)) == _FAIL:
                return False
    return True


def _kind_of(tones: str) -> LineType:
    """The type that a line's lead and end are of."""
    second = tones[1] if len(tones) == 6 else tones[-4]
    return next(kind for kind in LINE_TYPES if (kind.second, kind.last) == (second, tones[-1]))


def is_level_rhymed(lines: Sequence[str]) -> bool:
    """Whether every even line may end level, and all of them, or all but one, share a level group.

    A simplified character may end its line as any traditional form that it has, so that no conversion decides on the form.
    """
    read = traditional(lines)
    if _share_group([_AT_WORD.ending(line[-1]).mask.some for line in read[1::2]]):
        return True
    return read is not lines and _share_group([_any_form(line[-1]) for line in lines[1::2]])


@functools.cache
def _any_form(char: str) -> int:
    return _rhyme_mask(heard_widened(char, True).readings).some


def _share_group(masks: Sequence[int]) -> bool:
    masks = [mask & _LEVEL_BITS for mask in masks]
    if not all(masks):
        return False
    shared = functools.reduce(int.__and__, masks)
    if shared:
        return True
    return any(functools.reduce(int.__and__, [*masks[:out], *masks[out + 1 :]], _ALL_GROUPS) for out in range(len(masks)))


def broken_share(lines: Sequence[str]) -> float:
    """How far a long poem is from regulated verse: broken couplets and broken joints, per couplet.

    Args:
        lines: An even number of lines, at least two, of five or seven characters each.
    """
    read = traditional(lines)
    keys, _ = _AT_WORD.read(read, read)
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


def _best(lines: Sequence[str], keys: Sequence[str], masks: Sequence[_RhymeMask]) -> int:
    even = [line[-1] for line in lines[1::2]]
    common = _LEVEL_BITS
    for mask in masks[1::2]:
        common &= mask.some
    if not common or len(set(even)) < len(even):
        return _FAIL
    first_rhymes = masks[0].some & (common | _neighbours(common)) and lines[0][-1] not in even
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


@functools.cache
def _neighbours(groups: int) -> int:
    return functools.reduce(int.__or__, (near for index, near in enumerate(_NEIGHBOUR_BITS) if groups >> index & 1), 0)
