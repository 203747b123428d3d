"""Collects in which company each traditional form of a simplified character stands.

    python scripts/collect_company.py SOURCE        (the chinese-poetry collection: its name, a folder or archive)

In: 全唐诗 and 全宋诗, which are in traditional characters, the lexicon's simplified characters, and the forms that
scripts/excluded_forms.txt rules out. Out: assets/prosody/company.txt, which `traditional_forms` reads:

    simplified <TAB> form <TAB> how often it was met <TAB> before <TAB> behind

for every simplified character that stands for several forms of different readings. `before` and `behind` hold the
neighbours in the line, in simplified characters, that are evidence for the form or against it: `+3:白鬓 -3:花` says that
among the neighbours 白 and 鬓 the form's share of all forms is 2^3 times its share anywhere (髮 in 白髮 and 鬢髮), beside 花
an eighth; `|` is the end of the line. What was met rarely and changes a share less than fourfold is left out. Shares are
smoothed by one character that is met as forms are met anywhere, so a neighbour that was met once says little.

Much of 全宋诗 was converted from simplified text, which lost forms: 飢 is met 529 times in 全唐诗 and never in 全宋诗, where
it became 饑. Of a character that has lost a form so, only 全唐诗 counts.
"""

from __future__ import annotations

import math
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gemma_poetry.artifacts import write_text
from gemma_poetry.corpus.formats import whole_poems
from gemma_poetry.corpus.sources import open_source
from gemma_poetry.prosody.interpretation import simplified
from gemma_poetry.prosody.lexicon import lexicon, readings_of_heads
from gemma_poetry.prosody.traditional_forms import LINE_END

HERE = Path(__file__).parent
OUTPUT = HERE.parent / "src/gemma_poetry/assets/prosody/company.txt"
MIN_BITS, MAX_BITS = 2, 9
# A neighbour that was met so often may say one bit, too.
MUCH_MET = 5

LOST_FORM = (0.1, 0.01)
"""A form was lost in conversion if its share in 全唐诗 is this at least, and in 全宋诗 this at most."""


@dataclass(slots=True)
class Company:
    """What was met in one part of the collection.

    Attributes:
        poems: Its poems.
        met: By simplified character, how often each form was met.
        beside: By simplified character and side (0 before, 1 behind): by neighbour, how often each form was met beside it.
    """

    poems: int = 0
    met: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    beside: dict[tuple[str, int], dict[str, Counter[str]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(Counter))
    )

    def add(self, other: Company, char: str) -> None:
        """Adds what another part knows of a character."""
        self.met[char].update(other.met[char])
        for side in (0, 1):
            for neighbour, counts in other.beside[char, side].items():
                self.beside[char, side][neighbour].update(counts)

    def share(self, char: str, form: str) -> float:
        """The share of a form among those of its character."""
        return self.met[char][form] / (self.met[char].total() or 1)


def read(source: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The era and the lines of every whole 诗 of 全唐诗 and 全宋诗."""
    files = (pair for pair in open_source(source).files() if pair[0].era in ("唐", "宋") and not pair[0].form)
    for part, _raw, lines, _marks in whole_poems(files):
        yield part.era, lines


def ambiguous() -> dict[str, str]:
    """The simplified characters whose forms differ in their readings, with these forms, less those that are ruled out."""
    table = lexicon()
    rows = (HERE / "excluded_forms.txt").read_text(encoding="utf-8").splitlines()
    excluded = {tuple(row.split("\t")[:2]) for row in rows if row[0] != "#"}

    def sounds(form: str) -> frozenset[tuple[str, str, int]]:
        found = readings_of_heads(table.variants.get(form, form))
        return frozenset((reading.rhyme, reading.group, reading.part) for reading in found)

    return {
        char: "".join(form for form in forms if (char, form) not in excluded)
        for char, forms in table.simplified.items()
        if len({sounds(form) for form in forms}) > 1
    }


def count(source: str, characters: dict[str, str]) -> dict[str, Company]:
    """What each era knows."""
    char_of = {form: char for char, forms in characters.items() for form in forms}
    telling = frozenset(char_of)
    eras: dict[str, Company] = defaultdict(Company)
    for era, lines in read(source):
        company = eras[era]
        company.poems += 1
        for line in lines:
            if telling.isdisjoint(line):
                continue
            plain = simplified(line)
            for index, form in enumerate(line):
                if form in telling:
                    char = char_of[form]
                    company.met[char][form] += 1
                    if index:
                        company.beside[char, 0][plain[index - 1]][form] += 1
                    company.beside[char, 1][plain[index + 1 : index + 2] or LINE_END][form] += 1
    return eras


def joined(eras: dict[str, Company], characters: dict[str, str]) -> Company:
    """Both eras together, without the Song of characters that it has lost a form of."""
    tang, song = eras["唐"], eras["宋"]
    least, most = LOST_FORM
    both = Company(tang.poems + song.poems)
    for char, forms in characters.items():
        both.add(tang, char)
        if not any(tang.share(char, form) >= least and song.share(char, form) <= most for form in forms):
            both.add(song, char)
    return both


def evidence(form: str, share: float, beside: dict[str, Counter[str]]) -> str:
    """The neighbours on one side by what they say of a form, as the module's docstring shows."""
    by_bits: dict[int, list[str]] = defaultdict(list)
    for neighbour, counts in sorted(beside.items()):
        bits = round(math.log2((counts[form] + share) / (counts.total() + 1) / share))
        if abs(bits) >= MIN_BITS or (bits and counts.total() >= MUCH_MET):
            by_bits[max(-MAX_BITS, min(MAX_BITS, bits))].append(neighbour)
    return " ".join(f"{bits:+d}:{''.join(found)}" for bits, found in sorted(by_bits.items()))


def main(arguments: Sequence[str]) -> int:
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    characters = ambiguous()
    company = joined(count(arguments[0], characters), characters)
    origin = f"{company.poems} poems of 全唐诗 and 全宋诗 in the collection chinese-poetry"
    lines = [f"# Made by scripts/collect_company.py from {origin}; not to be edited."]
    for char, forms in characters.items():
        for form in forms:
            share = company.share(char, form)
            sides = [evidence(form, share, company.beside[char, side]) if 0 < share < 1 else "" for side in (0, 1)]
            lines.append("\t".join([char, form, str(company.met[char][form]), *sides]))
    write_text(OUTPUT, "\n".join(lines) + "\n")
    print(f"{origin}: {len(characters)} characters with {len(lines) - 1} forms -> {OUTPUT}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
