"""Krippendorff's alpha for ordinal ratings, with its bootstrap interval.

In: who gave which step of a scale to which poem. Out: α: 1 for perfect agreement, 0 for what chance would give.

    α = 1 - D_observed / D_expected
    distance of steps c < k:  δ² = (n_c / 2 + n_(c+1) + ... + n_(k-1) + n_k / 2)²,  n_v: how often step v was given

(K. Krippendorff, Content Analysis, 4th edition (2019), chapter 12.) Only poems that two raters or more have rated are
counted. The sums over poems are linear in the poems but for δ, so that all resamples of an interval are one product of
matrices; poems are resampled, not single ratings.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from gemma_poetry.evaluation.statistics import Bootstrap, Estimate, Floats

Rated = tuple[str, str, int]
"""Rater, poem, step."""


def count_steps(ratings: Iterable[Rated], scale: Sequence[int]) -> Floats:
    """How often each poem got each step: (poems, steps), poems with two ratings or more, in the order of their names."""
    counts: dict[str, list[int]] = defaultdict(lambda: [0] * len(scale))
    places = {step: place for place, step in enumerate(scale)}
    for _, poem, step in ratings:
        counts[poem][places[step]] += 1
    rows = [counts[poem] for poem in sorted(counts) if sum(counts[poem]) > 1]
    return np.asarray(rows, dtype=np.float64).reshape(-1, len(scale))


def _coincidences(counts: Floats) -> Floats:
    """The coincidence matrix of each poem, flattened: (poems, steps * steps)."""
    pairs = counts[:, :, None] * counts[:, None, :]  # (poems, steps, steps)
    steps = np.arange(counts.shape[1])
    pairs[:, steps, steps] -= counts
    raters = counts.sum(axis=1)
    return np.asarray((pairs / (raters - 1)[:, None, None]).reshape(len(counts), -1))


def _alpha_of_totals(totals: Floats) -> float:
    """α from a coincidence matrix, flattened; NaN where there is no variation to explain."""
    steps = math.isqrt(len(totals))
    matrix = totals.reshape(steps, steps)
    given = matrix.sum(axis=0)
    cumulated = np.cumsum(given) - given / 2
    distances = (cumulated[:, None] - cumulated[None, :]) ** 2
    observed = float((matrix * distances).sum())
    expected = float((given[:, None] * given[None, :] * distances).sum()) / (float(given.sum()) - 1) if given.sum() > 1 else 0
    return 1 - observed / expected if expected > 0 else math.nan


def ordinal_alpha(counts: npt.ArrayLike) -> float:
    """α of ordinal ratings; NaN where fewer than two steps were given.

    Args:
        counts: How often each poem got each step, (poems, steps); every poem two ratings or more.
    """
    rows = np.asarray(counts, dtype=np.float64)
    return _alpha_of_totals(_coincidences(rows).sum(axis=0)) if len(rows) else math.nan


def estimate_alpha(ratings: Iterable[Rated], scale: Sequence[int], *, samples: int, seed: int) -> Estimate:
    """α with its bootstrap 95% interval over poems; `n` counts the poems that were rated twice or more."""
    counts = count_steps(ratings, scale)
    if not len(counts):
        return Estimate(math.nan, math.nan, math.nan, 0)
    bootstrap = Bootstrap(list(map(str, range(len(counts)))), samples=samples, seed=seed)
    return bootstrap.estimate(_coincidences(counts), _alpha_of_totals)
