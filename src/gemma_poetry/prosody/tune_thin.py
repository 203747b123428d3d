"""Templates from few poems, down to one.

In: the poems of a tune that no well-attested variant fits, what is known of places (`tune_places`), how far closing marks tell
rhymes in poems of each era, and the variants that the tune has already. Out: a `TuneVariant` for each line division that
its poems have.

    poems ──same characters, same rhyme tones──> groups ──marks and agreement of line ends──> rhymes
          ──places, mirrored stanzas, sister variants──> how likely each place asks for 平 or 仄 ──> variant

A line rhymes where its closing mark and the agreement of its end with the ends of the rhyming lines about it make that
likelier than not: the odds of the mark, learned from poems of well-attested tunes, times those of the agreement. Rhyming
lines that share a 词林正韵 part and a tone have one rhyme. One that agrees with none belongs to the rhyme that it stands in
if Song poets took the two parts together (3 with 5), else to none.

A place asks for a tone where that is likelier than not. The share of level tones that is kept for it is what a crowd of
poems would have by this belief: all of them where it asks for 平, half where it asks for nothing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from gemma_poetry.prosody.forms import FULL_STOP, Form, Slot, Tone
from gemma_poetry.prosody.rhyme import MIXED_PARTS
from gemma_poetry.prosody.tune_grouping import RHYME_SHARE, PoemGroup, SungPoem, usual_rhymes, witnesses
from gemma_poetry.prosody.tune_places import Counts, Line, PlaceBelief, PlaceModel, aligned, mirrors
from gemma_poetry.prosody.tune_repetition import repetitions, unite_repeats
from gemma_poetry.prosody.tune_sounds import Sounds, parts_of, tones_of
from gemma_poetry.prosody.tune_variants import MIN_FIXED_PERCENT, TuneVariant, line_ends, stanza_ends

ASKED = 0.5
"""A place asks for a tone where that is likelier than this."""
SURE = 0.99
"""A place is fixed where the model is so sure: as often right as the fixed places of templates that many poems give."""
MAX_CHARACTERS = 260
"""A longer text is no single song: 莺啼序, the longest tune, has 240 characters."""
_AGREES, _AGREES_BY_CHANCE = 0.92, 0.15
_MAX_UNRHYMED = 0.34
_SAME_TONES = 0.7
_DECISIVE = 40
"""So many poems decide by themselves what a place asks for."""


@dataclass
class MarkTrust:
    """How often rhyming and other lines close with each mark, in the poems of an era.

    Attributes:
        counts: For each era, how many lines there are by (rhyming, mark).
    """

    counts: dict[str, Counter[tuple[bool, str]]] = field(default_factory=lambda: defaultdict(Counter))

    def add(self, era: str, variant: TuneVariant, marks: str) -> None:
        """Counts the lines of a poem that has the line lengths of a variant."""
        for slots, mark in zip(variant.form.lines, marks):
            self.counts[era][slots[-1].rhyme is not None, mark] += 1

    def odds(self, era: str, mark: str) -> float:
        """The odds that a line with this closing mark rhymes."""
        counts = self.counts.get(era) or Counter({(True, FULL_STOP): 1})
        return (counts[True, mark] + 0.5) / (counts[False, mark] + 0.5)


def thin_variants(
    name: str, poems: Sequence[SungPoem], model: PlaceModel, trust: MarkTrust, known: Sequence[TuneVariant] = ()
) -> list[TuneVariant]:
    """The variants that few poems of one tune follow, those of most poems first.

    Args:
        name: The tune.
        poems: Its poems that no known variant fits.
        model: What is known of places.
        trust: What is known of marks.
        known: The variants that many poems attest.
    """
    groups = []
    for group in _groups(poems, trust):
        if known and len(set(group.division)) == 1:
            # 绝句 and 律诗 under the name of a tune (浪淘沙 of 28 characters) are judged by their own rules.
            continue
        found_rhymes = _rhymes(group, trust)
        if found_rhymes and sum(group.division) <= MAX_CHARACTERS:
            groups.append((group, *found_rhymes))
    lined = [(group, rhymes, _lines(name, group, tones)) for group, rhymes, tones in groups]
    settled = [(variant.form.line_lengths, _attested(variant)) for variant in known]
    found = []
    for number, (group, rhymes, lines) in enumerate(lined):
        others = settled + [(other.division, theirs) for place, (other, _, theirs) in enumerate(lined) if place != number]
        sisters = [(theirs, aligned(group.division, lengths)) for lengths, theirs in _nearest(group.division, others)]
        found.append(_variant(name, group, rhymes, lines, model.beliefs(lines, sisters)))
    return sorted(found, key=lambda variant: -variant.poems)


_Other = tuple[tuple[int, ...], list[Line]]
_SISTERS = 2


def _nearest(division: tuple[int, ...], others: Iterable[_Other]) -> list[_Other]:
    """The sisters that lines are borrowed from: those with most lines in common, few enough not to outvote the poems."""
    shared = [(sum(division[mine] for mine, _ in aligned(division, lengths)), (lengths, lines)) for lengths, lines in others]
    shared.sort(key=lambda pair: -pair[0])
    return [other for common, other in shared[:_SISTERS] if 2 * common >= sum(division)]


def _attested(variant: TuneVariant) -> list[Line]:
    """The lines of a variant as evidence, as if ten poems had been counted."""
    return [
        Line(
            tuple((share / 10, 10 - share / 10) if share >= 0 else (0.0, 0.0) for share in shares),
            slots[-1].tone if slots[-1].rhyme else None,
        )
        for slots, shares in zip(variant.form.lines, variant.level_shares)
    ]


def _lines(name: str, group: PoemGroup, tones: Mapping[int, Tone]) -> list[Line]:
    weight = witnesses(group.poems) / len(group)
    counts = iter((weight * level, weight * oblique) for level, oblique in group.counts(group.everyone))
    rhymed = [tones.get(line) for line in range(len(group.division))]
    marks = commonest_marks(group)
    ends = stanza_ends(name, group.division, marks)
    answers = mirrors(group.division, rhymed, ends[0] if len(ends) == 1 else 0)
    return [
        Line(tuple(next(counts) for _ in range(length)), rhyme, answer)
        for length, rhyme, answer in zip(group.division, rhymed, answers)
    ]


def _variant(
    name: str, group: PoemGroup, rhymes: Mapping[int, str], lines: Sequence[Line], beliefs: Sequence[Sequence[PlaceBelief]]
) -> TuneVariant:
    slots: list[list[Slot]] = []
    shares: list[list[int]] = []
    for number, (line, row) in enumerate(zip(lines, beliefs)):
        own = [Slot(belief.tone(ASKED)) for belief in row]
        expected = [expected_share(belief, count) for belief, count in zip(row, line.counts)]
        if number in rhymes:
            own[-1] = Slot(line.rhyme, rhymes[number])
            expected[-1] = 100 if line.rhyme is Tone.LEVEL else 0
        slots.append(own)
        shares.append(expected)
    repeated = repetitions(group)
    unite_repeats(slots, shares, repeated.repeats)
    for second, first in repeated.turns:
        _repeat(slots, shares, second - 1, first - 1, backwards=True)
    for second, first in repeated.echoes:
        _repeat(slots, shares, second - 1, first - 1)
    form = Form(name, tuple(map(tuple, slots)), commonest_marks(group), **repeated._asdict())
    told = {number: line.rhyme for number, line in enumerate(lines) if line.rhyme}
    return TuneVariant(form, len(group), tuple(map(tuple, shares)), usual_rhymes(group, rhymes, told))


def _repeat(slots: list[list[Slot]], shares: list[list[int]], second: int, first: int, *, backwards: bool = False) -> None:
    """A line that repeats the end of another asks for the same tones; of two that differ a rhyme's counts, else neither."""
    length, width = len(slots[second]), len(slots[first])
    for place in range(length):
        source = width - 1 - place if backwards else width - length + place
        one, other = slots[first][source], slots[second][place]
        tones = {slot.tone for slot in (one, other) if slot.rhyme} or {slot.tone for slot in (one, other) if slot.tone}
        tone = tones.pop() if len(tones) == 1 else None
        share = next(
            (own for own, slot in ((shares[first][source], one), (shares[second][place], other)) if tone is slot.tone),
            50,
        )
        slots[first][source], slots[second][place] = replace(one, tone=tone), replace(other, tone=tone)
        shares[first][source] = shares[second][place] = share


