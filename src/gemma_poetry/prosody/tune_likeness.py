"""Tunes of the same pattern under different names: 渔歌子 and 渔父, 浪淘沙令 and 浪淘沙.

In: tunes with their variants. Out: the same tunes, each with the names of those that have a variant like one of its own.

Two variants are alike that have as many characters in lines that are not all of one length, rhymes in the same places and
tones, and the same tones where both ask for one, one place in 25 let pass. That may be chance. How often a line has this
length and rhyme, and how often lines of this length and rhyme agree in their tones, is counted over all variants with many
poems; the product over the lines of the variant (of its first half, where it has two stanzas: the second repeats the first)
must be under one in a hundred for all variants together.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations

from gemma_poetry.prosody.forms import Slot, Tone
from gemma_poetry.prosody.tune_variants import Tier, TuneVariant, line_ends, stanza_ends
from gemma_poetry.prosody.tunes import Tune

_LineKey = tuple[int, Tone | None]
_Tones = tuple[Tone | None, ...]

_MIN_COMPARED = 7
_MAX_OPPOSITE = 0.04
_MAX_CHANCE = 0.01
# A variant that few of a tune's poems follow does not make two tunes the same.
_MIN_OWN_SHARE = 0.2


def with_likenesses(tunes: Mapping[str, Tune]) -> dict[str, Tune]:
    """The tunes, each with the names of those of the same pattern, in their order."""
    by_shape: dict[object, list[tuple[str, TuneVariant]]] = defaultdict(list)
    compared = 0
    for tune in tunes.values():
        for variant in tune.variants:
            if variant.poems >= _MIN_OWN_SHARE * tune.poems and len(set(variant.form.line_lengths)) > 1:
                by_shape[_shape(variant)].append((tune.name, variant))
                compared += 1
    known = _lines_of(variant for tune in tunes.values() for variant in tune.variants if variant.tier is Tier.SOLID)
    like: dict[str, set[str]] = defaultdict(set)
    for own in by_shape.values():
        for (name, variant), (other, theirs) in combinations(own, 2):
            if name != other and are_alike(variant, theirs) and _chance(variant, known) * compared < _MAX_CHANCE:
                like[name].add(other)
                like[other].add(name)
    return {name: replace(tune, like=tuple(other for other in tunes if other in like[name])) for name, tune in tunes.items()}


def are_alike(one: TuneVariant, other: TuneVariant) -> bool:
    """Whether two variants have one pattern: lines, rhymes, and tones where both ask for one."""
    if _shape(one) != _shape(other):
        return False
    pairs = [
        (mine.tone, theirs.tone) for mine, theirs in zip(one.slots, other.slots) if mine.tone and theirs.tone and not mine.rhyme
    ]
    opposite = sum(mine is not theirs for mine, theirs in pairs)
    return len(pairs) >= _MIN_COMPARED and opposite <= _MAX_OPPOSITE * len(pairs)


def _shape(variant: TuneVariant) -> object:
    ends = line_ends(variant.form.line_lengths)
    rhymes = tuple((end, slots[-1].rhyme, slots[-1].tone) for end, slots in zip(ends, variant.form.lines) if slots[-1].rhyme)
    return variant.characters, rhymes


def _rhyme_tone(slots: Sequence[Slot]) -> Tone | None:
    return slots[-1].tone if slots[-1].rhyme else None


def _tones(slots: Sequence[Slot]) -> _Tones:
    return tuple(slot.tone for slot in slots)


def _lines_of(variants: Iterable[TuneVariant]) -> dict[_LineKey, Counter[_Tones]]:
    found: dict[_LineKey, Counter[_Tones]] = defaultdict(Counter)
    for variant in variants:
        for slots in variant.form.lines:
            found[len(slots), _rhyme_tone(slots)][_tones(slots)] += 1
    return found


def _chance(variant: TuneVariant, known: Mapping[_LineKey, Counter[_Tones]]) -> float:
    """The chance that other lines have the lengths, the rhymes and the tones of a variant's."""
    lines = variant.form.lines
    if stanza_ends(variant.form.name, variant.form.line_lengths, variant.form.marks):
        lines = lines[: (len(lines) + 1) // 2]
    every = sum(counts.total() for counts in known.values())
    chance = 1.0
    for slots in lines:
        others = known.get((len(slots), _rhyme_tone(slots)), Counter())
        agreeing = sum(
            count
            for other, count in others.items()
            if all(mine is theirs or mine is None or theirs is None for mine, theirs in zip(_tones(slots), other))
        )
        # Half a line is added: what was never seen is not impossible.
        chance *= (agreeing + 0.5) / (every + 1)
    return chance
