"""Intervals are computed by resampling: every figure that a report prints goes through here.

In: for each poem a row of sums (nats, tokens, n-gram matches, ...) and a function from total sums to a figure.
Out: the figure of the whole, its bootstrap 95% interval, and paired differences between two systems.

A figure is always computed from corpus-level sums, in each resample as in the whole. What is drawn again and again is
the near-duplicate cluster, not the line or token: poems of one cluster are copies of each other, and tokens of one poem
hang together, so counting them as independent would make intervals too narrow.
Percentile bootstrap: Efron & Tibshirani, An Introduction to the Bootstrap (1993), chapter 13; paired comparison of two
systems on the same poems: Koehn, Statistical Significance Tests for Machine Translation Evaluation (2004).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Figure = Callable[[Floats], float]
"""From total sums (columns,) to the figure."""

_LEVEL = (0.025, 0.975)
_NORMAL_95 = 1.959964


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its 95% interval.

    Attributes:
        value: The figure over all poems.
        low: Lower end of the interval.
        high: Upper end of the interval.
        n: Poems behind it.
    """

    value: float
    low: float
    high: float
    n: int

    def to_record(self) -> dict[str, Any]:
        """The record that stands in `results.json`."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Difference(Estimate):
    """A figure of one system less that of another, on the same poems."""

    @property
    def excludes_zero(self) -> bool:
        """Whether zero lies outside the interval."""
        return self.low > 0 or self.high < 0

    def to_record(self) -> dict[str, Any]:
        """The record that stands in `results.json`."""
        return {**asdict(self), "excludes_zero": self.excludes_zero}


class Bootstrap:
    """Seeded resamples of the units that poems belong to.

    The same units, sample count and seed give the same resamples, so that figures of two systems on the same poems
    are drawn in pairs.

    Args:
        units: The unit (cluster) of each poem; poems of one unit are drawn together.
        samples: Resamples.
        seed: Seed of the draws.
    """

    def __init__(self, units: Sequence[str], *, samples: int, seed: int) -> None:
        assert units, "nothing to resample"
        self.poems = len(units)
        names, self._unit_of_poem = np.unique(np.asarray(units), return_inverse=True)
        self._units = len(names)
        generator = np.random.default_rng(seed)
        share = np.full(self._units, 1 / self._units)
        # How often each unit is drawn, (samples, units); counts beyond 65,535 cannot come up in practice.
        self._counts = generator.multinomial(self._units, share, size=samples).astype(np.uint16)

    def totals(self, sums: npt.ArrayLike) -> Floats:
        """Total sums of each resample.

        Args:
            sums: The sums of each poem, (poems, columns).

        Returns:
            An array (samples, columns).
        """
        rows = np.asarray(sums, dtype=np.float64)
        assert rows.shape[0] == self.poems, (rows.shape, self.poems)
        by_unit = np.zeros((self._units, rows.shape[1]))
        np.add.at(by_unit, self._unit_of_poem, rows)
        return np.asarray(self._counts @ by_unit)

    def estimate(self, sums: npt.ArrayLike, figure: Figure) -> Estimate:
        """The figure of all poems with its percentile interval.

        Args:
            sums: The sums of each poem, (poems, columns).
            figure: From total sums (columns,) to the figure.
        """
        value = figure(np.asarray(sums, dtype=np.float64).sum(axis=0))
        low, high = _interval([figure(row) for row in self.totals(sums)])
        return Estimate(value, low, high, self.poems)

    def difference(self, sums: npt.ArrayLike, other: npt.ArrayLike, figure: Figure) -> Difference:
        """The figure of one system less that of another, both drawn by the same resamples.

        Args:
            sums: The sums of each poem under one system, (poems, columns).
            other: The sums of the same poems, in the same order, under the other.
            figure: From total sums (columns,) to the figure.
        """
        value = figure(np.asarray(sums, dtype=np.float64).sum(axis=0)) - figure(np.asarray(other, dtype=np.float64).sum(axis=0))
        pairs = zip(self.totals(sums), self.totals(other))
        low, high = _interval([figure(ours) - figure(theirs) for ours, theirs in pairs])
        return Difference(value, low, high, self.poems)


def _interval(figures: Sequence[float]) -> tuple[float, float]:
    # A resample without a denominator (no rhyming form was drawn, say) has no figure and takes no part.
    known = [figure for figure in figures if not math.isnan(figure)]
    if not known:
        return math.nan, math.nan
    low, high = np.quantile(np.asarray(known), _LEVEL)
    return float(low), float(high)


def mean(totals: Floats) -> float:
    """The figure of columns (sum of values, their count): an average or a share; NaN where the count is 0."""
    return float(totals[0] / totals[1]) if totals[1] else math.nan


def judged(figure: Figure, sums: Floats) -> npt.NDArray[np.bool_]:
    """Which poems take part in a figure: for `mean` those with a count, for all others every one.

    Args:
        figure: The figure.
        sums: The sums of each poem, (poems, columns).
    """
    return sums[:, 1] > 0 if figure is mean else np.ones(len(sums), dtype=np.bool_)


def win_rate(ours: npt.ArrayLike, theirs: npt.ArrayLike) -> Floats:
    """Rows (poems, 2) for `mean`: 1 where ours is the greater, one half where both are equal.

    Args:
        ours: A score of each poem, the greater the better.
        theirs: The same score of the same poems under another system.
    """
    a, b = np.asarray(ours, dtype=np.float64), np.asarray(theirs, dtype=np.float64)
    return np.stack([(a > b) + 0.5 * (a == b), np.ones(len(a))], axis=1)


def jackknife(value: float, without_each: Sequence[float]) -> Estimate:
    """The interval of a figure that counts distinct things, from the figures with each poem left out.

    A bootstrap sample holds poems twice, so whatever counts distinct things comes out too low in it; leaving out one
    poem at a time does not. Interval: value ± 1.96 standard errors (Efron & Tibshirani, chapter 11).

    Args:
        value: The figure of all poems.
        without_each: The figure of all poems but one, for each poem.
    """
    count = len(without_each)
    figures = np.asarray(without_each, dtype=np.float64)
    error = math.sqrt((count - 1) / count * float(((figures - figures.mean()) ** 2).sum())) if count else math.nan
    return Estimate(value, value - _NORMAL_95 * error, value + _NORMAL_95 * error, count)
