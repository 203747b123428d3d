"""Bradley-Terry strengths from pairwise choices, with bootstrap intervals over raters and titles.

In: choices between two systems' poems. Out: a strength for each system, in logits, of mean 0: the odds that a poem of `i` is
preferred to one of `j` are exp(strength_i - strength_j).

A tie is half a win for each side. The strengths are those of greatest likelihood (R. A. Bradley & M. E. Terry, Biometrika 39
(1952), 324), found by Newton's method for all resamples of the bootstrap at once. `PRIOR_WINS` imagined wins of each system
over each other keep them finite where one system won every time; with hundreds of choices they are not felt.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gemma_poetry.evaluation.human.resampling import TwoWayBootstrap
from gemma_poetry.evaluation.statistics import Estimate, Floats

PRIOR_WINS = 0.1
_TOLERANCE = 1e-9
_MOST_ROUNDS = 200
_LONGEST_STEP = 2.0
"""In logits a round."""

_RIDGE = 1e-12


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer to a pair.

    Attributes:
        rater: Who chose.
        title: The title that both poems were written to.
        first: One system.
        second: The other.
        won: 1 if the first was preferred, 0 if the second, 0.5 if neither.
    """

    rater: str
    title: str
    first: str
    second: str
    won: float


@dataclass(frozen=True, slots=True)
class Preferences:
    """What the choices say.

    Attributes:
        strengths: The strength of each system in logits; their mean is 0.
        differences: Pair of systems -> strength of the first less that of the second.
        win_rates: Pair of systems -> share of direct comparisons that the first won, ties half.
    """

    strengths: dict[str, Estimate]
    differences: dict[tuple[str, str], Estimate]
    win_rates: dict[tuple[str, str], Estimate]


def bradley_terry(wins: npt.ArrayLike, *, prior_wins: float = 0.0) -> Floats:
    """Strengths in logits, of mean 0.

    Args:
        wins: How often the row's system was preferred to the column's, (..., systems, systems); the diagonal is ignored.
        prior_wins: Imagined wins of each over each other.

    Returns:
        An array (..., systems). Without a prior, a system that won or lost every time has no finite strength.
    """
    table = np.asarray(wins, dtype=np.float64).copy()  # (..., systems, systems)
    systems = table.shape[-1]
    others = ~np.eye(systems, dtype=bool)
    table = np.where(others, table + prior_wins, 0.0)
    played = table + np.swapaxes(table, -1, -2)
    won = table.sum(axis=-1)
    strengths = np.zeros(won.shape)
    for _ in range(_MOST_ROUNDS):
        chance = 1 / (1 + np.exp(strengths[..., None, :] - strengths[..., :, None]))
        gradient = won - (played * chance).sum(axis=-1)
        weights = played * chance * (1 - chance)
        # The mean is free: the matrix of ones settles it, and leaves all differences as they are.
        curvature = 1 / systems + _RIDGE * np.eye(systems) - weights
        curvature += np.eye(systems) * weights.sum(axis=-1)[..., None]
        step = np.linalg.solve(curvature, gradient[..., None])[..., 0]
        # Far from the summit a whole step leaps over it.
        strengths = strengths + np.clip(step, -_LONGEST_STEP, _LONGEST_STEP)
        if np.abs(step).max() < _TOLERANCE:
            break
    return np.asarray(strengths - strengths.mean(axis=-1, keepdims=True))


def estimate_preferences(choices: Sequence[Choice], systems: Sequence[str], *, samples: int, seed: int) -> Preferences:
    """Strengths, their differences and direct win rates, each with its interval over raters and titles."""
    if not choices:
        return Preferences({}, {}, {})
    place = {system: number for number, system in enumerate(systems)}
    count = len(systems)
    rows = np.zeros((len(choices), count, count))
    for number, choice in enumerate(choices):
        first, second = place[choice.first], place[choice.second]
        rows[number, first, second] += choice.won
        rows[number, second, first] += 1 - choice.won
    bootstrap = TwoWayBootstrap([one.rater for one in choices], [one.title for one in choices], samples=samples, seed=seed)
    pairs = list(itertools.combinations(systems, 2))

    def figures(totals: Floats) -> Floats:
        wins = totals.reshape(-1, count, count)
        # A resample in which some pair never met is still connected by the prior.
        strengths = bradley_terry(wins, prior_wins=PRIOR_WINS)  # (resamples, systems)
        columns = [strengths]
        for system, against in pairs:
            one, other = place[system], place[against]
            with np.errstate(invalid="ignore"):
                rates = wins[:, one, other] / (wins[:, one, other] + wins[:, other, one])
            columns += [strengths[:, one] - strengths[:, other], rates]
        return np.column_stack(columns)

    spread = bootstrap.spread(rows.reshape(len(choices), -1), figures)
    met = rows.sum(axis=0)
    met = met + met.T
    figure = list(zip(spread.value.tolist(), spread.low.tolist(), spread.high.tolist()))
    strengths = {system: Estimate(*figure[one], round(met[one].sum())) for system, one in place.items()}
    differences, win_rates = {}, {}
    for number, (system, against) in enumerate(pairs):
        played = round(met[place[system], place[against]])
        differences[system, against] = Estimate(*figure[count + 2 * number], played)
        value, low, high = figure[count + 2 * number + 1]
        win_rates[system, against] = Estimate(value, max(low, 0.0), min(high, 1.0), played)
    return Preferences(strengths, differences, win_rates)
