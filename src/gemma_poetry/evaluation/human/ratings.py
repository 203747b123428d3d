"""Mean ratings of systems, and how far they lie apart.

In: ratings of poems by aspect. Out: for each system and aspect the mean with its interval over raters and titles, and for two
systems the difference, both drawn by the same resamples. `OVERALL` is the mean of the aspects of one rating.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from gemma_poetry.evaluation.human.questions import ASPECT_NAMES
from gemma_poetry.evaluation.human.resampling import TwoWayBootstrap, interval
from gemma_poetry.evaluation.statistics import Difference, Estimate

OVERALL = "overall"


@dataclass(frozen=True, slots=True)
class Rating:
    """One rater's answer to one aspect of one poem.

    Attributes:
        rater: Who rated.
        poem: The poem.
        title: The title that it was written to.
        system: Who wrote it.
        aspect: One of `ASPECT_NAMES`, or `OVERALL`.
        step: The answer, 1 to 5.
    """

    rater: str
    poem: str
    title: str
    system: str
    aspect: str
    step: float


@dataclass(frozen=True, slots=True)
class Means:
    """The means of one aspect.

    Attributes:
        systems: System -> its mean; `n` counts ratings.
        differences: Pair of systems -> mean of the first less that of the second; `n` counts ratings of both.
    """

    systems: dict[str, Estimate]
    differences: dict[tuple[str, str], Difference]


def with_overall(ratings: Sequence[Rating]) -> list[Rating]:
    """The ratings and, where a rater answered every aspect of a poem, their mean as one more."""
    steps: dict[tuple[str, str], list[Rating]] = defaultdict(list)
    for rating in ratings:
        steps[rating.rater, rating.poem].append(rating)
    overall = [
        Rating(
            given[0].rater, given[0].poem, given[0].title, given[0].system, OVERALL, sum(one.step for one in given) / len(given)
        )
        for given in steps.values()
        if {one.aspect for one in given} == set(ASPECT_NAMES)
    ]
    return [*ratings, *overall]


def estimate_means(ratings: Iterable[Rating], systems: Sequence[str], *, samples: int, seed: int) -> Means:
    """Means and differences of the ratings of one aspect.

    Args:
        ratings: The ratings, all of one aspect.
        systems: The systems, in the order wanted.
        samples: Resamples.
        seed: Seed of the draws.
    """
    given = list(ratings)
    if not given:
        return Means({}, {})
    place = {system: number for number, system in enumerate(systems)}
    # Columns: the sum of steps of each system, then the number of its ratings.
    rows = np.zeros((len(given), 2 * len(systems)))
    for number, rating in enumerate(given):
        rows[number, place[rating.system]] = rating.step
        rows[number, len(systems) + place[rating.system]] = 1
    bootstrap = TwoWayBootstrap([one.rater for one in given], [one.title for one in given], samples=samples, seed=seed)
    sums, counts = np.split(np.concatenate([rows.sum(axis=0)[None], bootstrap.totals(rows)]), 2, axis=1)
    with np.errstate(invalid="ignore"):
        means = np.where(counts > 0, sums / counts, math.nan)  # (1 + samples, systems): all ratings, then the resamples
    found = {
        system: Estimate(float(means[0, one]), *interval(means[1:, one]), int(counts[0, one])) for system, one in place.items()
    }
    differences = {}
    for first, second in itertools.combinations(systems, 2):
        gaps = means[:, place[first]] - means[:, place[second]]
        both = int(counts[0, place[first]] + counts[0, place[second]])
        differences[first, second] = Difference(float(gaps[0]), *interval(gaps[1:]), both)
    return Means(found, differences)
