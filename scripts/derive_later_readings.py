"""Derives from the usage of Song verse what the 廣韻 does not say of readings.

    python scripts/derive_later_readings.py SOURCE        (the chinese-poetry collection: its name, a folder or archive)

In: 全宋诗 and 宋词. Out: scripts/usage_readings.txt, which build_lexicon.py compiles into the packaged table.

    poems of 4 to 16 even lines ──tones of unambiguous characters──> the one chain of line types that fits best
        └──at most 8% of the decisive places break it──> what tone each character is used with, in decisive places
    rhyme words of four and more ──all others share one group──> a vote of this one for that group

    [later]    a reading that the 廣韻 lacks: the character is used with the other tone, or rhymes elsewhere, far more
               often than misprints and odd lines explain (0.2% of decisive places)
    [settled]  a character of both tones that verse uses with one (能 is 平), everywhere or `inside` a line: 不 is 平 at a
               line's end alone (知不)
    [words]    a character of both tones whose neighbour in the foot settles it (重陽 平, 珍重 仄)
    [likely]   the same on less evidence (乘舟 平): what most poems say, and no law; only poems that break no decisive place
               count, and of the first line, which may be 特拗 or rhyme, not the place before its last
    [parts]    the 词林正韵 part of characters whose rhyme it divides (佳 蟹 卦 夬 泰), by the rhymes of 宋词

Decisive places: 2 (4, 6) but for the ones that 特拗 and 大拗 may move, and the line's end but for the first line's, whose
rhyming is not known. All counts stand in the output.
"""

from __future__ import annotations

import functools
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gemma_poetry.artifacts import write_text
from gemma_poetry.corpus.formats import whole_poems
from gemma_poetry.corpus.sources import open_source
from gemma_poetry.prosody.forms import FULL_STOP, Tone
from gemma_poetry.prosody.interpretation import foot_pairs
from gemma_poetry.prosody.lexicon import Reading, lexicon, readings, readings_of_heads
from gemma_poetry.prosody.regulated import LEVEL, LINE_TYPES, OBLIQUE, A, C, LineType, chain
from gemma_poetry.prosody.rhyme import CONTOURS, FAMILIES, LEVEL_GROUPS, NEIGHBOUR_GROUPS, RHYMES

OUTPUT = Path(__file__).parent / "usage_readings.txt"

LINES = range(4, 17, 2)
MAX_BROKEN_SHARE = 0.08

# A later reading: a share far above the noise, on enough evidence; or a smaller share on much evidence.
LATER_TONE = ((0.04, 5), (0.01, 30))
# A rhyme that is no neighbour of the character's own, and one that is: there 邻韵 make noise. Half of all its rhymes are no
# noise, nor is a rhyme that other characters of its group have a hundred times more seldom (衰 in 十灰: 5 of 341, others 4 of
# 29,884).
LATER_RHYME_SHARE, LATER_NEIGHBOUR_SHARE, LATER_NEIGHBOUR_TIMES, LATER_RHYME_COUNT = 0.10, 0.50, 100, 5
# Twice the noise: a tone met no more often than that is not used at all.
SETTLED_SHARE, SETTLED_COUNT = 0.004, 100
WORD_SHARE, WORD_COUNT = 0.01, 30
LIKELY_SHARE, LIKELY_COUNT = 0.05, 5
PART_SHARE, PART_COUNT = 0.05, 3
DIVIDED_RHYMES = "佳蟹卦夬泰"
_MIN_RHYME_WORDS = 4


@dataclass(slots=True)
class Usage:
    """Counts over a corpus.

    Attributes:
        poems: Poems that were read and kept.
        inside: How often a character stands in a decisive place inside a line that asks for 平, for 仄.
        ends: The same at the end of a line.
        words: The same for a character with a neighbour: (word, which of its characters).
        likely: The same in poems that break no decisive place.
        rhymes: Votes for the level group of a rhyme word.
        parts: Votes for the part of a rhyme word of 词.
    """

    poems: Counter[str] = field(default_factory=Counter)
    inside: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    ends: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    words: dict[tuple[str, int], Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    likely: dict[tuple[str, int], Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    rhymes: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    parts: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))

    def tones(self) -> Iterator[tuple[str, Counter[str]]]:
        """Each character with its tones in all places, in a fixed order."""
        for head in sorted({*self.inside, *self.ends}):
            yield head, self.inside.get(head, Counter()) + self.ends.get(head, Counter())


@functools.cache
def head_of(char: str) -> str:
    """The head that a traditional character stands for, the first of them."""
    return lexicon().variants.get(char, char)[0]


@functools.cache
def attested(char: str) -> tuple[Reading, ...]:
    """The readings of a traditional character in the 廣韻."""
    found = readings_of_heads(lexicon().variants.get(char, char))
    return tuple(reading for reading in found if not reading.later)


