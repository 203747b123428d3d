"""Collects in which company each traditional form of a simplified character stands.

    python scripts/collect_company.py SOURCE        (the chinese-poetry collection: its name, a folder or archive)

In: 全唐诗 and 全宋诗, which are in traditional characters, and the lexicon's simplified characters. Out:
assets/prosody/company.txt, which `traditional_forms` reads:

    simplified <TAB> form <TAB> how often it was met <TAB> before <TAB> behind

for every simplified character that stands for several forms of different readings. `before` and `behind` hold the
neighbours in the line, in simplified characters, that are evidence for the form or against it: `+3:白鬓 -1:花` says that
among the neighbours 白 and 鬓 the form's share of all forms is 2^3 times its share anywhere (髮 in 白髮 and 鬢髮), beside 花 a
half. A neighbour that was met but is not written there is no evidence. Shares are smoothed by one character that is met
as forms are met anywhere, so a neighbour that was met once says little.
"""

from __future__ import annotations

import math
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from gemma_poetry.artifacts import write_text
from gemma_poetry.corpus.cleaning import RejectedError, clean_lines
from gemma_poetry.corpus.formats import read_poems
from gemma_poetry.corpus.sources import open_source
from gemma_poetry.prosody.interpretation import simplified
from gemma_poetry.prosody.lexicon import lexicon, readings_of_heads

OUTPUT = Path(__file__).parent.parent / "src/gemma_poetry/assets/prosody/company.txt"
# A neighbour must have been met twice: once is chance, or a misprint.
MIN_MET = 2
MAX_BITS = 9

Company = dict[tuple[str, int], dict[str, Counter[str]]]
"""By simplified character and side (0 before, 1 behind): by neighbour, how often each form was met beside it."""


def read(source: str) -> Iterator[tuple[str, ...]]:
    """The lines of every whole 诗 of 全唐诗 and 全宋诗."""
    for part, file in open_source(source).files():
        if part.era in ("唐", "宋") and not part.form:
            for raw in read_poems(file):
                try:
                    lines, _ = clean_lines(raw.paragraphs)
                except RejectedError:
                    continue
                yield tuple(lines)


def ambiguous() -> dict[str, str]:
    """The simplified characters whose forms differ in their readings, with these forms."""
    table = lexicon()

    def sounds(form: str) -> frozenset[tuple[str, str, int]]:
        found = readings_of_heads(table.variants.get(form, form))
        return frozenset((reading.rhyme, reading.group, reading.part) for reading in found)

    return {char: forms for char, forms in table.simplified.items() if len({sounds(form) for form in forms}) > 1}


def count(source: str, characters: dict[str, str]) -> tuple[int, dict[str, Counter[str]], Company]:
    """How many poems there are, how often each form is met, and beside what."""
    char_of = {form: char for char, forms in characters.items() for form in forms}
    telling = frozenset(char_of)
    met: dict[str, Counter[str]] = defaultdict(Counter)
    company: Company = defaultdict(lambda: defaultdict(Counter))
    poems = 0
    for lines in read(source):
        poems += 1
        for line in lines:
            if telling.isdisjoint(line):
                continue
            plain = simplified(line)
            for index, form in enumerate(line):
                if form in telling:
                    char = char_of[form]
                    met[char][form] += 1
                    if index:
                        company[char, 0][plain[index - 1]][form] += 1
                    if index + 1 < len(line):
                        company[char, 1][plain[index + 1]][form] += 1
    return poems, met, company


def evidence(form: str, share: float, beside: dict[str, Counter[str]]) -> str:
    """The neighbours on one side by what they say of a form, as the module's docstring shows."""
    by_bits: dict[int, list[str]] = defaultdict(list)
    for neighbour, counts in sorted(beside.items()):
        total = counts.total()
        if total >= MIN_MET:
            bits = round(math.log2((counts[form] + share) / (total + 1) / share))
            if bits:
                by_bits[max(-MAX_BITS, min(MAX_BITS, bits))].append(neighbour)
    return " ".join(f"{bits:+d}:{''.join(found)}" for bits, found in sorted(by_bits.items()))


def main(arguments: Sequence[str]) -> int:
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    characters = ambiguous()
    poems, met, company = count(arguments[0], characters)
    lines = [f"# Made by scripts/collect_company.py from {poems} poems of 全唐诗 and 全宋诗 in chinese-poetry; not to be edited."]
    for char, forms in characters.items():
        total = met[char].total()
        for form in forms:
            found = met[char][form]
            sides = [evidence(form, found / total, company[char, side]) if 0 < found < total else "" for side in (0, 1)]
            lines.append("\t".join([char, form, str(found), *sides]))
    write_text(OUTPUT, "\n".join(lines) + "\n")
    print(f"{poems} poems: {len(characters)} characters with {len(lines) - 1} forms -> {OUTPUT}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
