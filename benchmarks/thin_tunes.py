"""How much of a tune do few poems tell?

    python benchmarks/thin_tunes.py SOURCE [--era 宋] [--draws 3]

In: a source of 词. Its well-attested tunes are halved by their names; the place model is learned from one half, and of the
other half each variant is told anew from 1, 2, 3, 5, 10 and 20 of its poems (`tune_thin`), and held against the template
that all its poems give. Out: a Markdown table by the number of poems: rhyme places found and invented; of the places with a
tone those that the full template has the same, leaves free, has the other way; how much of the full template is asked for.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from gemma_poetry.prosody.tune_grouping import PoemGroup, SungPoem, group_poems, sing
from gemma_poetry.prosody.tune_induction import MIN_VARIANT_POEMS, induce_variant, learned_model
from gemma_poetry.prosody.tune_thin import MarkTrust, thin_variants
from gemma_poetry.prosody.tune_variants import TuneVariant
from gemma_poetry.prosody.tunes import MIN_POEMS
from gemma_poetry.verbs.tunes import read_tune_poems

POEMS = (1, 2, 3, 5, 10, 20)
_SPARE = 1.5

Attested = Mapping[str, Sequence[tuple[TuneVariant, PoemGroup]]]


def attested_variants(poems_of: Mapping[str, Sequence[SungPoem]]) -> dict[str, list[tuple[TuneVariant, PoemGroup]]]:
    """The variants that many poems attest, with these poems."""
    found = {}
    for name, poems in sorted(poems_of.items()):
        if len(poems) >= MIN_POEMS:
            groups = group_poems(poems, MIN_VARIANT_POEMS)
            found[name] = [(variant, group) for group in groups if (variant := induce_variant(name, group))]
    return {name: variants for name, variants in found.items() if variants}


def measure(known: Attested, asked: Attested, draws: int, rng: random.Random) -> dict[int, Counter[str]]:
    """Counts of places by the number of poems that a template is told from."""
    model = learned_model({name: [variant for variant, _ in pairs] for name, pairs in known.items()})
    trust = MarkTrust()
    for pairs in known.values():
        for variant, group in pairs:
            for poem in group.poems:
                if poem.lengths == variant.form.line_lengths:
                    trust.add(poem.era, variant, poem.marks)
    counts: dict[int, Counter[str]] = defaultdict(Counter)
    for name, pairs in asked.items():
        for variant, group in pairs:
            pool = [poem for poem in group.poems if poem.lengths == variant.form.line_lengths]
            for number in POEMS:
                for _ in range(draws if len(pool) >= _SPARE * number else 0):
                    told = thin_variants(name, rng.sample(pool, number), model, trust)
                    best = [one for one in told if one.form.line_lengths == variant.form.line_lengths]
                    counts[number]["drawn"] += 1
                    if best:
                        counts[number]["told"] += 1
                        compare(best[0], variant, counts[number])
    return counts


def compare(told: TuneVariant, true: TuneVariant, counts: Counter[str]) -> None:
    """Counts what a template that few poems tell has right."""
    counts["rhymes"] += len(true.rhyme_ends)
    counts["rhymes found"] += len(true.rhyme_ends & told.rhyme_ends)
    counts["rhymes told"] += len(told.rhyme_ends)
    shares = [share for row in told.level_shares for share in row]
    for place, (mine, full, share) in enumerate(zip(told.slots, true.slots, shares)):
        if place in true.rhyme_ends or place in told.rhyme_ends:
            continue
        counts["full"] += full.tone is not None
        if mine.tone is None:
            continue
        outcome = "same" if mine.tone is full.tone else "free" if full.tone is None else "opposite"
        counts[f"asked {outcome}"] += 1
        if told.is_fixed(mine, share):
            counts[f"fixed {outcome}"] += 1


def rows(counts: Mapping[int, Counter[str]]) -> Iterable[str]:
    """The table, as Markdown."""
    heads = ("poems", "templates", "told", "rhyme places found", "invented", "tones found")
    outcomes = ("asked: right", "free", "other way", "fixed: right", "free")
    yield "| " + " | ".join((*heads, *outcomes)) + " |"
    yield "|---" * (len(heads) + len(outcomes)) + "|"
    for number, own in sorted(counts.items()):
        asked = sum(own[f"asked {outcome}"] for outcome in ("same", "free", "opposite"))
        fixed = sum(own[f"fixed {outcome}"] for outcome in ("same", "free", "opposite"))
        invented = own["rhymes told"] - own["rhymes found"]
        shares = [
            (own["told"], own["drawn"]),
            (own["rhymes found"], own["rhymes"]),
            (invented, own["rhymes told"]),
            (own["asked same"], own["full"]),
            (own["asked same"], asked),
            (own["asked free"], asked),
            (own["asked opposite"], asked),
            (own["fixed same"], fixed),
            (own["fixed free"], fixed),
        ]
        yield f"| {number} | {own['drawn']:,} | " + " | ".join(f"{100 * part / whole:.1f}%" for part, whole in shares) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source")
    parser.add_argument("--era", default="")
    parser.add_argument("--draws", type=int, default=3)
    options = parser.parse_args()
    poems_of: dict[str, list[SungPoem]] = defaultdict(list)
    for poem in read_tune_poems(options.source, options.era)[0]:
        if poem.tune:
            poems_of[poem.tune].append(sing(poem))
    print("\n".join(rows(crossed(attested_variants(poems_of), options.draws))))


def crossed(found: Attested, draws: int) -> dict[int, Counter[str]]:
    """Each half of the tunes measured with what the other half tells."""
    names = sorted(found)
    rng = random.Random(0)
    rng.shuffle(names)
    halves = [{name: found[name] for name in names[begin::2]} for begin in (0, 1)]
    total: dict[int, Counter[str]] = defaultdict(Counter)
    for known, asked in (halves, halves[::-1]):
        for number, counts in measure(known, asked, draws, rng).items():
            total[number].update(counts)
    return total


if __name__ == "__main__":
    main()
