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

from gemma_poetry.evaluation.human.questions import ASPECT_NAMES, SCALE
from gemma_poetry.evaluation.human.resampling import TwoWayBootstrap
from gemma_poetry.evaluation.statistics import Difference, Estimate, Floats

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
    """Means and differences of the ratings of one aspect."""
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
    pairs = list(itertools.combinations(systems, 2))

    def figures(totals: Floats) -> Floats:
        sums, counts = np.split(totals, 2, axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            means = np.where(counts > 0, sums / counts, math.nan)  # (resamples, systems)
        gaps = [means[:, place[first]] - means[:, place[second]] for first, second in pairs]
        return np.column_stack([means, *gaps])

    spread = bootstrap.spread(rows, figures)
    value, low, high = (ends.tolist() for ends in (spread.value, spread.low, spread.high))
    counts = rows[:, len(systems) :].sum(axis=0).astype(int).tolist()
    found = {
        system: Estimate(value[one], max(low[one], SCALE[0]), min(high[one], SCALE[-1]), counts[one])
        for system, one in place.items()
    }
    differences = {
        (first, second): Difference(value[one], low[one], high[one], counts[place[first]] + counts[place[second]])
        for one, (first, second) in enumerate(pairs, len(systems))
    }
    return Means(found, differences)
