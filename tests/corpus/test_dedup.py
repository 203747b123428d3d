"""Near-duplicates: found as an exhaustive comparison finds them, named by content, whatever the order."""

from __future__ import annotations

import random
from itertools import combinations

import pytest

from gemma_poetry.corpus.dedup import bigrams, find_clusters, jaccard

ALPHABET = [chr(0x4E00 + index) for index in range(800)]


def poem(rng: random.Random, lines: int = 4, length: int = 7) -> list[str]:
    return ["".join(rng.choices(ALPHABET, k=length)) for _ in range(lines)]


def altered(lines: list[str], changes: int, rng: random.Random) -> list[str]:
    text = list("".join(lines))
    for place in rng.sample(range(len(text)), changes):
        text[place] = rng.choice(ALPHABET)
    joined = "".join(text)
    return [joined[start : start + len(lines[0])] for start in range(0, len(joined), len(lines[0]))]


def groups(ids: list[str]) -> set[frozenset[int]]:
    return {frozenset(index for index, name in enumerate(ids) if name == one) for one in ids}


def test_jaccard_is_that_of_bigram_sets() -> None:
    assert bigrams("春江花") == {"春江", "江花"}
    assert bigrams("春") == {"春"}
    assert jaccard("春江花", "春江花") == 1
    assert jaccard("春江花", "江花月") == pytest.approx(1 / 3)
    assert jaccard("春江", "秋月") == 0


def test_the_same_clusters_as_an_exhaustive_comparison() -> None:
    rng = random.Random(7)
    originals = [poem(rng) for _ in range(60)]
    poems = originals + [altered(lines, changes, rng) for lines in originals[:40] for changes in (1, 3, 6)]
    threshold = 0.6
    found = find_clusters(poems, threshold)
    similar = {
        (one, other)
        for one, other in combinations(range(len(poems)), 2)
        if jaccard("".join(poems[one]), "".join(poems[other])) >= threshold
    }
    assert similar, "the test must have something to find"
    assert found.similar_pairs == len(similar)
    for one, other in similar:
        assert found.ids[one] == found.ids[other]
    linked = {index for pair in similar for index in pair}
    alone = [
        index
        for index in range(len(poems))
        if index not in linked
        and not any(len(set(poems[index]) & set(other)) >= 2 for other in poems if other is not poems[index])
    ]
    assert alone
    for index in alone:
        assert found.ids.count(found.ids[index]) == 1


def test_an_excerpt_shares_the_cluster_of_its_poem() -> None:
    rng = random.Random(1)
    long = poem(rng, lines=40, length=5)
    excerpt = long[10:12] + poem(rng, lines=6, length=5)
    one_line = [long[20], *poem(rng, lines=3, length=5)]
    short_lines = [line[:4] for line in long[:8]]
    ids = find_clusters([long, excerpt, one_line, short_lines], 0.6).ids
    assert ids[0] == ids[1]
    assert len({ids[0], ids[2], ids[3]}) == 3


def test_set_phrases_join_nothing() -> None:
    rng = random.Random(2)
    refrain = poem(rng, lines=2)
    poems = [[*refrain, *poem(rng, lines=6)] for _ in range(60)]
    assert len(set(find_clusters(poems, 0.6).ids)) == 60
    assert len(set(find_clusters(poems[:10], 0.6).ids)) == 1


def test_exact_duplicates_point_to_the_first() -> None:
    found = find_clusters([["春江花月夜"], ["秋夜月明中"], ["春江花月夜"], ["春江", "花月夜"]], 0.6)
    assert found.duplicate_of == [0, 1, 0, 0]
    assert groups(found.ids) == {frozenset({0, 2, 3}), frozenset({1})}


def test_ids_follow_from_content_not_from_order_or_company() -> None:
    rng = random.Random(3)
    pair = [poem(rng)]
    pair.append(altered(pair[0], 1, rng))
    others = [poem(rng) for _ in range(30)]
    one = find_clusters([*pair, *others], 0.6).ids
    other = find_clusters([*reversed(others), pair[1], pair[0]], 0.6).ids
    assert one[0] == one[1] == other[-1] == other[-2]
    assert len(one[0]) == 16
    assert set(one) == set(other)


@pytest.mark.parametrize("poems", [[], [["春"]], [["春"], ["夏"]]])
def test_tiny_collections(poems: list[list[str]]) -> None:
    assert len(set(find_clusters(poems, 0.6).ids)) == len(poems)
