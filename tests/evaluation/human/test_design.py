"""The design: balance that can be counted."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest

from gemma_poetry.evaluation.human.design import Match, balanced_design, williams_rows


@pytest.mark.parametrize("size", [2, 3, 4, 5, 6, 7])
def test_williams_squares_balance_places_and_followers(size):
    rows = williams_rows(size)
    assert len(rows) == (size if size % 2 == 0 else 2 * size)
    for half in range(0, len(rows), size):
        for column in zip(*rows[half : half + size]):
            assert sorted(column) == list(range(size))
    followers = Counter(pair for row in rows for pair in itertools.pairwise(row))
    assert set(followers) == set(itertools.permutations(range(size), 2)) and len(set(followers.values())) == 1


@pytest.mark.parametrize(
    ("titles", "systems", "raters", "ratings"), [(12, 3, 6, 12), (24, 3, 12, 12), (20, 4, 8, 10), (9, 2, 4, 6)]
)
def test_every_poem_system_and_place_comes_up_equally_often(titles, systems, raters, ratings):
    design = balanced_design(titles, systems, raters, ratings=ratings, pairs=4, seed=3)
    assert len(design) == raters
    for own in design:
        assert len({cell.title for cell in own.cells}) == len(own.cells) == ratings, "no rater meets a title twice"
    by_system = Counter(cell.system for own in design for cell in own.cells)
    assert set(by_system.values()) == {raters * ratings // systems}
    by_place = Counter((place, cell.system) for own in design for place, cell in enumerate(own.cells))
    assert set(by_place.values()) == {raters // systems}
    by_poem = Counter((cell.title, cell.system) for own in design for cell in own.cells)
    counts = [by_poem[title, system] for title in range(titles) for system in range(systems)]
    assert max(counts) - min(counts) <= 1


def test_pairs_are_balanced_over_systems_sides_and_titles():
    design = balanced_design(24, 3, 12, ratings=12, pairs=6, seed=0)
    matches = [match for own in design for match in own.matches]
    assert set(Counter(frozenset((one.left, one.right)) for one in matches).values()) == {24}
    assert set(Counter((one.left, one.right) for one in matches).values()) == {12}
    assert max(Counter((one.title, frozenset((one.left, one.right))) for one in matches).values()) <= 2
    for own in design:
        rated = {cell.title for cell in own.cells}
        assert not rated & {match.title for match in own.matches}, "there were enough titles that the rater had not met"


def test_the_same_seed_deals_the_same():
    deal = lambda seed: balanced_design(10, 3, 5, ratings=6, pairs=3, seed=seed)  # noqa: E731
    assert deal(1) == deal(1) != deal(2)


def test_more_is_asked_than_there_is():
    (own,) = balanced_design(3, 2, 1, ratings=10, pairs=10, seed=0)
    assert len(own.cells) == 3 and len(own.matches) == 3


def test_titles_with_the_same_poem_twice_are_not_compared():
    alike = {Match(title, 0, 1) for title in range(5)}
    design = balanced_design(6, 2, 4, ratings=3, pairs=3, seed=0, alike=alike)
    assert {match.title for own in design for match in own.matches} == {5}
