"""Simulated raters with known effects: do the statistics find them, and how large must a study be?

In: how far the systems lie apart, and sizes of studies to try. Out: for each size how often the intervals hold the truth
(coverage), how often a real difference is found (power) and one that is not there (false alarms); what share of careless and of
careful raters the checks speak against; the smallest study with a power of 0.8.

    liking of a poem     system + title + poem + rater                     normal, on the scale of the steps
    rating of an aspect  liking + halo of this rating + noise, cut at 1.5, 2.5, 3.5, 4.5
    choice of a pair     difference of the two poems + noise; a tie where that is small

The truth is computed, not simulated: the mean rating of a system and its win rate follow from the normal distribution. The
answers go through the same design and the same estimates as real ones.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gemma_poetry.errors import UsageError
from gemma_poetry.evaluation.human.agreement import count_steps, ordinal_alpha
from gemma_poetry.evaluation.human.design import balanced_design
from gemma_poetry.evaluation.human.gathering import CHECKED_ASPECTS, PASSING_MEAN, RaterAnswers
from gemma_poetry.evaluation.human.preference import Choice, estimate_preferences
from gemma_poetry.evaluation.human.quality import judge_rater
from gemma_poetry.evaluation.human.questions import ASPECT_NAMES, SCALE
from gemma_poetry.evaluation.human.ratings import OVERALL, Rating, estimate_means
from gemma_poetry.languages import _, localized
from gemma_poetry.progress import track

if TYPE_CHECKING:
    from rich.table import Table

# Standard deviations of what ratings vary with, in steps of the scale.
TITLE_SD, POEM_SD, RATER_SD, HALO_SD, NOISE_SD = 0.3, 0.4, 0.5, 0.5, 0.8
PAIR_NOISE_SD, TIE_WIDTH = 1.0, 0.25
_CUTS = (1.5, 2.5, 3.5, 4.5)
_MIDDLE = 3.0
_SHUFFLED_LIKING = 1.2
"""How a shuffled poem is liked by those who read it, in steps."""

_SAMPLES = 400
WANTED_POWER = 0.8
_CHECKS, _CHECK_PAIRS, _REPEATS = 2, 1, 2
_JUDGED_RATERS = 400


@dataclass(frozen=True, slots=True)
class SimulationSettings:
    """What is simulated.

    Attributes:
        effect: Distance between one system's liking and the next one's, in steps.
        systems: Systems.
        raters: Numbers of raters to try.
        poems: Numbers of titles to try.
        ratings: Poems a rater rates.
        pairs: Pairs a rater compares.
        studies: Simulated studies of each size, with the effect and again without.
        seed: Seed of every draw.
    """

    effect: float = 0.4
    systems: int = 3
    raters: tuple[int, ...] = (6, 12, 24)
    poems: tuple[int, ...] = (20, 40)
    ratings: int = 20
    pairs: int = 10
    studies: int = 200
    seed: int = 0


@dataclass(frozen=True, slots=True)
class SizeResult:
    """What studies of one size find.

    Attributes:
        raters: Raters.
        poems: Titles.
        true_difference: Mean rating of a system less that of the next worse one, mean over neighbours, in steps.
        mean_estimate: What the studies say of it on average.
        coverage: Share of the intervals of differences that hold the truth; 0.95 is promised.
        power: Share of the differences of neighbours that are found, with the right sign.
        false_alarms: The same, either sign, where all systems are alike; 0.05 is promised.
        win_coverage: Share of the intervals of win rates that hold the truth.
        pair_power: Share of the Bradley-Terry differences of neighbours that are found.
        pair_false_alarms: The same, either sign, where all systems are alike.
        alpha: Krippendorff's ordinal α, mean over studies and aspects; `None` where no poem was rated twice.
    """

    raters: int
    poems: int
    true_difference: float
    mean_estimate: float
    coverage: float
    power: float
    false_alarms: float
    win_coverage: float
    pair_power: float
    pair_false_alarms: float
    alpha: float | None


@dataclass(frozen=True, slots=True)
class Simulated:
    """All sizes, and what the checks see.

    Attributes:
        settings: What was simulated.
        sizes: One result a size.
        careless_flagged: Share of raters who answer at random that the checks speak against.
        careful_flagged: Share of raters who read that the checks speak against.
    """

    settings: SimulationSettings
    sizes: Sequence[SizeResult]
    careless_flagged: float
    careful_flagged: float

    @property
    def smallest(self) -> SizeResult | None:
        """The size with the fewest raters, then poems, whose power by ratings is `WANTED_POWER`; `None` if none is."""
        enough = [size for size in self.sizes if size.power >= WANTED_POWER]
        return min(enough, key=lambda size: (size.raters, size.poems)) if enough else None

    def to_record(self) -> dict[str, Any]:
        """The record that `--json` prints."""
        return {
            "settings": asdict(self.settings),
            "sizes": [asdict(size) for size in self.sizes],
            "careless_flagged": self.careless_flagged,
            "careful_flagged": self.careful_flagged,
            "smallest": self.smallest and {"raters": self.smallest.raters, "poems": self.smallest.poems},
        }


def _normal_below(value: float) -> float:
    return 0.5 * (1 + math.erf(value / math.sqrt(2)))


def true_mean(liking: float) -> float:
    """The expected rating of a system, over all titles, poems, raters and noise."""
    spread = math.sqrt(sum(one**2 for one in (TITLE_SD, POEM_SD, RATER_SD, HALO_SD, NOISE_SD)))
    return 1 + sum(_normal_below((liking - cut) / spread) for cut in _CUTS)


def true_win_rate(gap: float) -> float:
    """The expected win rate, ties half, of a system that is liked so much more."""
    spread = math.sqrt(2 * POEM_SD**2 + PAIR_NOISE_SD**2)
    return 0.5 * (_normal_below((gap - TIE_WIDTH) / spread) + _normal_below((gap + TIE_WIDTH) / spread))


def _cut(liking: np.ndarray) -> np.ndarray:
    return 1 + (np.asarray(liking)[..., None] > np.asarray(_CUTS)).sum(axis=-1)


@dataclass(frozen=True, slots=True)
class _Found:
    """One simulated study."""

    ratings: list[Rating]
    choices: list[Choice]


def simulate_answers(settings: SimulationSettings, raters: int, poems: int, effect: float, seed: int) -> _Found:
    """The answers of one study, all aspects and pairs."""
    draw = np.random.default_rng(seed)
    count = settings.systems
    likings = _likings(effect, count)
    of_poem = likings + draw.normal(0, TITLE_SD, (poems, 1)) + draw.normal(0, POEM_SD, (poems, count))
    design = balanced_design(poems, count, raters, ratings=settings.ratings, pairs=settings.pairs, seed=seed)
    names = [f"S{number}" for number in range(count)]
    ratings, choices = [], []
    for number, own in enumerate(design):
        rater = f"R{number:03}"
        severity = draw.normal(0, RATER_SD)
        for cell in own.cells:
            base = of_poem[cell.title, cell.system] + severity + draw.normal(0, HALO_SD)
            steps = _cut(base + draw.normal(0, NOISE_SD, len(ASPECT_NAMES)))
            poem = f"T{cell.title:03} {names[cell.system]}"
            ratings += [
                Rating(rater, poem, f"T{cell.title:03}", names[cell.system], aspect, int(step))
                for aspect, step in zip(ASPECT_NAMES, steps)
            ]
        for match in own.matches:
            gap = of_poem[match.title, match.left] - of_poem[match.title, match.right] + draw.normal(0, PAIR_NOISE_SD)
            won = 0.5 if abs(gap) < TIE_WIDTH else float(gap > 0)
            choices.append(Choice(rater, f"T{match.title:03}", names[match.left], names[match.right], won))
    return _Found(ratings, choices)


def _likings(effect: float, systems: int) -> np.ndarray:
    """Likings around the middle of the scale, the last system liked best."""
    return np.asarray(_MIDDLE + effect * (np.arange(systems) - (systems - 1) / 2))


def simulate(settings: SimulationSettings) -> Simulated:
    """Simulates studies of every size.

    Raises:
        UsageError: A setting is out of its range.
    """
    _check(settings)
    sizes = [_size(settings, raters, poems) for raters in settings.raters for poems in settings.poems]
    generator = random.Random(f"careless {settings.seed}")
    careless = [judge_rater(_rater(settings, generator, careless=True)) for _unused in range(_JUDGED_RATERS)]
    careful = [judge_rater(_rater(settings, generator, careless=False)) for _unused in range(_JUDGED_RATERS)]
    shares = [sum(not one.attentive for one in raters) / len(raters) for raters in (careless, careful)]
    return Simulated(settings, sizes, *shares)


def _check(settings: SimulationSettings) -> None:
    for name, least, most in (("systems", 2, 20), ("ratings", 1, 500), ("pairs", 1, 500), ("studies", 1, 100_000)):
        if not least <= getattr(settings, name) <= most:
            raise UsageError(
                _("--{name} cannot be {settings}", name=name, settings=getattr(settings, name)),
                expected=_("{least} to {most}", least=least, most=most),
            )
    for name, values in (("raters", settings.raters), ("poems", settings.poems)):
        if not values or not all(2 <= value <= 1000 for value in values):
            raise UsageError(
                _("--{name} cannot be {values}", name=name, values=",".join(map(str, values))),
                expected=_("numbers from 2 to 1000"),
            )
    if not 0 < settings.effect <= 2:
        raise UsageError(_("--effect cannot be {effect}", effect=settings.effect), expected=_("more than 0, at most 2 steps"))


def _size(settings: SimulationSettings, raters: int, poems: int) -> SizeResult:
    names = [f"S{number}" for number in range(settings.systems)]
    likings = _likings(settings.effect, settings.systems)
    pairs = list(itertools.combinations(range(settings.systems), 2))
    truths = {(names[i], names[j]): true_mean(likings[i]) - true_mean(likings[j]) for i, j in pairs}
    wins = {(names[i], names[j]): true_win_rate(likings[i] - likings[j]) for i, j in pairs}
    neighbours = [(names[i], names[i + 1]) for i in range(settings.systems - 1)]
    held, found, estimates, won, pair_found, alphas = [], [], [], [], [], []
    alarms, pair_alarms = [], []
    for study in track(range(settings.studies), _("Simulating {raters} raters, {poems} titles", raters=raters, poems=poems)):
        seed = settings.seed * 1_000_003 + study
        for effect in (settings.effect, 0.0):
            answers = simulate_answers(settings, raters, poems, effect, seed)
            means = estimate_means(_overall(answers.ratings), names, samples=_SAMPLES, seed=seed)
            preferences = estimate_preferences(answers.choices, names, samples=_SAMPLES, seed=seed)
            if effect == 0:
                alarms += [means.differences[pair].excludes_zero for pair in neighbours]
                pair_alarms += [one.low > 0 or one.high < 0 for one in (preferences.differences[pair] for pair in neighbours)]
                continue
            held += [means.differences[pair].low <= truth <= means.differences[pair].high for pair, truth in truths.items()]
            # Neighbours stand in rising order: the first less the second is below zero.
            found += [means.differences[pair].high < 0 for pair in neighbours]
            estimates += [means.differences[pair].value for pair in neighbours]
            won += [
                preferences.win_rates[pair].low <= truth <= preferences.win_rates[pair].high for pair, truth in wins.items()
            ]
            pair_found += [preferences.differences[pair].high < 0 for pair in neighbours]
            alphas += _alphas(answers.ratings)
    return SizeResult(
        raters=raters,
        poems=poems,
        true_difference=-float(np.mean([truths[pair] for pair in neighbours])),
        mean_estimate=-float(np.mean(estimates)),
        coverage=float(np.mean(held)),
        power=float(np.mean(found)),
        false_alarms=float(np.mean(alarms)),
        win_coverage=float(np.mean(won)),
        pair_power=float(np.mean(pair_found)),
        pair_false_alarms=float(np.mean(pair_alarms)),
        # Where every poem was rated once there is no agreement to speak of.
        alpha=float(np.nanmean(alphas)) if not np.isnan(alphas).all() else None,
    )


def _overall(ratings: Sequence[Rating]) -> list[Rating]:
    """The mean of each rating's aspects; they stand together, in order."""
    size = len(ASPECT_NAMES)
    groups = (ratings[start : start + size] for start in range(0, len(ratings), size))
    return [
        Rating(own[0].rater, own[0].poem, own[0].title, own[0].system, OVERALL, sum(one.step for one in own) / size)
        for own in groups
    ]