def expected_share(belief: PlaceBelief, count: Counts) -> int:
    """The percentage of level tones to expect."""
    return _unfixed_in_doubt(round(100 * (belief.level + (1 - belief.level - belief.oblique) / 2)), belief, count)


def _unfixed_in_doubt(share: int, belief: PlaceBelief, count: Counts = (0, 0)) -> int:
    """A percentage of level tones, short of what fixes a place where the model is less than nearly sure.

    A place that a poem of the variant itself goes against is never fixed either.
    """
    least = 0 if belief.oblique >= SURE and not count[0] else 100 - MIN_FIXED_PERCENT + 1
    most = 100 if belief.level >= SURE and not count[1] else MIN_FIXED_PERCENT - 1
    return min(max(share, least), most)


def with_doubts(variant: TuneVariant, model: PlaceModel, seen: float) -> TuneVariant:
    """A variant that poems by themselves attest, with places no longer fixed that so many poems may all keep by chance.

    Eight poems of eight often have one tone where one in ten of all has the other: what the line, its mirror and the number of
    poems make of it decides, as it does for fewer poems.
    """
    if seen >= _DECISIVE:
        return variant
    lengths, marks = variant.form.line_lengths, variant.form.marks
    rhymed = [slots[-1].tone if slots[-1].rhyme else None for slots in variant.form.lines]
    ends = stanza_ends(variant.form.name, lengths, marks)
    answers = mirrors(lengths, rhymed, ends[0] if len(ends) == 1 else 0)
    counted = seen / 100
    lines = [
        Line(tuple((share * counted, (100 - share) * counted) if share >= 0 else (0.0, 0.0) for share in shares), rhyme, answer)
        for shares, rhyme, answer in zip(variant.level_shares, rhymed, answers)
    ]
    rows = (
        tuple(_unfixed_in_doubt(share, belief) if share >= 0 else share for share, belief in zip(shares, beliefs))
        for shares, beliefs in zip(variant.level_shares, model.beliefs(lines))
    )
    return replace(variant, level_shares=tuple(rows))