@functools.cache
def tone_code(char: str) -> str:
    """平, 仄, or ? where the character may be both."""
    tones = {reading.tone for reading in attested(char)}
    return next(iter(tones)).value if len(tones) == 1 else "?"


@functools.cache
def level_groups(char: str) -> frozenset[str]:
    return frozenset(reading.group for reading in attested(char) if reading.tone is Tone.LEVEL)


@functools.cache
def decisive_places(opening: LineType, lines: int, characters: int) -> tuple[tuple[int, str], ...]:
    """The decisive places of a poem as indices into its characters, each with the tone that it asks for."""
    places = []
    for line, kind in enumerate(chain(opening, lines)):
        start, end = line * characters, (line + 1) * characters
        if characters == 7:
            places.append((start + 1, kind.lead(7)))
        places.append((end - 4, kind.second))
        if kind is not A and kind is not C:
            places.append((end - 2, OBLIQUE if kind.second == LEVEL else LEVEL))
        if line:
            places.append((end - 1, kind.last))
    return tuple(places)


def read(source: str) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """The name of the part, the lines and the marks of every whole poem of 全宋诗 and 宋词."""
    files = (pair for pair in open_source(source).files() if pair[0].era == "宋")
    for part, _raw, lines, marks in whole_poems(files):
        yield part.form or "诗", lines, marks


def count(source: str) -> Usage:
    """The usage of a source."""
    usage = Usage()
    for form, lines, marks in read(source):
        if form == "词":
            usage.poems["词"] += 1
            count_parts(usage, [line[-1] for line, mark in zip(lines, marks) if mark == FULL_STOP])
        elif len(lines) in LINES and len(lines[0]) in (5, 7) and len(set(map(len, lines))) == 1:
            usage.poems["诗 of regulated shape"] += 1
            count_poem(usage, lines)
    return usage


def count_poem(usage: Usage, lines: Sequence[str]) -> None:
    """Counts a poem, if it is regulated."""
    text, characters = "".join(lines), len(lines[0])
    codes = [tone_code(char) for char in text]
    chains = [decisive_places(opening, len(lines), characters) for opening in LINE_TYPES]
    broken = [sum(codes[place] not in ("?", tone) for place, tone in places) for places in chains]
    least = min(broken)
    if least > MAX_BROKEN_SHARE * len(chains[0]):
        return
    usage.poems["诗 counted"] += 1
    asked = dict(chains[broken.index(least)])
    for place, tone in asked.items():
        where = usage.inside if (place + 1) % characters else usage.ends
        where[head_of(text[place])][tone] += 1
    for line in range(len(lines)):
        for first in foot_pairs(characters):
            start = line * characters + first
            word = text[start : start + 2]
            for which in (0, 1):
                if start + which in asked and codes[start + which] == "?":
                    usage.words[word, which][asked[start + which]] += 1
                    if least == 0 and start + which != characters - 2:
                        usage.likely[word, which][asked[start + which]] += 1
    count_rhymes(usage, [line[-1] for line in lines[1::2]])


def count_rhymes(usage: Usage, words: Sequence[str]) -> None:
    """Counts a vote for each rhyme word whose fellows all share one group."""
    if len(words) < _MIN_RHYME_WORDS:
        return
    groups = Counter(group for word in words for group in level_groups(word))
    for word in words:
        for group in LEVEL_GROUPS:
            if groups[group] - (group in level_groups(word)) == len(words) - 1:
                usage.rhymes[head_of(word)][group] += 1


def count_parts(usage: Usage, words: Sequence[str]) -> None:
    """Counts a vote for each rhyme word of 词 whose rhyme 词林正韵 divides, if most fellows share a part."""
    if len(words) < _MIN_RHYME_WORDS:
        return
    heard = [readings(word) for word in words]
    for number, own in enumerate(heard):
        divided = [reading for reading in own if reading.rhyme in DIVIDED_RHYMES]
        if not divided:
            continue
        level = divided[0].tone is Tone.LEVEL
        fellows: Counter[int] = Counter()
        for other, found in enumerate(heard):
            if other != number and not any(reading.rhyme in DIVIDED_RHYMES for reading in found):
                fellows.update(
                    {reading.part for reading in found if (reading.tone is Tone.LEVEL) == level and reading.contour != "入"}
                )
        part, votes = fellows.most_common(1)[0] if fellows else (0, 0)
        if part in RHYMES[divided[0].rhyme].parts and votes >= 0.6 * (len(words) - 1):
            usage.parts[divided[0].head][part] += 1


