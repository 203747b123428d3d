"""词牌 templates learned from a corpus.

In: poems with the tune that each is written to, its lines and closing marks.
Out: a `Tune` for every tune, with variants where its poems agree on a pattern.

    poems of a tune ──tune_grouping──> groups ──line division, tones, rhymes, marks, echoes──> variants

For each place of a group's running characters, the share of level tones: at least .9 or at most .1 is fixed, what lies
between is free. Rhyme from the pairwise agreement of line ends under 词林正韵, with 平 apart from 仄; two rhymes of
different tone that mostly share the part of each poem are one rhyme in both tones (西江月). A tune of fewer than 30
poems gets its variants from few poems (`tune_thin`); one whose lines show no rhyme is not judged.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations, islice
from typing import TypeVar

from gemma_poetry.prosody.forms import Form, Slot, Tone
from gemma_poetry.prosody.tune_grouping import (
    RHYME_SHARE,
    PoemGroup,
    SungPoem,
    TunePoem,
    fixed_tone,
    group_poems,
    level_share,
    rhyming_lines,
    sing,
    usual_era,
    usual_rhymes,
    witnesses,
)
from gemma_poetry.prosody.tune_patterns import labelled
from gemma_poetry.prosody.tune_places import PlaceModel, learn
from gemma_poetry.prosody.tune_repetition import repetitions, unite_repeats
from gemma_poetry.prosody.tune_sounds import parts_of, tones_of
from gemma_poetry.prosody.tune_thin import MarkTrust, commonest_marks, thin_variants, with_doubts
from gemma_poetry.prosody.tune_variants import SHORTEST_TWOFOLD, TuneVariant, line_ends, stanza_ends
from gemma_poetry.prosody.tunes import MIN_POEMS, MIN_SHAPE_POEMS, Tune, shipped_tunes

Item = TypeVar("Item")

MIN_VARIANT_POEMS = 8
"""A variant that fewer poems follow is not told from chance."""
_MIN_FIXED_PLACES = 0.45
_MAX_UNDECIDED_RHYMES = 0.25
_RHYME_TONE_SHARE = 0.75
_STRANGE_SHARE = 0.15
_WHOLE_SHARE = 0.6
_FRAGMENT_SHARE = 0.4
_WHOLE_LINES = 5
_PART_SHARE = 0.7
_ENOUGH_VARIANTS = 20


def induce_tunes(
    poems: Iterable[TunePoem],
    *,
    min_poems: int = MIN_POEMS,
    min_variant_poems: int = MIN_VARIANT_POEMS,
) -> dict[str, Tune]:
    """The tunes of a corpus by name, most poems first.

    Args:
        poems: Poems of any tunes, in any script; those without a tune are passed over.
        min_poems: Tunes with fewer poems have only variants told from few (`tune_thin`).
        min_variant_poems: Variants that fewer poems follow are left to `tune_thin`.
    """
    by_tune: dict[str, list[SungPoem]] = defaultdict(list)
    for poem in poems:
        if poem.tune:
            by_tune[poem.tune].append(sing(poem))
    # A poem that lacks a character tells of what no whole poem tells.
    whole = {name: [poem for poem in own if not poem.lacks] for name, own in by_tune.items()}
    found = {
        name: induce_variants(name, own, min_variant_poems) if len(own) >= min_poems else () for name, own in whole.items()
    }
    model = learned_model(found)
    found = {
        name: tuple(with_doubts(variant, model, _witnesses(variant, whole[name])) for variant in variants)
        for name, variants in found.items()
    }
    trust = MarkTrust()
    for name, variants in found.items():
        for sung in whole[name]:
            variant = next((one for one in variants if one.form.line_lengths == sung.lengths), None)
            if variant:
                trust.add(sung.era, variant, sung.marks)
    tunes = {}
    for name, own in sorted(by_tune.items(), key=lambda item: (-len(item[1]), item[0])):
        rest = _unexplained(Tune(name, len(own), found[name]), own)
        thin = thin_variants(name, rest, model, trust, found[name])
        tunes[name] = Tune(name, len(own), relabelled([*found[name], *thin]))
    return tunes


def learned_model(found: Mapping[str, Sequence[TuneVariant]]) -> PlaceModel:
    """What the variants of a corpus tell about places; where they are few, what those tell that ship with the package."""
    if sum(map(len, found.values())) < _ENOUGH_VARIANTS:
        found = {name: tune.solid for name, tune in shipped_tunes().tunes.items()}
    described = [[(variant.form, variant.level_shares) for variant in variants] for variants in found.values()]
    return learn(described, _second_stanza)


def _witnesses(variant: TuneVariant, poems: Sequence[SungPoem]) -> float:
    """How many witnesses a variant has."""
    return witnesses([poem for poem in poems if _follows(poem, variant)])


def _second_stanza(form: Form) -> int:
    ends = stanza_ends(form.name, form.line_lengths, form.marks)
    return ends[0] if len(ends) == 1 else 0


def _unexplained(tune: Tune, poems: Sequence[SungPoem]) -> list[SungPoem]:
    """The poems that follow no variant and that are no slip of an editor, of whom one poem alone is no witness."""
    if not tune.judged:
        return list(poems)
    rest = [poem for poem in poems if not any(_follows(poem, variant) for variant in tune.variants)]
    times = _attested_times(Counter(poem.lengths for poem in rest))
    era = usual_era(poems)
    return [poem for poem in rest if _is_witness(tune, poem.lengths, times[poem.lengths], other_era=poem.era != era)]


def _attested_times(counts: Mapping[tuple[int, ...], int]) -> dict[tuple[int, ...], int]:
    """How many poems have such lines, or the same more or less finely divided: in that editors differ (8, or 3 and 5).

    Of the shapes near to a variant that one poem has so and another divides otherwise the handbook of 1715 knows 21 of 47.
    """
    by_length: dict[int, list[tuple[tuple[int, ...], set[int]]]] = defaultdict(list)
    for lengths in counts:
        by_length[sum(lengths)].append((lengths, set(line_ends(lengths))))
    return {
        lengths: sum(counts[other] for other, theirs in same if ends <= theirs or theirs <= ends)
        for same in by_length.values()
        for lengths, ends in same
    }


def _follows(poem: SungPoem, variant: TuneVariant) -> bool:
    """Whether a poem fits a variant, and keeps enough of its tones to be no stranger to it (念奴娇 in 平韵)."""
    if not variant.fits(poem.lengths):
        return False
    known = wrong = 0
    for slot, sounds in zip(variant.slots, poem.sounds):
        tones = tones_of(sounds)
        if slot.tone and tones:
            known += 1
            wrong += slot.tone not in tones
    return wrong < _STRANGE_SHARE * max(known, 1)


def with_aliases(tunes: Mapping[str, Tune], named: Iterable[tuple[str, TunePoem]]) -> dict[str, Tune]:
    """The tunes with the other names under which a corpus has them.

    A name is an alias only if most of its poems can be laid over a variant of the tune: collections also set beside
    each other names that merely sound alike (玉联环, 解连环). For a tune that is not judged it cannot be told.

    Args:
        tunes: Tunes by name.
        named: The other name of a poem, and the poem under its tune.
    """
    fitting: dict[tuple[str, str], list[bool]] = defaultdict(list)
    for alias, poem in named:
        tune = tunes.get(poem.tune)
        if tune and alias and alias != tune.name:
            lengths = tuple(map(len, poem.lines))
            fitting[tune.name, alias].append(not tune.judged or any(variant.fits(lengths) for variant in tune.variants))
    aliases: dict[str, list[str]] = defaultdict(list)
    for (name, alias), fits in sorted(fitting.items()):
        if 2 * sum(fits) > len(fits):
            aliases[name].append(alias)
    return {name: replace(tune, aliases=tuple(aliases[name])) for name, tune in tunes.items()}


def with_shapes(tunes: Mapping[str, Tune], poems: Iterable[TunePoem]) -> dict[str, Tune]:
    """The tunes with how many characters their poems have, and the line lengths of poems that no variant fits.

    Of a tune with a template those line lengths are kept that several poems have (又一体 whose poems show no rhyme), and those
    of single poems that no slip of an editor can have made of a variant.

    Args:
        tunes: Tunes by name.
        poems: Poems of these tunes and others.
    """
    by_tune: dict[str, list[TunePoem]] = defaultdict(list)
    for poem in poems:
        by_tune[poem.tune].append(poem)
    found = {}
    for name, tune in tunes.items():
        eras: dict[tuple[int, ...], list[str]] = defaultdict(list)
        for poem in by_tune[name]:
            eras[tuple(map(len, poem.lines))].append(poem.era)
        kept: tuple[tuple[int, ...], ...] = ()
        if tune.judged:
            era = usual_era(by_tune[name])
            times = _attested_times({shape: len(own) for shape, own in eras.items() if not tune.fits(shape)})
            counted = sorted((-count, shape) for shape, count in times.items())
            kept = tuple(
                shape for count, shape in counted if _is_witness(tune, shape, -count, other_era=set(eras[shape]) != {era})
            )
        told = {variant.characters for variant in tune.variants} | set(map(sum, kept if tune.judged else eras))
        found[name] = replace(tune, shapes=kept, characters=tuple(sorted(told)))
    return found


def _is_witness(tune: Tune, lengths: Sequence[int], poems: int, *, other_era: bool = False) -> bool:
    """Whether so many poems show that a tune has such lines: no slip of an editor, no fragment, no stanza left of two.

    One poem does where it is of another era than most: before the Song a tune had not settled (春光好 of 40 characters). Of the
    shapes of single poems near to a variant the handbook of 1715 knows 7 of 16 of the Five Dynasties, one in ten of the Song.
    """
    shortest = min(variant.characters for variant in tune.variants)
    if poems < MIN_SHAPE_POEMS:
        if tune.is_near(lengths):
            stanzas_alike = any(_is_changed_twice(lengths, variant) for variant in tune.variants) or _is_twofold(lengths)
            return other_era or stanzas_alike
        if not other_era:
            return sum(lengths) >= _WHOLE_SHARE * shortest
    if sum(lengths) >= _FRAGMENT_SHARE * shortest:
        return True
    # A short song of an old name (风流子 of 34 characters) has lines of its own, a fragment those of a variant.
    return len(lengths) >= _WHOLE_LINES and not any(_is_part(lengths, variant.form.line_lengths) for variant in tune.variants)


def _is_twofold(lengths: Sequence[int]) -> bool:
    """Whether two stanzas have the very same lines, which a slip in one of them would have spoiled.

    Of the shapes of single poems near to a variant the handbook of 1715 knows 11 of 18 that are so.
    """
    half = len(lengths) // 2
    unlike = len(set(lengths)) > 1
    return unlike and sum(lengths) >= SHORTEST_TWOFOLD and tuple(lengths[:half]) == tuple(lengths[half:])


def _is_changed_twice(lengths: Sequence[int], variant: TuneVariant) -> bool:
    """Whether lines are those of a variant but for one in each stanza, in the same place from its end and by as much.

    An editor slips once. Of the shapes of single poems the handbook of 1715 knows one in three that are so, of others that are
    near to a variant one in twelve.
    """
    usual = variant.form.line_lengths
    ends = stanza_ends(variant.form.name, usual, variant.form.marks)
    if len(lengths) != len(usual) or len(ends) != 1:
        return False
    changed = [(line, mine - theirs) for line, (mine, theirs) in enumerate(zip(lengths, usual)) if mine != theirs]
    if len(changed) != 2:
        return False
    (first, more), (second, again) = changed
    (end,) = ends
    return more == again and first < end <= second and second in (len(usual) - end + first, end + first)


def _is_part(lengths: Sequence[int], whole: Sequence[int]) -> bool:
    """Whether lines are, but for a few, lines in a row of a longer poem."""
    count = len(lengths)
    return any(
        sum(mine == theirs for mine, theirs in zip(lengths, whole[begin : begin + count])) >= _PART_SHARE * count
        for begin in range(len(whole) - count + 1)
    )


def induce_variants(name: str, poems: Sequence[SungPoem], min_poems: int = MIN_VARIANT_POEMS) -> tuple[TuneVariant, ...]:
    """The variants of one tune, the most frequent first."""
    found = [variant for group in group_poems(poems, min_poems) if (variant := induce_variant(name, group))]
    return relabelled(found)


def relabelled(found: Sequence[TuneVariant]) -> tuple[TuneVariant, ...]:
    """The variants of one tune, each with a label of its own."""
    labels = labelled(variant.form for variant in found)
    return tuple(replace(variant, form=replace(variant.form, pattern=label)) for label, variant in zip(labels, found))


def induce_variant(name: str, group: PoemGroup) -> TuneVariant | None:
    """The pattern that a group follows; `None` if its poems share no rhymes, disagree on their tone, or settle little."""
    rhyming = rhyming_lines(group)
    tone_of = _rhyme_tones(group, rhyming)
    if not rhyming or len(rhyming) - len(tone_of) > _MAX_UNDECIDED_RHYMES * len(rhyming):
        return None
    rhymes = _renamed(_joined_across_tones(group, {line: rhyming[line] for line in tone_of}, tone_of))
    if not rhymes:
        return None
    counts = group.counts(group.everyone)
    slots = [Slot(fixed_tone(*count)) for count in counts]
    for line, rhyme in rhymes.items():
        end = line_ends(group.division)[line]
        slots[end] = Slot(tone_of.get(line, slots[end].tone), rhyme)
    if sum(slot.tone is not None for slot in slots) < _MIN_FIXED_PLACES * len(slots):
        return None
    shares = [round(100 * level / (level + oblique)) if level + oblique else -1 for level, oblique in counts]
    rows, levels = _divided(slots, group.division), _divided(shares, group.division)
    repeated = repetitions(group)
    unite_repeats(rows, levels, repeated.repeats)
    form = Form(name, tuple(map(tuple, rows)), commonest_marks(group), **repeated._asdict())
    return TuneVariant(form, len(group), tuple(map(tuple, levels)), usual_rhymes(group, rhymes, tone_of))


def _divided(places: Sequence[Item], lengths: Iterable[int]) -> list[list[Item]]:
    """One item a place, line by line."""
    rest = iter(places)
    return [list(islice(rest, length)) for length in lengths]


def _rhyme_tones(group: PoemGroup, rhyming: Mapping[int, str]) -> dict[int, Tone]:
    """The tone of each rhyming line: that of its rhyme as a whole, which few places alone would decide.

    Lines that often have the other tone, and all lines of a rhyme without a tone (a mixture), are left out.
    """
    counts = group.counts(group.everyone)
    ends = line_ends(group.division)
    tone_of: dict[int, Tone] = {}
    for rhyme in set(rhyming.values()):
        lines = [line for line, own in rhyming.items() if own == rhyme]
        tone = fixed_tone(*map(sum, zip(*(counts[ends[line]] for line in lines))))
        for line in lines:
            share = level_share(*counts[ends[line]])
            if tone and (share if tone is Tone.LEVEL else 1 - share) >= _RHYME_TONE_SHARE:
                tone_of[line] = tone
    return tone_of


def _joined_across_tones(group: PoemGroup, rhymes: Mapping[int, str], tone_of: Mapping[int, Tone]) -> dict[int, str]:
    """The rhymes, where 平 and 仄 lines that keep to one part are given one name.

    A line that rhymes with no other of its tone may so join a rhyme of the other tone.
    """
    counts = group.counts(group.everyone)
    ends = line_ends(group.division)
    parts = [[parts_of(poem.sounds[end]) for end in ends] for poem in group.poems]
    # A line alone is a rhyme of one line, under a name that no other can have; `_renamed` drops it if it stays alone.
    tone_at = {line: fixed_tone(*counts[end]) for line, end in enumerate(ends)} | dict(tone_of)
    joined = {line: f"line {line}" for line, tone in tone_at.items() if tone} | dict(rhymes)
    lines_of: dict[str, list[int]] = defaultdict(list)
    for line, rhyme in sorted(joined.items()):
        lines_of[rhyme].append(line)
    for first, second in combinations(lines_of, 2):
        one, other = lines_of[first], lines_of[second]
        if tone_at[one[0]] is tone_at[other[0]] or len(one) + len(other) < 3:
            continue
        pairs = [not mine[line].isdisjoint(mine[another]) for mine in parts for line in one for another in other]
        if sum(pairs) >= RHYME_SHARE * len(pairs):
            joined |= dict.fromkeys(other, joined[one[0]])
    return joined


def _renamed(rhymes: Mapping[int, str]) -> dict[int, str]:
    """Without rhymes of a single line; named a, b, c in the order of their first line."""
    sizes = Counter(rhymes.values())
    names: dict[str, str] = {}
    return {
        line: names.setdefault(rhyme, chr(ord("a") + len(names))) for line, rhyme in sorted(rhymes.items()) if sizes[rhyme] > 1
    }
