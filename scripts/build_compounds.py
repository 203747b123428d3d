"""Compiles src/gemma_poetry/assets/words/: words and pairs that poets use again and again, and which modern ones they have too.

    python scripts/build_compounds.py DATA

In: the training split of a prepared collection in simplified characters. Out, of pairs that stand where the metre has a pair:

    compounds.txt   pairs that stand there at least `LEAST` times, and `ASSOCIATION` nats more often than their characters
                    would by chance (pointwise mutual information; Church and Hanks 1990); pairs with a particle in them are
                    left out. The commonest first
    pairs.txt       every pair that stands there at least `LEAST_USED` times: a first character, and all its second ones

And, of the words on the left of modern.yaml, from titles and lines whole, words across the borders of others (四时间居) too:

    not_modern.txt  within: those that at least `LEAST_TITLES` titles or `LEAST_LINES` lines have; whole: those that are a title
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gemma_poetry.artifacts import atomic_writer
from gemma_poetry.corpus.script import convert
from gemma_poetry.data.words import PARTICLES, modern_company, pair_places

ASSETS = Path(__file__).parents[1] / "src" / "gemma_poetry" / "assets" / "words"
NOTE = "# Compiled by scripts/build_compounds.py from the training split of chinese-poetry (MIT); not by hand.\n"
LEAST, ASSOCIATION = 60, 2.5
LEAST_USED = 4
LEAST_TITLES, LEAST_LINES = 3, 100
"""What fewer have of 280,680 titles and 2.8 million lines (火车, 外卖) they have by chance."""

Codes = npt.NDArray[np.uint64]


def lines_by_length(data: Path) -> Iterator[Codes]:
    """The lines of the training split, those of one length together: code points (lines, length)."""
    by_length: dict[int, list[str]] = {}
    with open(data / "train.jsonl", encoding="utf-8") as stream:
        for record in stream:
            for line in json.loads(record)["lines"]:
                by_length.setdefault(len(line), []).append(line)
    for length, lines in by_length.items():
        codes = np.frombuffer("".join(lines).encode("utf-32-le"), dtype=np.uint32)
        yield codes.reshape(len(lines), length).astype(np.uint64)


def known_words(data: Path) -> dict[str, list[str]]:
    """The modern words that the training split has, by where it has them: `within` titles or lines, as `whole` titles."""
    modern = frozenset(modern_company())
    lengths = sorted({len(word) for word in modern} - {1})
    titles: Counter[str] = Counter()
    lines: Counter[str] = Counter()
    whole: set[str] = set()

    def found(text: str) -> set[str]:
        return modern & {text[place : place + length] for length in lengths for place in range(len(text) - length + 1)}

    with open(data / "train.jsonl", encoding="utf-8") as stream:
        poems = [(record["title"], record["lines"]) for record in map(json.loads, stream)]
    for title in convert([title for title, _ in poems if title], "simplified"):
        whole |= modern & {title}
        titles.update(found(title))
    for _, verse in poems:
        for line in verse:
            lines.update(found(line))
    within = [word for word in modern if titles[word] >= LEAST_TITLES or lines[word] >= LEAST_LINES]
    return {"within": sorted(within), "whole": sorted(whole)}


def main(data: Path) -> None:
    characters, pairs = [np.empty(0, np.uint64)], [np.empty(0, np.uint64)]
    for codes in lines_by_length(data):
        characters.append(codes.ravel())
        pairs += [codes[:, place] << np.uint64(32) | codes[:, place + 1] for place in pair_places(codes.shape[1])]
    chars, char_counts = np.unique(np.concatenate(characters), return_counts=True)
    both, counts = np.unique(np.concatenate(pairs), return_counts=True)
    first, second = both >> np.uint64(32), both & np.uint64(0xFFFFFFFF)
    shares = np.log(char_counts / char_counts.sum())
    by_chance = shares[np.searchsorted(chars, first)] + shares[np.searchsorted(chars, second)]
    association = np.log(counts / counts.sum()) - by_chance
    common = np.flatnonzero((counts >= LEAST) & (association >= ASSOCIATION) & (first != second)).tolist()
    compounds = [(-int(counts[n]), chr(int(first[n])) + chr(int(second[n]))) for n in common]
    kept = sorted(one for one in compounds if not PARTICLES & set(one[1]))
    with atomic_writer(ASSETS / "compounds.txt") as stream:
        stream.write(NOTE)
        stream.writelines(pair + "\n" for _, pair in kept)
    used: dict[str, str] = {}
    for number in np.flatnonzero(counts >= LEAST_USED).tolist():
        char = chr(int(first[number]))
        used[char] = used.get(char, "") + chr(int(second[number]))
    with atomic_writer(ASSETS / "pairs.txt") as stream:
        stream.write(NOTE)
        stream.writelines(f"{char} {seconds}\n" for char, seconds in used.items())
    known = known_words(data)
    with atomic_writer(ASSETS / "not_modern.txt") as stream:
        stream.write(NOTE)
        stream.writelines(f"{where} {' '.join(words)}\n" for where, words in known.items())
    print(f"{len(known['within'])} modern words stand in titles or lines, {len(known['whole'])} are titles")
    print(f"{len(kept):,} compounds and {sum(map(len, used.values())):,} used pairs of {len(both):,} -> {ASSETS}")
    print(f"{float(counts[counts >= LEAST_USED].sum() / counts.sum()):.2%} of all pairs that stand in poems are used ones")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
