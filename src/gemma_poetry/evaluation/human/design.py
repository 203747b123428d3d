"""Who sees what, in which order: a design that balances systems over titles, raters and places.

In: how many titles, systems and raters there are. Out: for each rater the poems to rate and the pairs to compare, as numbers.

    group of S raters         one title a place, shuffled for the group; every rater sees a title once
        rater r, place i      system = Williams square [row r + i // S][i mod S]

So within a group every system stands at every place once, every poem of the group's titles is rated once, and each system
follows each other equally often (first-order carry-over; E. J. Williams, Aust. J. Sci. Res. A 2 (1949), 149). Groups take
their titles in turn, so that over the study titles are rated equally often, give or take one.
Pairs go through all pairs of systems in turn, both sides swapped on every second round; the title is the one that this pair
of systems was compared on least, and one that the rater has not rated as long as there is such a title. Titles to which both
wrote the same poem are passed over.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cell:
    """One poem: what a system wrote to a title, both as numbers from 0."""

    title: int
    system: int


@dataclass(frozen=True, slots=True)
class Match:
    """Two systems on one title, by the side that they are shown on."""

    title: int
    left: int
    right: int


@dataclass(frozen=True, slots=True)
class Allotment:
    """What one rater sees."""

    cells: tuple[Cell, ...]
    matches: tuple[Match, ...]


def williams_rows(size: int) -> list[list[int]]:
    """A Williams square: rows of `size` systems, `size` rows if that is even, twice as many if it is odd.

    Every column of `size` successive rows holds each system once, and over all rows each system follows each other
    equally often.
    """
    zigzag = [0]
    for step in range(1, size):
        zigzag.append((zigzag[-1] + (step if step % 2 else -step)) % size)
    rows = [[(system + shift) % size for system in zigzag] for shift in range(size)]
    return rows if size % 2 == 0 else [*rows, *(row[::-1] for row in rows)]


def balanced_design(
    titles: int, systems: int, raters: int, *, ratings: int, pairs: int, seed: int, alike: Set[Match] = frozenset()
) -> list[Allotment]:
    """Allots poems and pairs to raters.

    Args:
        titles: Titles; each has a poem by every system.
        systems: Systems, at least two.
        raters: Raters.
        ratings: Poems a rater rates, at most one a title.
        pairs: Pairs a rater compares, at most one a title.
        seed: Seed of every draw.
        alike: Titles and systems (left is the smaller number) that there is nothing to choose between.
    """
    assert titles > 0 and systems > 1 and raters > 0, (titles, systems, raters)
    generator = random.Random(f"design {seed}")
    order = list(range(titles))
    generator.shuffle(order)
    ratings = min(ratings, titles)
    rows = williams_rows(systems)
    cells: list[tuple[Cell, ...]] = []
    for group in range(-(-raters // systems)):
        own = [order[(group * ratings + place) % titles] for place in range(ratings)]
        generator.shuffle(own)
        half = (group * systems) % len(rows)
        for member in range(systems):
            row_of = [rows[half + (member + place // systems) % systems] for place in range(ratings)]
            cells.append(tuple(Cell(title, row_of[place][place % systems]) for place, title in enumerate(own)))
    matches = _matches(cells[:raters], titles, systems, min(pairs, titles), generator, alike)
    return [Allotment(own, compared) for own, compared in zip(cells, matches)]


def _matches(
    cells: Sequence[tuple[Cell, ...]], titles: int, systems: int, pairs: int, generator: random.Random, alike: Set[Match]
) -> list[tuple[Match, ...]]:
    kinds = list(itertools.combinations(range(systems), 2))
    generator.shuffle(kinds)
    compared: Counter[tuple[int, int, int]] = Counter()
    found = []
    number = 0
    for own in cells:
        rated = {cell.title for cell in own}
        taken: set[int] = set()
        matches = []
        for _ in range(pairs):
            first, second = kinds[number % len(kinds)]
            draws = {title: generator.random() for title in range(titles)}
            candidates = [one for one in range(titles) if one not in taken and Match(one, first, second) not in alike]
            if not candidates:
                number += 1
                continue
            # A title that was rated is an old acquaintance: one of its two poems, or a third, has been judged already.
            title = min(candidates, key=lambda one: (one in rated, compared[first, second, one], draws[one]))
            taken.add(title)
            compared[first, second, title] += 1
            swapped = number // len(kinds) % 2
            matches.append(Match(title, second, first) if swapped else Match(title, first, second))
            number += 1
        generator.shuffle(matches)
        found.append(tuple(matches))
    return found
