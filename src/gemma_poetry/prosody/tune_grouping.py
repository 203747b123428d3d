"""The poems of one tune are sorted into groups that share one pattern: the raw material of its variants (又一体).

In: the poems of a tune. Out: groups, the largest first; poems that belong to no group of sufficient size are left out.

    poems ──same number of characters──> ──line ends where the others rhyme──> ──same tones──> groups ──strangers──> out

Poems of one length are laid over each other character by character. Editors divide the same sentence in different ways
(水调歌头: 4+7 or 6+5), so a poem need not have the commonest line division: it suffices that a line of its own ends
wherever that division rhymes. A group in which two patterns are mixed (满江红 with 平韵 and 仄韵, 渔父) is split in two
if then at least `CONTRADICTIONS` places are 平 in one half and 仄 in the other.

Tones are counted in sets of poems that are integers, one bit a poem: all of 宋词 takes seconds without NumPy.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from gemma_poetry.prosody.characters import LOST_CHARACTER
from gemma_poetry.prosody.forms import Tone
from gemma_poetry.prosody.interpretation import interpret
from gemma_poetry.prosody.rhyme import MIXED_PARTS
from gemma_poetry.prosody.tune_sounds import Sounds, parts_of, sounds_of, tones_of
from gemma_poetry.prosody.tune_variants import line_ends

FIXED_SHARE = 0.9
"""A place is fixed where at least this share of the poems has one tone."""
RHYME_SHARE = 0.6
"""Two line ends rhyme where at least this share of the poems has them in one part and tone."""
CONTRADICTIONS = 3
"""A group is split where so many places are 平 in one half and 仄 in the other."""
_MIN_SEED = 5
_UNKNOWN = {"", "无名氏"}
# A split starts from the poems that have one tone in one place: a few of the other pattern are among them.
_START_SHARE = 0.75
_STARTS = 4
_STRANGER_SHARE = 0.25
_MAX_ROUNDS = 10


class TunePoem(Protocol):
    """What induction reads of a poem; `corpus.poem.Poem` has it."""

    @property
    def tune(self) -> str: ...
    @property
    def lines(self) -> tuple[str, ...]: ...
    @property
    def marks(self) -> str: ...
    @property
    def era(self) -> str: ...
    @property
    def author(self) -> str: ...


@dataclass(frozen=True, slots=True)
class SungPoem:
    """A poem as it sounds.

    Attributes:
        lines: Its lines.
        marks: One closing mark a line.
        lengths: Characters in each line.
        sounds: What each of its running characters may sound like.
        era: 朝代, by which editions differ in their marks; empty where unknown.
        author: 作者, empty where unknown.
    """

    lines: tuple[str, ...]
    marks: str
    lengths: tuple[int, ...]
    sounds: tuple[Sounds, ...]
    era: str = ""
    author: str = ""

    @property
    def lacks(self) -> bool:
        """Whether a character of it is lost (□)."""
        return any(LOST_CHARACTER in line for line in self.lines)


def sing(poem: TunePoem) -> SungPoem:
    """The poem with its sounds."""
    heard = tuple(sounds_of(place.readings) for line in interpret(poem.lines) for place in line)
    return SungPoem(poem.lines, poem.marks, tuple(map(len, poem.lines)), heard, poem.era, poem.author)


def usual_era(poems: Iterable[TunePoem | SungPoem]) -> str:
    """The era of most poems of a tune."""
    return max(Counter(poem.era for poem in poems).items(), key=lambda item: (item[1], item[0]), default=("", 0))[0]


def witnesses(poems: Sequence[SungPoem]) -> float:
    """How many witnesses of a place the poems are: those of one poet, often a series (十首), tell less than those of many.

    The mean (geometric) of poems and poets; of unknown poets each counts.
    """
    unknown = sum(poem.author in _UNKNOWN for poem in poems)
    return math.sqrt(len(poems) * (len({poem.author for poem in poems} - _UNKNOWN) + unknown))


@dataclass(frozen=True)
class PoemGroup:
    """Poems of one number of characters that are thought to follow one pattern."""

    poems: tuple[SungPoem, ...]

    def __len__(self) -> int:
        return len(self.poems)

    @cached_property
    def division(self) -> tuple[int, ...]:
        """The commonest line lengths."""
        return Counter(poem.lengths for poem in self.poems).most_common(1)[0][0]

    @cached_property
    def places(self) -> list[tuple[int, int]]:
        """For each place, the set of poems that have a level tone there, and the set of those with an oblique one.

        A character that may be both is in neither: the share among the others is what expectation maximisation would
        settle on if each of its readings were as likely as the place makes it.
        """
        found = [(0, 0)] * len(self.poems[0].sounds)
        for number, poem in enumerate(self.poems):
            bit = 1 << number
            for place, sounds in enumerate(poem.sounds):
                tones = tones_of(sounds)
                if len(tones) == 1:
                    level, oblique = found[place]
                    found[place] = (level | bit, oblique) if Tone.LEVEL in tones else (level, oblique | bit)
        return found

    @cached_property
    def everyone(self) -> int:
        """The set of all poems."""
        return (1 << len(self.poems)) - 1

    def select(self, members: int) -> PoemGroup:
        """The group of the poems in a set."""
        return PoemGroup(tuple(poem for number, poem in enumerate(self.poems) if members >> number & 1))

    def counts(self, members: int) -> list[tuple[int, int]]:
        """How many of a set of poems are level and oblique, for each place."""
        return [((level & members).bit_count(), (oblique & members).bit_count()) for level, oblique in self.places]


def level_share(level: int, oblique: int) -> float:
    """The share of level tones that counts suggest (Jeffreys' prior: small groups decide with more caution)."""
    return (level + 0.5) / (level + oblique + 1)


def fixed_tone(level: int, oblique: int, needed: float = FIXED_SHARE) -> Tone | None:
    """The tone that a place requires, `None` where both are usual.

    Args:
        level: How many poems have a level tone there.
        oblique: How many have an oblique one.
        needed: The share from which a tone is required.
    """
    share = level_share(level, oblique)
    if share >= needed:
        return Tone.LEVEL
    return Tone.OBLIQUE if share <= 1 - needed else None


def rhyming_lines(group: PoemGroup) -> dict[int, str]:
    """Which lines of the group's commonest division rhyme together: line index -> name of the rhyme.

    Line ends are linked where at least `RHYME_SHARE` of the poems have both in one 词林正韵 part and one tone class;
    lines that are linked, directly or through others, have one name. Names are given in the order of appearance.
    """
    ends = line_ends(group.division)
    heard = [[poem.sounds[end] for end in ends] for poem in group.poems]
    root = list(range(len(ends)))
    for second in range(len(ends)):
        for first in range(second):
            agreeing = sum(not poem[first].isdisjoint(poem[second]) for poem in heard)
            if agreeing >= RHYME_SHARE * len(heard):
                root = [root[first] if other == root[second] else other for other in root]
    sizes = Counter(root)
    names: dict[int, str] = {}
    return {line: names.setdefault(own, chr(ord("a") + len(names))) for line, own in enumerate(root) if sizes[own] > 1}


def usual_rhymes(group: PoemGroup, rhyme_of: Mapping[int, str], tone_of: Mapping[int, Tone]) -> tuple[int, ...]:
    """The rhyming lines, from 1, that fewer than `FIXED_SHARE` of the poems rhyme: a licence (可韵可不韵).

    A line rhymes with its fellows where it can have the part that most of them can have, or one that Song poets took together
    with it, in its own tone.

    Args:
        group: The poems.
        rhyme_of: The rhyme of each rhyming line.
        tone_of: The tone of each, where it has one.
    """
    ends = line_ends(group.division)
    lines_of: dict[str, list[int]] = defaultdict(list)
    for line, rhyme in rhyme_of.items():
        lines_of[rhyme].append(line)
    kept: Counter[int] = Counter()
    for poem in group.poems:
        for lines in lines_of.values():
            sounds = [poem.sounds[ends[line]] for line in lines]
            parts = [parts_of(own, tone_of.get(line)) for line, own in zip(lines, sounds)]
            votes = Counter(part for own in parts for part in own)
            common = max(votes, key=lambda part: votes[part], default=0)
            allowed = {common, *MIXED_PARTS.get(common, ())}
            kept.update(line for line, own, heard in zip(lines, parts, sounds) if not heard or not own.isdisjoint(allowed))
    return tuple(line + 1 for line in sorted(rhyme_of) if kept[line] < FIXED_SHARE * len(group))


def group_poems(poems: Sequence[SungPoem], min_size: int) -> list[PoemGroup]:
    """The groups of at least `min_size` poems among the poems of one tune, the largest first."""
    by_length: dict[int, list[SungPoem]] = defaultdict(list)
    for poem in poems:
        by_length[len(poem.sounds)].append(poem)
    groups: list[PoemGroup] = []
    for same_length in by_length.values():
        groups += _groups_of_one_length(same_length, min_size)
    groups = [_without_strangers(group) for group in groups]
    return sorted((group for group in groups if len(group) >= min_size), key=len, reverse=True)


def _groups_of_one_length(poems: list[SungPoem], min_size: int) -> list[PoemGroup]:
    groups: list[PoemGroup] = []
    while len(poems) >= min_size:
        division, seeds = Counter(poem.lengths for poem in poems).most_common(1)[0]
        if seeds < _MIN_SEED:
            break
        seed = PoemGroup(tuple(poem for poem in poems if poem.lengths == division))
        ends = line_ends(division)
        rhymes = {ends[line] for line in rhyming_lines(seed)}
        if rhymes:
            members = [poem for poem in poems if rhymes <= set(line_ends(poem.lengths))]
        else:
            members = list(seed.poems)
        if rhymes and len(members) >= min_size:
            groups += _split_by_tone(PoemGroup(tuple(members)), min_size)
        taken = set(map(id, members))
        poems = [poem for poem in poems if id(poem) not in taken]
    return groups


def _split_by_tone(group: PoemGroup, min_size: int) -> list[PoemGroup]:
    """The group, or the groups of one pattern that were mixed in it."""
    if len(group) < 2 * min_size:
        return [group]
    starts = []
    for place, (level, oblique) in enumerate(group.places):
        if min(level.bit_count(), oblique.bit_count()) >= min_size / 2:
            starts.append((_contradictions(group, level, oblique, _START_SHARE), place))
    halves = []
    for contradictions, place in sorted(starts, reverse=True)[:_STARTS]:
        if contradictions < CONTRADICTIONS:
            break
        half = _settle(group, group.places[place][0])
        rest = group.everyone & ~half
        if min(half.bit_count(), rest.bit_count()) >= min_size:
            halves.append((_contradictions(group, half, rest, FIXED_SHARE), half))
    if not halves or max(halves)[0] < CONTRADICTIONS:
        return [group]
    half = max(halves)[1]
    return [
        *_split_by_tone(group.select(half), min_size),
        *_split_by_tone(group.select(group.everyone & ~half), min_size),
    ]


def _without_strangers(group: PoemGroup) -> PoemGroup:
    """The group without poems that go against a quarter of what most of the others agree on.

    They follow a pattern too rare for a group of its own, and would blur a small group beyond recognition.
    """
    usual = [fixed_tone(*count, _START_SHARE) for count in group.counts(group.everyone)]
    against = [0] * len(group)
    known = [0] * len(group)
    for tone, (level, oblique) in zip(usual, group.places):
        if tone is None:
            continue
        wrong = oblique if tone is Tone.LEVEL else level
        for number in range(len(group)):
            bit = 1 << number
            known[number] += bool((level | oblique) & bit)
            against[number] += bool(wrong & bit)
    kept = [poem for poem, wrong, all_known in zip(group.poems, against, known) if wrong < _STRANGER_SHARE * max(all_known, 1)]
    return PoemGroup(tuple(kept))


def _contradictions(group: PoemGroup, half: int, rest: int, needed: float) -> int:
    pairs = zip(group.counts(half), group.counts(rest))
    tones_of = [(fixed_tone(*one, needed), fixed_tone(*other, needed)) for one, other in pairs]
    return sum(one is not None and other is not None and one != other for one, other in tones_of)


def _settle(group: PoemGroup, half: int) -> int:
    """Moves poems between a half and the rest until each is where its tones are likelier (hard EM)."""
    for _ in range(_MAX_ROUNDS):
        gains = []
        for one, other in zip(group.counts(half), group.counts(group.everyone & ~half)):
            mine, theirs = level_share(*one), level_share(*other)
            gains.append((math.log(mine / theirs), math.log((1 - mine) / (1 - theirs))))
        moved = 0
        for number in range(len(group)):
            bit = 1 << number
            score = 0.0
            for (level, oblique), (level_gain, oblique_gain) in zip(group.places, gains):
                if level & bit:
                    score += level_gain
                elif oblique & bit:
                    score += oblique_gain
            if score > 0:
                moved |= bit
        if moved == half:
            break
        half = moved
    return half
