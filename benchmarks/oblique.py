"""How often quatrains on an oblique rhyme, and poems of six characters a line, keep the metre that `check` has for them.

    python benchmarks/oblique.py SOURCE [--seed N]        (the chinese-poetry collection: its name, a folder or archive)

In: 全唐诗 and 全宋诗. Out: a table on standard output: by era and shape, the poems whose rhyme is in order (even lines surely
oblique and in one 平水韵 group; of six characters level and in one group), the shares of them that are strict, that pass, and
that pass with the characters of the poem shuffled, line ends left in their places; then why the others do not pass.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from gemma_poetry.corpus.formats import whole_poems
from gemma_poetry.corpus.sources import open_source
from gemma_poetry.prosody.findings import Scansion
from gemma_poetry.prosody.forms import OBLIQUE_FORMS, Tone
from gemma_poetry.prosody.interpretation import interpret
from gemma_poetry.prosody.regulated_scan import scan_regulated
from gemma_poetry.prosody.rules import Rule, Verdict

NAMES = {(4, 5): "五言绝句", (4, 7): "七言绝句", (4, 6): "六言绝句", (8, 6): "六言律诗"}
_RHYME = {Rule.RHYME, Rule.REPEATED_RHYME}


def poems(source: str) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Era, form and lines of the poems of these shapes."""
    files = (pair for pair in open_source(source).files() if pair[0].era in ("唐", "宋") and not pair[0].form)
    for part, _raw, lines, _marks in whole_poems(files):
        name = NAMES.get((len(lines), len(lines[0])))
        if name and len(set(map(len, lines))) == 1:
            yield part.era, name, lines


def in_rhyme(lines: Sequence[str], name: str) -> bool:
    """Whether the even lines surely end in the tone of the form's rhyme, and share a group."""
    tone = Tone.OBLIQUE if name in OBLIQUE_FORMS else Tone.LEVEL
    ends = [line[-1].readings for line in interpret(lines)[1::2]]
    if name in OBLIQUE_FORMS and any(reading.tone is not tone for end in ends for reading in end):
        return False
    return bool(frozenset.intersection(*(frozenset(one.group for one in end if one.tone is tone) for end in ends)))


def read(lines: Sequence[str], name: str) -> Scansion:
    """The scansion on the form's rhyme."""
    return scan_regulated(lines, name, rhyme=Tone.OBLIQUE if name in OBLIQUE_FORMS else Tone.LEVEL)


def shuffled(lines: Sequence[str], draw: random.Random) -> list[str]:
    """The lines with all characters but the last of each in another order."""
    inner = draw.sample(text := "".join(line[:-1] for line in lines), len(text))
    length = len(lines[0]) - 1
    return ["".join(inner[index * length : (index + 1) * length]) + line[-1] for index, line in enumerate(lines)]


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    draw = random.Random(options.seed)
    counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    why: dict[str, Counter[str]] = defaultdict(Counter)
    for era, name, lines in poems(options.source):
        count = counts[name, era]
        count["poems"] += 1
        if not in_rhyme(lines, name):
            continue
        count["in rhyme"] += 1
        found = read(lines, name)
        count[found.verdict.value] += 1
        count["passes"] += found.verdict.passes
        count["shuffled"] += read(shuffled(lines, draw), name).verdict.passes
        if found.verdict is Verdict.FAIL:
            rules = {fault.rule.chinese for fault in found.faults if fault.rule not in _RHYME}
            why[name][next(iter(rules)) + " alone" if len(rules) == 1 else "several rules"] += 1
        else:
            why[name].update(f"licence {licence.rule.chinese}" for licence in found.licences)
            why[name][f"pattern {found.pattern}"] += 1
    print("form era poems in-rhyme strict passes shuffled")
    for (name, era), count in sorted(counts.items()):
        total = count["in rhyme"] or 1
        shares = [f"{count[key] / total:.1%} ({count[key]})" for key in ("strict", "passes", "shuffled")]
        print(name, era, count["poems"], count["in rhyme"], *shares)
    for name, reasons in sorted(why.items()):
        print(name, ", ".join(f"{reason} {number}" for reason, number in reasons.most_common()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