def commonest_marks(group: PoemGroup) -> str:
    """The commonest closing mark of each line, of the poems with the commonest division."""
    columns = zip(*(poem.marks for poem in group.poems if poem.lengths == group.division))
    return "".join(Counter(column).most_common(1)[0][0] for column in columns)


def _groups(poems: Sequence[SungPoem], trust: MarkTrust) -> list[PoemGroup]:
    """Poems of one number of characters whose rhyming lines end alike, the largest groups first."""
    by_length: dict[int, list[SungPoem]] = defaultdict(list)
    for poem in poems:
        by_length[len(poem.sounds)].append(poem)
    groups = []
    for rest in by_length.values():
        while rest:
            division = Counter(poem.lengths for poem in rest).most_common(1)[0][0]
            seeds = [poem for poem in rest if poem.lengths == division]
            ends = line_ends(division)
            closing = _closing(PoemGroup(tuple(seeds)), trust)
            needed = {ends[line] for line in closing} | {ends[-1]}
            fitting = [poem for poem in rest if needed <= set(line_ends(poem.lengths))]
            groups += _of_one_tone(fitting, sorted(needed))
            taken = set(map(id, fitting))
            rest = [poem for poem in rest if id(poem) not in taken]
    return sorted(groups, key=len, reverse=True)


def _of_one_tone(poems: Sequence[SungPoem], ends: Sequence[int]) -> list[PoemGroup]:
    """The poems sorted by the tones of their rhymes: a tune may have a variant in 平 and one in 仄 of the same lines."""
    groups: list[list[SungPoem]] = []
    for poem in poems:
        for group in groups:
            known = same = 0
            for end in ends:
                tones, others = tones_of(poem.sounds[end]), [tones_of(other.sounds[end]) for other in group]
                if len(tones) == 1:
                    known += 1
                    same += 2 * sum(tones <= other for other in others) >= len(others)
            if same >= _SAME_TONES * known:
                group.append(poem)
                break
        else:
            groups.append([poem])
    return [PoemGroup(tuple(group)) for group in groups]


def _closing(group: PoemGroup, trust: MarkTrust) -> list[int]:
    """The lines that rhyme, by their marks and by the agreement of their ends."""
    poems = [poem for poem in group.poems if poem.lengths == group.division]
    ends = line_ends(group.division)
    odds = []
    for line in range(len(ends)):
        # Poems of one collection are marked alike: their marks are one witness.
        witnesses = [trust.odds(poem.era, poem.marks[line]) for poem in poems]
        odds.append(sum(witnesses) / len(witnesses))
    # First by the full stops, which close rhyming lines in every edition; then by what agrees with these.
    sure = [line for line in range(len(ends)) if sum(poem.marks[line] == FULL_STOP for poem in poems) * 2 > len(poems)]
    found = []
    for line, prior in enumerate(odds):
        before, after = [other for other in sure if other < line], [other for other in sure if other > line]
        about = {*before[-2:], *after[:2]}
        if line in sure:
            # Of a pair between other rhymes (荷叶杯: 冷 影) the first closes with a comma: its fellow tells of it.
            about |= {line - 1, line + 1} & set(range(len(ends)))
        for poem in poems:
            near = [poem.sounds[ends[other]] for other in sorted(about)]
            agrees = any(not poem.sounds[ends[line]].isdisjoint(other) for other in near)
            prior *= _AGREES / _AGREES_BY_CHANCE if agrees else (1 - _AGREES) / (1 - _AGREES_BY_CHANCE)
        if prior > 1:
            found.append(line)
    return found


