"""Do induced 词牌 templates describe poems that they were not induced from?

    python benchmarks/tunes.py SOURCE [--era 宋] [--split poem|author] [--on 五代]

In: a source of 词. Its poems (or its authors) are halved by a hash; templates are induced from one half and the other
half is scored. With --on, templates come from the whole era, and poems of another era are scored. Out: a Markdown
table, of whole poems: how many have a template and fit its line lengths, the share of fixed and usual places that conform,
rhyme places in the part of their rhyme, poems without a fault; for the poems as they are, and for the same poems with their
characters shuffled. Punctuation of the source, which took no part in finding rhymes, is a check on them: how many rhyming
lines close with 。 and how many others with ，.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from gemma_poetry.prosody.characters import LOST_CHARACTER
from gemma_poetry.prosody.rules import Rule
from gemma_poetry.prosody.tune_fit import fit_variants
from gemma_poetry.prosody.tune_induction import induce_tunes
from gemma_poetry.prosody.tunes import Tune
from gemma_poetry.verbs.tunes import TunePoem, read_tune_poems


@dataclass(slots=True)
class Score:
    """Counts over poems.

    Attributes:
        judged: Poems whose tune has a template.
        fitting: Those that fit the line lengths of a variant.
        fixed: Places with a tone, required or usual, in fitting poems.
        wrong: Those whose character cannot have the tone.
        required: Those that are required, and not merely usual.
        missed: Required ones whose character cannot have the tone.
        rhymed: Rhyming places in fitting poems.
        unrhymed: Those out of rhyme or of the wrong tone.
        in_tone: Fitting poems without a wrong tone.
        in_rhyme: Fitting poems without a place out of rhyme.
        faultless: Fitting poems without any fault.
    """

    judged: int = 0
    fitting: int = 0
    fixed: int = 0
    wrong: int = 0
    required: int = 0
    missed: int = 0
    rhymed: int = 0
    unrhymed: int = 0
    in_tone: int = 0
    in_rhyme: int = 0
    faultless: int = 0


def score(
    poems: Iterable[TunePoem],
    tunes: dict[str, Tune],
    change: Callable[[tuple[str, ...]], tuple[str, ...]] = lambda lines: lines,
) -> Score:
    """Scores poems under templates, after a change to the lines of each."""
    total = Score()
    for poem in poems:
        tune = tunes.get(poem.tune)
        if tune is None or not tune.judged:
            continue
        total.judged += 1
        lengths = tuple(map(len, poem.lines))
        if not any(variant.fits(lengths) for variant in tune.variants):
            continue
        fit = fit_variants(change(poem.lines), tune.variants, book=tune.book)
        known = [place for place in fit.places if place.slot.tone and place.heard.readings]
        rules = [fault.rule for fault in fit.faults]
        missed = [found.rule for found in fit.departures if found.rule in (Rule.TONE, Rule.USUAL_TONE)]
        wrong = {(fault.line, fault.position) for fault in fit.faults if fault.rule in (Rule.TONE, Rule.RHYME)}
        rhymed = [place for place in known if place.slot.rhyme]
        total.fitting += 1
        total.fixed += len(known)
        total.wrong += len(missed)
        total.required += sum(
            fit.variant.is_fixed(place.slot, place.level_share) and not place.may_not_rhyme for place in known
        )
        total.missed += rules.count(Rule.TONE)
        total.rhymed += len(rhymed)
        total.unrhymed += sum((place.line, place.position) in wrong for place in rhymed)
        total.in_tone += Rule.TONE not in rules
        total.in_rhyme += Rule.RHYME not in rules
        total.faultless += not rules
    return total


def shuffler(seed: int) -> Callable[[tuple[str, ...]], tuple[str, ...]]:
    """Deals the characters of a poem anew over lines of the same lengths."""
    random_source = random.Random(seed)

    def shuffle(lines: tuple[str, ...]) -> tuple[str, ...]:
        characters = list("".join(lines))
        random_source.shuffle(characters)
        rest = iter(characters)
        return tuple("".join(next(rest) for _ in line) for line in lines)

    return shuffle


def halve(poems: Iterable[TunePoem], unit: str) -> tuple[list[TunePoem], list[TunePoem]]:
    """Two halves by a fair and repeatable draw, poem by poem or author by author."""
    halves: tuple[list[TunePoem], list[TunePoem]] = ([], [])
    for poem in poems:
        key = "".join(poem.lines) if unit == "poem" else poem.author
        halves[hashlib.sha256(key.encode()).digest()[0] % 2].append(poem)
    return halves


def marks_agreement(tunes: Iterable[Tune]) -> tuple[float, float]:
    """Shares of rhyming lines that close with 。, and of other lines that close with ，, over all variants by poems."""
    agreeing = {True: 0, False: 0}
    total = {True: 0, False: 0}
    for tune in tunes:
        for variant in tune.variants:
            for slots, mark in zip(variant.form.lines, variant.form.marks):
                rhymed = slots[-1].rhyme is not None
                total[rhymed] += variant.poems
                agreeing[rhymed] += variant.poems * ((mark == "。") is rhymed)
    return agreeing[True] / total[True], agreeing[False] / total[False]


def rows(real: Score, shuffled: Score) -> list[tuple[str, str, str]]:
    """The table, (figure, poems as they are, shuffled)."""

    def share(part: Callable[[Score], int], whole: Callable[[Score], int]) -> tuple[str, str]:
        first, second = (f"{100 * part(one) / whole(one):.2f}%" for one in (real, shuffled))
        return first, second

    return [
        ("poems with a template", f"{real.judged:,}", ""),
        ("of these with the line lengths of a variant", *share(lambda one: one.fitting, lambda one: one.judged)),
        ("places with a tone, fixed or usual", f"{real.fixed:,}", f"{shuffled.fixed:,}"),
        ("of these that conform", *share(lambda one: one.fixed - one.wrong, lambda one: one.fixed)),
        ("fixed places", f"{real.required:,}", f"{shuffled.required:,}"),
        ("of these that conform", *share(lambda one: one.required - one.missed, lambda one: one.required)),
        ("rhyme places in rhyme", *share(lambda one: one.rhymed - one.unrhymed, lambda one: one.rhymed)),
        ("poems without a wrong tone", *share(lambda one: one.in_tone, lambda one: one.fitting)),
        ("poems without a place out of rhyme", *share(lambda one: one.in_rhyme, lambda one: one.fitting)),
        ("poems without a fault", *share(lambda one: one.faultless, lambda one: one.fitting)),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source")
    parser.add_argument("--era", default="宋")
    parser.add_argument("--split", choices=("poem", "author"), default="poem")
    parser.add_argument("--on", metavar="ERA", default="")
    options = parser.parse_args()

    begin = time.process_time()
    poems, _ = read_tune_poems(options.source, options.era)
    if options.on:
        held_out, learned = read_tune_poems(options.source, options.on)[0], poems
    else:
        held_out, learned = halve(poems, options.split)
    read = time.process_time()
    held_out = [poem for poem in held_out if LOST_CHARACTER not in "".join(poem.lines)]
    tunes = induce_tunes(learned)
    induced = time.process_time()
    real = score(held_out, tunes)
    scored = time.process_time()
    shuffled = score(held_out, tunes, shuffler(0))

    judged = [tune for tune in tunes.values() if tune.judged]
    variants = sum(len(tune.variants) for tune in judged)
    print(f"{len(judged)} tunes, {variants} variants induced from {len(learned):,} poems; {len(held_out):,} others scored\n")
    print("| figure | poems not induced from | the same, shuffled |\n|---|---|---|")
    for row in rows(real, shuffled):
        print("| " + " | ".join(row) + " |")
    rhyming, others = marks_agreement(judged)
    print(f"\nRhyming lines that the source closes with 。: {100 * rhyming:.1f}%; other lines with ，: {100 * others:.1f}%.")
    print(
        f"Processor time on one core: reading {read - begin:.1f} s, induction {induced - read:.1f} s, "
        f"scoring {scored - induced:.1f} s ({real.fitting / (scored - induced):,.0f} poems a second)."
    )


if __name__ == "__main__":
    main()