def _alphas(ratings: Sequence[Rating]) -> list[float]:
    return [
        ordinal_alpha(count_steps(((one.rater, one.poem, int(one.step)) for one in ratings if one.aspect == aspect), SCALE))
        for aspect in ASPECT_NAMES
    ]


def _rater(settings: SimulationSettings, draw: random.Random, *, careless: bool) -> RaterAnswers:
    """A rater who reads, or one who clicks at random; the pace of both is alike, so that the answers alone must tell."""
    severity = draw.gauss(0, RATER_SD)

    def rate(liking: float) -> dict[str, int]:
        if careless:
            return {aspect: draw.choice(SCALE) for aspect in ASPECT_NAMES}
        halo = liking + severity + draw.gauss(0, HALO_SD)
        return {aspect: int(_cut(np.asarray(halo + draw.gauss(0, NOISE_SD)))) for aspect in ASPECT_NAMES}

    done = RaterAnswers("R", settings.ratings + _CHECKS + _CHECK_PAIRS + _REPEATS)
    likings = [_MIDDLE + draw.gauss(0, POEM_SD) for _unused in range(settings.ratings)]
    done.rated = {f"{number}": rate(liking) for number, liking in enumerate(likings)}
    done.repeats = [(done.rated[f"{number}"], rate(likings[number])) for number in range(min(_REPEATS, len(likings)))]
    for _unused in range(_CHECKS):
        steps = rate(_SHUFFLED_LIKING)
        done.passed.append(sum(steps[aspect] for aspect in CHECKED_ASPECTS) / len(CHECKED_ASPECTS) <= PASSING_MEAN)
    for _unused in range(_CHECK_PAIRS):
        gap = _MIDDLE - _SHUFFLED_LIKING + draw.gauss(0, PAIR_NOISE_SD)
        done.passed.append(draw.random() < 1 / 3 if careless else gap >= TIE_WIDTH)
    done.seconds = {f"{number}": 30.0 for number in range(done.tasks)}
    done.finished = done.tasks
    return done