def later_readings(usage: Usage) -> Iterator[tuple[str, str, str]]:
    """The later readings: head, rhyme, evidence."""
    for head, tones in usage.tones():
        code, total = tone_code(head), tones.total()
        other = {LEVEL: OBLIQUE, OBLIQUE: LEVEL}.get(code, "")
        if other and any(tones[other] >= share * total and tones[other] >= least for share, least in LATER_TONE):
            rhyme = level_rhyme_by_votes(usage, head) if other == LEVEL else ""
            yield head, rhyme or sister_rhyme(attested(head)[0], other), f"{other} in {tones[other]} of {total}"
    neighbours = neighbour_votes(usage)
    for head, votes in sorted(usage.rhymes.items()):
        own, total = level_groups(head), votes.total()
        for group, most in votes.items():
            share = LATER_RHYME_SHARE
            if near := [neighbours[one, group] for one in own if group in NEIGHBOUR_GROUPS[one]]:
                noise = max((seen - most) / max(1, of - total) for seen, of in near)
                share = min(LATER_NEIGHBOUR_SHARE, LATER_NEIGHBOUR_TIMES * noise)
            if own and group not in own and most >= LATER_RHYME_COUNT and most >= share * total:
                yield head, rhyme_of_group(group), f"rhymes in {group} in {most} of {total}"


def neighbour_votes(usage: Usage) -> dict[tuple[str, str], tuple[int, int]]:
    """For each two neighbour groups: how often characters of the first rhyme in the second, of how many rhymes of theirs."""
    seen, of = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for head, votes in usage.rhymes.items():
        own = level_groups(head)
        for one in own:
            for group in NEIGHBOUR_GROUPS[one] - own:
                seen[one, group] += votes[group]
                of[one, group] += votes.total()
    return {pair: (seen[pair], of[pair]) for pair in of}


def level_rhyme_by_votes(usage: Usage, head: str) -> str:
    """The rhyme that a character without a level reading rhymes in most, if three poems tell."""
    votes = usage.rhymes.get(head)
    if not votes:
        return ""
    group, most = votes.most_common(1)[0]
    family = sister_rhyme(attested(head)[0], LEVEL)
    return (family if group in RHYMES[family].groups else rhyme_of_group(group)) if most >= 3 else ""


def sister_rhyme(reading: Reading, tone: str) -> str:
    """The rhyme of the same family in another tone; for 仄 去, or 上 where the family has no 去."""
    family = next(family for family in FAMILIES if reading.rhyme in family)
    wanted = "平" if tone == LEVEL else "去上"
    return next(name for contour in wanted if (name := family[CONTOURS.index(contour)]) != "·")


def rhyme_of_group(group: str) -> str:
    """The first rhyme of the 廣韻 in a group."""
    return next(rhyme.name for rhyme in RHYMES.values() if group in rhyme.groups)


def settled(tones: Counter[str], share: float, least: int) -> str:
    """The tone that is used all but always; empty if there is none."""
    total = tones.total()
    tone, most = tones.most_common(1)[0] if total else ("", 0)
    return tone if total >= least and total - most <= share * total else ""


def decided_parts(votes: Counter[int]) -> list[int]:
    """The parts that are voted for often enough."""
    return sorted(part for part, most in votes.items() if most >= PART_COUNT and most >= PART_SHARE * votes.total())


def table(usage: Usage) -> list[str]:
    """The lines of the output."""
    lines = ["[later]"]
    lines += ["\t".join(row) for row in dict.fromkeys(later_readings(usage))]
    lines.append("[settled]")
    for head, tones in usage.tones():
        if tone_code(head) != "?" or not attested(head):
            continue
        for seen, where in ((tones, []), (usage.inside.get(head, Counter()), ["inside"])):
            tone = settled(seen, SETTLED_SHARE, SETTLED_COUNT)
            if tone:
                lines.append("\t".join([head, tone, f"{seen[tone]} of {seen.total()}", *where]))
                break
    known = {line.split("\t")[0] for line in lines}
    told: set[str] = set()
    for name, counted, share, least in (
        ("[words]", usage.words, WORD_SHARE, WORD_COUNT),
        ("[likely]", usage.likely, LIKELY_SHARE, LIKELY_COUNT),
    ):
        lines.append(name)
        for (word, which), tones in sorted(counted.items()):
            tone = settled(tones, share, least)
            key = f"{word}{which + 1}"
            # What verse settles for a character by itself needs no word.
            if tone and attested(word[which]) and key not in told and (name == "[words]" or head_of(word[which]) not in known):
                told.add(key)
                lines.append(f"{key}\t{tone}\t{tones[tone]} of {tones.total()}")
    lines.append("[parts]")
    for head, votes in sorted(usage.parts.items()):
        parts = decided_parts(votes)
        if parts:
            evidence = ", ".join(f"{part}: {most}" for part, most in sorted(votes.items()))
            lines.append(f"{head}\t{' '.join(map(str, parts))}\t{evidence}")
    return lines


def main(arguments: Sequence[str]) -> int:
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    usage = count(arguments[0])
    counted = ", ".join(f"{number} {what}" for what, number in usage.poems.items())
    head = [f"# Made by scripts/derive_later_readings.py from {counted}; not to be edited. The last column is the evidence."]
    lines = table(usage)
    write_text(OUTPUT, "\n".join(head + lines) + "\n")
    print(f"{counted} -> {len(lines) - 5} entries in {OUTPUT}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
