"""Intervals for figures that vary both with who rated and with what was rated.

In: the rater and the title of each answer, and sums of each answer. Out: figures with 95% intervals.

Raters are resampled, titles are resampled, and single answers are resampled, each alone. What an answer varies with by itself
is in all three, so that the squared widths are added and subtracted as

    width² = width_raters² + width_titles² - width_answers²,  at least the larger of the first two

(two-way clustering: Cameron, Gelbach & Miller, J. Business & Economic Statistics 29 (2011), 238). Few raters show less of their
variation than there is: widths are scaled by sqrt(G / (G - 1)) and by Student's t of G - 1 against the normal, G the number of
raters or titles. Drawing raters and titles at once would count the single answers' variation three times over; drawing answers
alone would not count raters and titles at all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gemma_poetry.evaluation.statistics import Floats

_LEVEL = (0.025, 0.975)
_NORMAL_95 = 1.959964

Figures = Callable[[Floats], Floats]
"""From total sums (resamples, columns) to figures (resamples, figures)."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Figures with their intervals, each an array (figures,); NaN where there is no figure."""

    value: Floats
    low: Floats
    high: Floats


class TwoWayBootstrap:
    """Seeded resamples of raters, of titles, and of answers."""

    def __init__(self, raters: Sequence[str], titles: Sequence[str], *, samples: int, seed: int) -> None:
        assert raters and len(raters) == len(titles), (len(raters), len(titles))
        generator = np.random.default_rng(seed)
        self._weights: list[npt.NDArray[np.float32]] = []
        self._scales: list[float] = []
        for names in (raters, titles, list(map(str, range(len(raters))))):
            known, places = np.unique(np.asarray(names), return_inverse=True)
            counts = generator.multinomial(len(known), np.full(len(known), 1 / len(known)), size=samples)
            self._weights.append(counts[:, places].astype(np.float32))  # (samples, answers)
            self._scales.append(_small_sample_scale(len(known)))

    def spread(self, sums: npt.ArrayLike, figures: Figures) -> Spread:
        """Figures of all answers with their intervals.

        Args:
            sums: The sums of each answer, (answers, columns).
            figures: The figures of total sums.
        """
        rows = np.asarray(sums, dtype=np.float32)
        value = figures(rows.sum(axis=0, dtype=np.float64)[None])[0]
        below, above = [], []
        for weights, scale in zip(self._weights, self._scales):
            low, high = _quantiles(figures(np.asarray(weights @ rows, dtype=np.float64)))
            below.append(scale * np.maximum(value - low, 0))
            above.append(scale * np.maximum(high - value, 0))
        return Spread(value, value - _combined(below), value + _combined(above))


def _combined(widths: Sequence[Floats]) -> Floats:
    by_rater, by_title, by_answer = widths
    both = np.sqrt(np.maximum(by_rater**2 + by_title**2 - by_answer**2, 0))
    return np.asarray(np.maximum(both, np.maximum(by_rater, by_title)))


def _small_sample_scale(clusters: int) -> float:
    """What the widths of so many clusters fall short by; 0 for a single one, which shows no variation at all."""
    if clusters < 2:
        return 0.0
    from scipy.stats import t

    return math.sqrt(clusters / (clusters - 1)) * float(t.ppf(_LEVEL[1], clusters - 1)) / _NORMAL_95


def _quantiles(figures: Floats) -> tuple[Floats, Floats]:
    """The ends of the percentile intervals; resamples without a figure (NaN) take no part."""
    low, high = np.full((2, figures.shape[1]), math.nan)
    for column, values in enumerate(figures.T):
        known = values[~np.isnan(values)]
        if len(known):
            low[column], high[column] = np.quantile(known, _LEVEL)
    return low, high