def _rhymes(group: PoemGroup, trust: MarkTrust) -> tuple[dict[int, str], dict[int, Tone]] | None:
    """The rhyme of each rhyming line and its tone; `None` where no two lines rhyme or too many belong to no rhyme."""
    closing = _closing(group, trust)
    ends = line_ends(group.division)
    heard = {line: [poem.sounds[ends[line]] for poem in group.poems] for line in closing}
    rhyme_of = {line: line for line in closing}
    for second in closing:
        for first in closing:
            if first < second and _agree(heard[first], heard[second]) >= RHYME_SHARE:
                old, new = rhyme_of[second], rhyme_of[first]
                rhyme_of = {line: new if own == old else own for line, own in rhyme_of.items()}
    tone_of = _tones(rhyme_of, heard)
    _place_strays(rhyme_of, tone_of, heard)
    _join_across_tones(rhyme_of, tone_of, heard)
    sizes = Counter(rhyme_of.values())
    kept = {line: rhyme for line, rhyme in rhyme_of.items() if sizes[rhyme] > 1 and line in tone_of}
    if len(kept) < 2 or len(closing) - len(kept) > _MAX_UNRHYMED * len(closing):
        return None
    names: dict[int, str] = {}
    named = {line: names.setdefault(rhyme, chr(ord("a") + len(names))) for line, rhyme in sorted(kept.items())}
    return (named, {line: tone_of[line] for line in kept}) if len(names) <= 26 else None


def _agree(one: Sequence[Sounds], other: Sequence[Sounds]) -> float:
    return sum(not mine.isdisjoint(theirs) for mine, theirs in zip(one, other)) / len(one)


def _tones(rhyme_of: Mapping[int, int], heard: Mapping[int, Sequence[Sounds]]) -> dict[int, Tone]:
    """The tone of each line: that of most of its rhyme's ends, the tones that a rhyme allows being what its ends share."""
    votes: dict[int, Counter[Tone]] = defaultdict(Counter)
    for line, rhyme in rhyme_of.items():
        for sounds in heard[line]:
            found = tones_of(sounds)
            votes[rhyme].update(dict.fromkeys(found, 1 / len(found) if found else 0))
    best = {rhyme: max(count, key=lambda tone: (count[tone], tone.value)) for rhyme, count in votes.items() if count}
    return {line: best[rhyme] for line, rhyme in rhyme_of.items() if rhyme in best}


def _place_strays(rhyme_of: dict[int, int], tone_of: dict[int, Tone], heard: Mapping[int, Sequence[Sounds]]) -> None:
    """Gives a line that agrees with no other the rhyme that stands about it, if Song poets took their parts together."""
    sizes = Counter(rhyme_of.values())
    order = sorted(rhyme_of)
    for number, line in enumerate(order):
        if sizes[rhyme_of[line]] > 1:
            continue
        about = [other for step in (1, 2) for other in order[max(0, number - step) : number + step + 1] if other != line]
        for other in about:
            kin = sum(map(_is_kin, heard[line], heard[other]))
            if sizes[rhyme_of[other]] > 1 and kin >= RHYME_SHARE * len(heard[line]):
                rhyme_of[line], tone_of[line] = rhyme_of[other], tone_of[other]
                break


def _is_kin(one: Sounds, other: Sounds) -> bool:
    return any(
        mine.tone is theirs.tone and (mine.part == theirs.part or mine.part in MIXED_PARTS[theirs.part])
        for mine in one
        for theirs in other
    )


def _join_across_tones(rhyme_of: dict[int, int], tone_of: Mapping[int, Tone], heard: Mapping[int, Sequence[Sounds]]) -> None:
    """One rhyme in both tones (平仄通叶): rhymes of different tone that keep to one part in nearly every pair of lines."""
    lines_of: dict[int, list[int]] = defaultdict(list)
    for line, rhyme in sorted(rhyme_of.items()):
        lines_of[rhyme].append(line)
    rhymes = list(lines_of)
    for number, first in enumerate(rhymes):
        for second in rhymes[number + 1 :]:
            one, other = lines_of[first], lines_of[second]
            if len(one) + len(other) < 3 or tone_of.get(one[0]) is tone_of.get(other[0]):
                continue
            pairs = [
                not parts_of(mine).isdisjoint(parts_of(theirs))
                for line in one
                for another in other
                for mine, theirs in zip(heard[line], heard[another])
            ]
            if sum(pairs) >= RHYME_SHARE * len(pairs):
                rhyme_of |= dict.fromkeys(other, rhyme_of[one[0]])