def simulation_tables(found: Simulated) -> list[Table]:
    """The tables that `rate simulate` prints."""
    from rich.table import Table

    settings = found.settings
    table = Table(
        title=localized(
            _(
                "{systems} systems {effect} steps apart, {ratings} poems and {pairs} pairs a rater, {studies} studies a size",
                systems=settings.systems,
                effect=settings.effect,
                ratings=settings.ratings,
                pairs=settings.pairs,
                studies=settings.studies,
            )
        ),
        title_justify="left",
    )
    heads = (
        _("raters"), _("titles"), _("true gap"), _("estimate"), _("coverage"), _("power"), _("false alarms"),
        _("wins covered"), _("pairs: power"), _("pairs: false alarms"), "α",
    )  # fmt: skip
    for head in heads:
        table.add_column(localized(head), justify="right")
    for size in found.sizes:
        shares = (size.coverage, size.power, size.false_alarms, size.win_coverage, size.pair_power, size.pair_false_alarms)
        gaps = (f"{size.true_difference:.3f}", f"{size.mean_estimate:.3f}")
        table.add_row(
            f"{size.raters}",
            f"{size.poems}",
            *gaps,
            *(f"{100 * share:.1f}%" for share in shares),
            "–" if size.alpha is None else f"{size.alpha:.2f}",
        )
    verdict = Table(show_header=False)
    smallest = found.smallest
    needed = localized(
        _("{raters} raters, {titles} titles", raters=smallest.raters, titles=smallest.poems)
        if smallest
        else _("more than was tried")
    )
    verdict.add_row(localized(_("needed for a power of {power:.0%} by ratings", power=WANTED_POWER)), needed)
    verdict.add_row(localized(_("raters who click at random, spoken against")), f"{found.careless_flagged:.1%}")
    verdict.add_row(localized(_("raters who read, spoken against")), f"{found.careful_flagged:.1%}")
    return [table, verdict]
