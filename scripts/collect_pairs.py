"""Collects which characters go together in the regulated verse of Tang and Song.

    python scripts/collect_pairs.py SOURCE        (the chinese-poetry collection: its name, a folder or archive)

In: 全唐诗 and 全宋诗. Out, in simplified characters:

    assets/prosody/neighbours.txt     two characters side by side in one foot, at least 20 times: the first, then all that
                                      follow it, the most frequent first
    assets/prosody/counterparts.txt   what stands opposite what in couplets 2 and 3 of 律诗, where 对仗 is the rule:
        [pairs]    pairs met at least 10 times and e^0.7 times as often as by chance
        [classes]  characters met at least 60 times, in 100 classes of like counterparts: k-means over the leading
                   singular vectors of the pairs' mutual information
        [opposed]  for each class those that stand opposite it e^1.0 times as often as by chance
"""

from __future__ import annotations

import itertools
import math
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from scipy.cluster.vq import kmeans2
from scipy.sparse import csr_matrix
from scipy.sparse.linalg import svds

from gemma_poetry.artifacts import write_text
from gemma_poetry.corpus.formats import whole_poems
from gemma_poetry.corpus.script import convert
from gemma_poetry.corpus.sources import open_source
from gemma_poetry.prosody.interpretation import foot_pairs

FOLDER = Path(__file__).parent.parent / "src/gemma_poetry/assets/prosody"
MIN_NEIGHBOURS = 20
MIN_PAIRS, MIN_PAIR_INFORMATION = 10, 0.7
MIN_CLASSED, CLASSES, DIMENSIONS = 60, 100, 60
MIN_VECTOR_PAIRS = 3
MIN_CLASS_INFORMATION = 1.0
SEED = 1
# Every so many octaves one is held out of the counterparts, and tells afterwards how well they know 对仗.
HELD_OUT_EVERY = 40


def read(source: str) -> Iterator[tuple[str, ...]]:
    """The lines of every 诗 of five or seven characters a line, simplified."""
    poems = []
    files = (pair for pair in open_source(source).files() if pair[0].era in ("唐", "宋") and not pair[0].form)
    for _part, _raw, lines, _marks in whole_poems(files):
        if len(lines[0]) in (5, 7) and len(set(map(len, lines))) == 1:
            poems.append("，".join(lines))
    for text in convert(poems, "simplified"):
        yield tuple(text.split("，"))


def neighbour_lines(neighbours: Counter[str]) -> list[str]:
    followers: dict[str, list[str]] = defaultdict(list)
    for pair, count in sorted(neighbours.items(), key=lambda item: (-item[1], item[0])):
        if count >= MIN_NEIGHBOURS:
            followers[pair[0]].append(pair[1])
    return [f"{first}\t{''.join(found)}" for first, found in followers.items()]


def counterpart_lines(pairs: Counter[str]) -> list[str]:
    """The three sections.

    Args:
        pairs: How often two characters stand opposite each other, in either order.
    """
    single: Counter[str] = Counter()
    for (first, _), count in pairs.items():
        single[first] += count
    total = single.total()

    def information(pair: str) -> float:
        return math.log(pairs[pair] * total / (single[pair[0]] * single[pair[1]]))

    attested: dict[str, list[str]] = defaultdict(list)
    for pair in sorted(pairs):
        if pair[0] < pair[1] and pairs[pair] >= MIN_PAIRS and information(pair) > MIN_PAIR_INFORMATION:
            attested[pair[0]].append(pair[1])
    lines = ["[pairs]", *(f"{first}\t{''.join(found)}" for first, found in attested.items())]

    characters = [char for char, count in sorted(single.items(), key=lambda item: (-item[1], item[0])) if count >= MIN_CLASSED]
    index = {char: number for number, char in enumerate(characters)}
    known = sorted(pair for pair in pairs if pair[0] in index and pair[1] in index)
    telling = [pair for pair in known if pairs[pair] >= MIN_VECTOR_PAIRS and information(pair) > 0]
    rows, columns = [index[pair[0]] for pair in telling], [index[pair[1]] for pair in telling]
    matrix = csr_matrix(([information(pair) for pair in telling], (rows, columns)), shape=(len(characters),) * 2)
    vectors, values, _ = svds(matrix, k=DIMENSIONS, random_state=SEED)
    vectors = vectors * np.sqrt(values)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True) + 1e-9
    _, labels = kmeans2(vectors, CLASSES, minit="++", seed=SEED, iter=30)

    opposed = np.zeros((CLASSES, CLASSES))
    for pair in known:
        opposed[labels[index[pair[0]]], labels[index[pair[1]]]] += pairs[pair]
    share = opposed.sum(axis=1)
    by_chance = np.outer(share, share) / opposed.sum()
    members: dict[int, list[str]] = defaultdict(list)
    for char in characters:
        members[labels[index[char]]].append(char)
    lines += ["[classes]", *(f"{number}\t{''.join(members[number])}" for number in range(CLASSES))]
    lines.append("[opposed]")
    for number in range(CLASSES):
        found = np.flatnonzero(opposed[number] > math.exp(MIN_CLASS_INFORMATION) * by_chance[number])
        lines.append(f"{number}\t{' '.join(map(str, found))}")
    return lines


def held_out_shares(poems: Sequence[tuple[str, ...]]) -> dict[str, float]:
    """The share of couplets that count as parallel, by the table just written."""
    from gemma_poetry.prosody.parallelism import parallelism

    strangers = [(one[2], other[3]) for one, other in itertools.pairwise(poems) if len(one[2]) == len(other[3])]
    couplets = {f"couplet {first // 2 + 1}": [(poem[first], poem[first + 1]) for poem in poems] for first in (0, 2, 4, 6)}
    couplets["lines of two poems"] = strangers
    return {what: sum(parallelism(*pair).parallel for pair in pairs) / len(pairs) for what, pairs in couplets.items()}


def main(arguments: Sequence[str]) -> int:
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    held_out: list[tuple[str, ...]] = []
    neighbours: Counter[str] = Counter()
    pairs: Counter[str] = Counter()
    poems = octaves = 0
    for lines in read(arguments[0]):
        poems += 1
        for line in lines:
            neighbours.update(line[first : first + 2] for first in foot_pairs(len(line)))
        if len(lines) == 8:
            octaves += 1
            if octaves % HELD_OUT_EVERY == 0:
                held_out.append(lines)
                continue
            for first in (2, 4):
                for one, other in zip(lines[first], lines[first + 1]):
                    if one != other:
                        pairs[one + other] += 1
                        pairs[other + one] += 1
    head = f"# Made by scripts/collect_pairs.py from {poems} poems, {octaves} of them of eight lines; not to be edited."
    write_text(FOLDER / "neighbours.txt", "\n".join([head, *neighbour_lines(neighbours)]) + "\n")
    write_text(FOLDER / "counterparts.txt", "\n".join([head, *counterpart_lines(pairs)]) + "\n")
    print(head, file=sys.stderr)
    for what, share in held_out_shares(held_out).items():
        print(f"{what}: {100 * share:.1f}% parallel", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
