"""This module finds exact and near-duplicates: poems that must share one split.

In: the canonical lines of poems (simplified, variants folded, marks off; see `variants`). Out: for each poem the
number of its cluster, and a stable name for each cluster.

Two poems are near-duplicates if one of these holds; a cluster is what such pairs connect:

    similar   the Jaccard similarity of their character bigrams reaches the threshold (candidates from MinHash and
              banded LSH by `rensa`, each verified on the true sets)
    excerpt   they have two lines of five or more characters in common

Lines that more than `_COMMON_LINE_POEMS` poems share are set phrases (refrains, liturgy), which prove nothing.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

# 48 bands of 4: a pair at similarity 0.6 is found with probability 1 - (1 - 0.6**4)**48 = 0.9987, one at 0.7 surely.
_PERMUTATIONS = 192
_BANDS = 48
_MIN_LINE_CHARACTERS = 5
_COMMON_LINE_POEMS = 40
_SEED = 1

Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Clusters:
    """What deduplication found.

    Attributes:
        ids: The cluster id of each poem, 16 hexadecimal digits.
        duplicate_of: For each poem the index of the first poem with the same canonical text (its own index if none).
        similar_pairs: Pairs that reach the similarity threshold.
        excerpt_pairs: Pairs that share whole lines.
    """

    ids: list[str]
    duplicate_of: list[int]
    similar_pairs: int
    excerpt_pairs: int


def find_clusters(poems: Sequence[Sequence[str]], threshold: float) -> Clusters:
    """Clusters poems given by their canonical lines.

    The clusters and their ids depend on the set of poems and the threshold, never on their order.

    Args:
        poems: The canonical lines of each poem.
        threshold: Jaccard similarity of character bigrams, 0 to 1, from which two poems are near-duplicates.
    """
    texts = ["".join(lines) for lines in poems]
    first: dict[str, int] = {}
    duplicate_of = [first.setdefault(text, index) for index, text in enumerate(texts)]
    unique_texts = list(first)
    similar = _similar_pairs(unique_texts, threshold)
    excerpts = _excerpt_pairs([poems[index] for index in first.values()])
    roots = _components(len(unique_texts), [*similar, *excerpts])
    smallest: dict[int, str] = {}
    for text, root in zip(unique_texts, roots):
        if root not in smallest or text < smallest[root]:
            smallest[root] = text
    names = {root: hashlib.sha256(text.encode()).hexdigest()[:16] for root, text in smallest.items()}
    id_of = {text: names[root] for text, root in zip(unique_texts, roots)}
    return Clusters([id_of[text] for text in texts], duplicate_of, len(similar), len(excerpts))


def bigrams(text: str) -> set[str]:
    """The character bigrams of a text; the text itself where it is shorter than two characters."""
    return {text[index : index + 2] for index in range(max(1, len(text) - 1))}


def jaccard(first: str, second: str) -> float:
    """The Jaccard similarity of the bigrams of two texts, 0 to 1."""
    one, other = bigrams(first), bigrams(second)
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared)


def _similar_pairs(texts: Sequence[str], threshold: float) -> list[tuple[int, int]]:
    """Pairs (i, j), i < j, of texts whose similarity reaches the threshold."""
    import rensa

    if len(texts) < 2:
        return []
    tokens, offsets = _bigram_hashes(texts)
    matrix = rensa.RMinHash.digest_matrix_from_flat_token_hashes(tokens, offsets, _PERMUTATIONS, _SEED)
    index = rensa.RMinHashLSH(threshold, _PERMUTATIONS, _BANDS)
    flagged = np.flatnonzero(index.query_duplicate_flags_matrix_one_shot(matrix)).tolist()
    del matrix
    # The pass above only says which poems have a candidate at all: few do, so the pairs are sought among those.
    sketches = rensa.RMinHash.from_token_sets([sorted(bigrams(texts[row])) for row in flagged], _PERMUTATIONS, _SEED)
    index = rensa.RMinHashLSH(threshold, _PERMUTATIONS, _BANDS)
    index.insert_many(sketches)
    return [
        (flagged[first], flagged[second])
        for first, candidates in enumerate(index.query_all(sketches))
        for second in candidates
        if first < second and jaccard(texts[flagged[first]], texts[flagged[second]]) >= threshold
    ]


def _bigram_hashes(texts: Sequence[str]) -> tuple[Hashes, Hashes]:
    """The hashed bigrams of all texts end to end, and where each text begins (one offset more than texts)."""
    padded = [text if len(text) > 1 else text * 2 for text in texts]
    codes = np.frombuffer("".join(padded).encode("utf-32-le"), dtype=np.uint32).astype(np.uint64)
    lengths = np.fromiter(map(len, padded), dtype=np.int64, count=len(padded))
    inside = np.ones(len(codes) - 1, dtype=bool)
    inside[np.cumsum(lengths)[:-1] - 1] = False
    hashes = ((codes[:-1] << np.uint64(32)) | codes[1:])[inside]
    # The multiplications of splitmix64: MinHash wants hashes whose bits are mixed.
    hashes *= np.uint64(0x9E3779B97F4A7C15)
    hashes ^= hashes >> np.uint64(29)
    hashes *= np.uint64(0xBF58476D1CE4E5B9)
    hashes ^= hashes >> np.uint64(32)
    offsets = np.concatenate([[0], np.cumsum(lengths - 1)]).astype(np.uint64)
    return hashes, offsets


def _excerpt_pairs(poems: Sequence[Sequence[str]]) -> list[tuple[int, int]]:
    """Pairs (i, j), i < j, of poems with two long lines in common."""
    first_holder: dict[str, int] = {}
    holders: dict[str, list[int]] = {}
    for index, lines in enumerate(poems):
        for line in lines:
            if len(line) >= _MIN_LINE_CHARACTERS:
                first = first_holder.setdefault(line, index)
                if first != index:
                    found = holders.setdefault(line, [first])
                    if found[-1] != index:
                        found.append(index)
    del first_holder
    shared = Counter(pair for found in holders.values() if len(found) <= _COMMON_LINE_POEMS for pair in combinations(found, 2))
    return [pair for pair, lines in shared.items() if lines >= 2]


def _components(count: int, pairs: Iterable[tuple[int, int]]) -> list[int]:
    """The root of each of `count` nodes in the graph of these edges."""
    parents = list(range(count))

    def root(node: int) -> int:
        while parents[node] != node:
            parents[node] = parents[parents[node]]
            node = parents[node]
        return node

    for first, second in pairs:
        parents[root(first)] = root(second)
    return [root(node) for node in range(count)]
