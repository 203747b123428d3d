"""How a fault could be mended: characters that would be right in that place, or what to rebuild.

In: a `Scansion`. Out: for each fault a `Mend`.

Characters come from what stands beside the neighbours of the place, in the same foot, in Tang and Song verse
(assets/prosody/neighbours.txt, made by scripts/collect_pairs.py), the ones that fit both neighbours first. Their tone and
rhyme are beyond doubt: all readings have them. Of the glyphs of one word the commonest is offered. Each is tried in its
place, and offered if the fault is gone and none has come.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources

from gemma_poetry.languages import _
from gemma_poetry.prosody.findings import Fault, Scansion
from gemma_poetry.prosody.forms import Form, Tone
from gemma_poetry.prosody.interpretation import foot_pairs, is_traditional, simplified, traditional
from gemma_poetry.prosody.lexicon import lexicon
from gemma_poetry.prosody.regulated import LINE_TYPES, find_pattern, strict_pattern
from gemma_poetry.prosody.rhyme_book import RhymeBook
from gemma_poetry.prosody.rules import Rule
from gemma_poetry.prosody.scansion import scan

TABLE = "assets/prosody/neighbours.txt"
MAX_CHARACTERS = 8
# Mending reads the poem again for each character that is tried, so a long poem full of faults gets advice for the first.
MAX_FAULTS = 40
MAX_LINES = 100
_TRIED_CHARACTERS = 24


@dataclass(frozen=True, slots=True)
class Alternatives:
    """Characters that would mend a fault at one place.

    Attributes:
        line: The line, from 1.
        position: The character, from 1.
        characters: The characters, the most usual beside their neighbours first.
    """

    line: int
    position: int
    characters: str


@dataclass(frozen=True, slots=True)
class Mend:
    """How a fault could be mended.

    Attributes:
        fault: The fault.
        alternatives: Places and characters; any one of them mends it.
        advice: What to do where no single character does; empty where one does.
    """

    fault: Fault
    alternatives: tuple[Alternatives, ...] = ()
    advice: str = ""


def mends(scansion: Scansion) -> list[Mend]:
    """A mend for each fault of a poem, in their order; without characters where the poem is very long or very faulty."""
    found = []
    for number, fault in enumerate(scansion.faults):
        tried = number < MAX_FAULTS and len(scansion.lines) <= MAX_LINES
        alternatives = []
        for line, position, tone, rhyme in _places(scansion, fault) if tried else ():
            characters = _characters(scansion, fault, line, position, tone, rhyme)
            if characters:
                alternatives.append(Alternatives(line, position, characters))
        found.append(Mend(fault, tuple(alternatives), "" if alternatives else _advice(scansion, fault)))
    return found


def _places(scansion: Scansion, fault: Fault) -> Iterator[tuple[int, int, str, str]]:
    """The places where a change could mend a fault: line, position, the tone and the rhyme that are wanted."""
    line, position, expected = fault.line, fault.position, fault.expected
    if fault.rule in (Rule.RHYME, Rule.REPEATED_RHYME):
        tone = scansion.places[line - 1][position - 1].expected
        yield line, position, tone, expected
    elif expected in (Tone.LEVEL.value, Tone.OBLIQUE.value) and position:
        if fault.rule in (Rule.CONTRAST, Rule.ADHESION):
            return
        asked = scansion.places[line - 1][position - 1]
        yield line, position, expected, scansion.rhyme_group if asked.rhyme and expected == asked.expected else ""
        if fault.rule is Rule.LONE_LEVEL:
            yield line, position + 2, expected, ""
        elif fault.rule is Rule.MAJOR_TWIST and line < len(scansion.lines):
            yield line + 1, position - 1, expected, ""


def _characters(scansion: Scansion, fault: Fault, line: int, position: int, tone: str, rhyme: str) -> str:
    """The characters that mend a fault at a place, in the script of the poem."""
    ends = {text[-1] for text in scansion.lines} if rhyme else set()
    old = scansion.lines[line - 1][position - 1]
    good = []
    tried = 0
    for char in _candidates(simplified(scansion.lines[line - 1]), position - 1):
        if is_traditional("".join(scansion.lines)):
            char = traditional([char])[0]
        if char == old or char in ends or not _fits(char, tone, rhyme, scansion.book):
            continue
        tried += 1
        if _mended(scansion, fault, line, position, char):
            good.append(char)
        if len(good) == MAX_CHARACTERS or tried == _TRIED_CHARACTERS:
            break
    return "".join(good)


def _fits(char: str, tone: str, rhyme: str, book: RhymeBook) -> bool:
    found = book.heard(char, at_end=True).readings
    if not found or any(reading.tone.value != tone for reading in found if tone in ("平", "仄")):
        return False
    # The rhymes of a 词 are named with their tones (第三部仄).
    parts = {part for part, name in book.parts.items() if rhyme.startswith(name)}
    if rhyme not in book.rhymes and not parts:
        return True
    # A rhyme that the books place in two groups is one reading.
    fitting = {reading.rhyme for reading in found if book.rhyme(reading) == rhyme or reading.part in parts}
    return all(reading.rhyme in fitting for reading in found)


def _mended(scansion: Scansion, fault: Fault, line: int, position: int, char: str) -> bool:
    text = scansion.lines[line - 1]
    lines = list(scansion.lines)
    lines[line - 1] = text[: position - 1] + char + text[position:]
    again = scan_again(scansion, tuple(lines))
    gone = all((other.rule, other.line, other.position) != (fault.rule, fault.line, fault.position) for other in again.faults)
    return gone and len(again.faults) < len(scansion.faults)


def scan_again(scansion: Scansion, lines: Sequence[str], marks: str = "") -> Scansion:
    """The scansion of a poem whose characters have changed, against the same form and pattern, by the same book."""
    if scansion.pattern == "古绝":
        from gemma_poetry.prosody.ancient_scan import scan_ancient

        return scan_ancient(lines, scansion.form, scansion.pattern, marks, scansion.book)
    return scan(lines, Form(scansion.form, (), "", scansion.pattern), marks, scansion.book.name)


@dataclass(frozen=True, slots=True)
class _Neighbours:
    """Characters by what stands before or behind them in a foot, the most frequent first."""

    following: dict[str, str]
    preceding: dict[str, str]
    common: str


@functools.cache
def _neighbours() -> _Neighbours:
    text = resources.files("gemma_poetry").joinpath(TABLE).read_text(encoding="utf-8")
    rows = [line.partition("\t")[::2] for line in text.splitlines() if line[:1] not in ("", "#")]
    preceding: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for first, found in rows:
        for rank, second in enumerate(found):
            preceding[second].append((rank, first))
    return _Neighbours(
        dict(rows),
        {second: "".join(first for _, first in sorted(found)) for second, found in preceding.items()},
        "".join(first for first, found in sorted(rows, key=lambda row: -len(row[1]))),
    )


def _candidates(line: str, index: int) -> Iterator[str]:
    """Characters that could stand at a place, those that fit both neighbours in its foot first, then one, then any."""
    table = _neighbours()
    pairs = foot_pairs(len(line))
    fitting = []
    if index - 1 in pairs:
        fitting.append(table.following.get(line[index - 1], ""))
    if index in pairs:
        fitting.append(table.preceding.get(line[index + 1], ""))
    worth: dict[str, float] = defaultdict(float)
    for found in fitting:
        for rank, char in enumerate(found):
            worth[char] += 1 / (10 + rank) + 1
    yield from (char for char in sorted(worth, key=lambda char: -worth[char]) if _is_usual(char))
    yield from (char for char in table.common if char not in worth and _is_usual(char))


@functools.cache
def _is_usual(char: str) -> bool:
    """Whether no other glyph of the same word has more neighbours (邉 is 边)."""
    known = _neighbours().following
    others = simplified(lexicon().variants.get(char, ""))
    return all(len(known.get(char, "")) >= len(known.get(other, "")) for other in others)


def _advice(scansion: Scansion, fault: Fault) -> str:
    """What to do about a fault that no single character mends."""
    if fault.rule in (Rule.ADHESION, Rule.CONTRAST):
        characters = len(scansion.lines[0])
        rhyme = find_pattern(scansion.pattern, characters).rhyme
        contrast = fault.rule is Rule.CONTRAST
        first = next(kind for kind in LINE_TYPES if (kind.lead(characters), kind.last == rhyme) == (fault.expected, contrast))
        if contrast:
            return _("build line {line} as {strict_pattern}", line=fault.line, strict_pattern=strict_pattern(first, characters))
        second = next(kind for kind in LINE_TYPES if kind.last == rhyme and kind.lead(characters) != fault.expected)
        patterns = " ".join(strict_pattern(kind, characters) for kind in (first, second))
        return _(
            "build lines {line} and {line_2} as {patterns}, or those before them on the other pattern",
            line=fault.line,
            line_2=fault.line + 1,
            patterns=patterns,
        )
    if fault.rule is Rule.CHARACTER:
        return _("put {expected} there", expected=fault.expected)
    if fault.position and fault.expected in (Tone.LEVEL.value, Tone.OBLIQUE.value):
        return _(
            "build line {line} as {places}",
            line=fault.line,
            places="".join(place.expected for place in scansion.places[fault.line - 1]),
        )
    return ""
