"""A bootstrap for figures that vary both with who rated and with what was rated.

In: the rater and the title of each answer. Out: total sums of resamples in which raters and titles are drawn apart, and an
answer counts as often as its rater was drawn, times as often as its title was (Owen, The pigeonhole bootstrap, Annals of
Applied Statistics 1 (2007), 386; McCullagh, Bernoulli 6 (2000), 285). It errs towards intervals that are too wide, never
towards too narrow ones, which is what drawing single answers would give.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from gemma_poetry.evaluation.statistics import Floats

_LEVEL = (0.025, 0.975)


class TwoWayBootstrap:
    """Seeded resamples of raters and titles.

    Args:
        raters: The rater of each answer.
        titles: The title of each answer.
        samples: Resamples.
        seed: Seed of the draws.
    """

    def __init__(self, raters: Sequence[str], titles: Sequence[str], *, samples: int, seed: int) -> None:
        assert raters and len(raters) == len(titles), (len(raters), len(titles))
        generator = np.random.default_rng(seed)
        drawn = []
        for names in (raters, titles):
            known, places = np.unique(np.asarray(names), return_inverse=True)
            counts = generator.multinomial(len(known), np.full(len(known), 1 / len(known)), size=samples)
            drawn.append(counts[:, places].astype(np.float32))  # (samples, answers)
        self._weights = drawn[0] * drawn[1]

    def totals(self, sums: npt.ArrayLike) -> Floats:
        """Total sums of each resample, (samples, columns), from the sums of each answer, (answers, columns)."""
        return np.asarray(self._weights @ np.asarray(sums, dtype=np.float32), dtype=np.float64)


def interval(figures: npt.ArrayLike) -> tuple[float, float]:
    """The 95% percentile interval; resamples without a figure (NaN) take no part."""
    known = np.asarray(figures, dtype=np.float64)
    known = known[~np.isnan(known)]
    if not len(known):
        return math.nan, math.nan
    low, high = np.quantile(known, _LEVEL)
    return float(low), float(high)
