"""The report of a study: figures, tables, and a data file that names nobody.

In: gathered answers. Out: `HumanReport`, its JSON record, tables for the terminal, and records that can be published.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from gemma_poetry.evaluation.human.agreement import estimate_alpha
from gemma_poetry.evaluation.human.answers import Answer
from gemma_poetry.evaluation.human.gathering import Gathered, gather
from gemma_poetry.evaluation.human.preference import Preferences, estimate_preferences
from gemma_poetry.evaluation.human.quality import RaterQuality, judge_raters
from gemma_poetry.evaluation.human.questions import ASPECT_NAMES, SCALE
from gemma_poetry.evaluation.human.ratings import OVERALL, Means, estimate_means, with_overall
from gemma_poetry.evaluation.human.study import Key, Study
from gemma_poetry.evaluation.statistics import Difference, Estimate
from gemma_poetry.languages import _, localized

if TYPE_CHECKING:
    from rich.table import Table

SAMPLES = 2000
"""Resamples of an interval."""


@dataclass(frozen=True, slots=True)
class HumanReport:
    """What the raters say.

    Attributes:
        systems: The systems, in order.
        means: Aspect, or `OVERALL` -> means and differences.
        alphas: Aspect -> Krippendorff's ordinal α.
        preferences: Bradley-Terry strengths and win rates.
        raters: One row a rater.
        counted: Raters whose answers stand behind the figures.
        notes: What the study's key notes.
    """

    systems: tuple[str, ...]
    means: Mapping[str, Means]
    alphas: Mapping[str, Estimate]
    preferences: Preferences
    raters: Sequence[RaterQuality]
    counted: Sequence[str]
    notes: Sequence[str]

    def to_record(self) -> dict[str, Any]:
        """The record of `report.json`."""
        return {
            "systems": list(self.systems),
            "raters_counted": list(self.counted),
            "means": {
                aspect: {
                    "systems": {system: _figure(one) for system, one in means.systems.items()},
                    "differences": _pairs(means.differences),
                }
                for aspect, means in self.means.items()
            },
            "alpha_ordinal": {aspect: _figure(one) for aspect, one in self.alphas.items()},
            "bradley_terry": {
                "strengths": {system: _figure(one) for system, one in self.preferences.strengths.items()},
                "differences": _pairs(self.preferences.differences),
                "win_rates": _pairs(self.preferences.win_rates),
            },
            "raters": [rater.to_record() for rater in self.raters],
            "notes": list(self.notes),
        }


def _figure(figure: Estimate | Difference) -> dict[str, Any]:
    record = figure.to_record()
    return {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in record.items()}


def _pairs(figures: Mapping[tuple[str, str], Estimate | Difference]) -> list[dict[str, Any]]:
    return [{"first": first, "second": second, **_figure(one)} for (first, second), one in figures.items()]


def report_gathered(gathered: Gathered, *, samples: int = SAMPLES, seed: int = 0, only_attentive: bool = False) -> HumanReport:
    """Counts gathered answers.

    Args:
        gathered: The answers.
        samples: Resamples of every interval.
        seed: Seed of the draws.
        only_attentive: Raters with a reason to be left out are.
    """
    quality = judge_raters(gathered.raters)
    counted = [rater.rater for rater in quality if rater.finished and (rater.attentive or not only_attentive)]
    used = gathered.only(counted)
    ratings = with_overall(used.ratings)
    means, alphas = {}, {}
    for aspect in (*ASPECT_NAMES, OVERALL):
        own = [rating for rating in ratings if rating.aspect == aspect]
        means[aspect] = estimate_means(own, used.systems, samples=samples, seed=seed)
        if aspect != OVERALL:
            steps = [(one.rater, one.poem, int(one.step)) for one in own]
            alphas[aspect] = estimate_alpha(steps, SCALE, samples=samples, seed=seed)
    preferences = estimate_preferences(used.choices, used.systems, samples=samples, seed=seed)
    return HumanReport(used.systems, means, alphas, preferences, quality, counted, ())


def report_study(
    study: Study,
    key: Key,
    answers: Sequence[Answer],
    views: Mapping[tuple[str, str], float],
    *,
    seed: int = 0,
    only_attentive: bool = False,
) -> tuple[HumanReport, Gathered]:
    """The report of a study, and the answers behind it."""
    gathered = gather(study, key, answers, views)
    report = report_gathered(gathered, seed=seed, only_attentive=only_attentive)
    return replace(report, notes=tuple(key.notes)), gathered


def anonymous_records(study: Study, gathered: Gathered) -> Iterator[dict[str, Any]]:
    """Records that can be published: raters under new names in an order that only the hashes of their tokens tell; no
    comments, no clock times."""
    rater_names = {rater: f"P{number:02}" for number, (_, rater) in enumerate(sorted(study.token_hashes.items()), 1)}
    done = {one.rater: one for one in gathered.raters}
    task_of = {
        (rater, task.items[0]): task.task for rater, tasks in study.tasks.items() for task in tasks if len(task.items) == 1
    }
    ratings = sorted(gathered.ratings, key=lambda one: (rater_names[one.rater], one.poem, ASPECT_NAMES.index(one.aspect)))
    for one in ratings:
        seconds = done[one.rater].seconds.get(task_of[one.rater, one.poem])
        yield {
            "kind": "rating",
            "rater": rater_names[one.rater],
            "background": done[one.rater].background,
            "title": one.title,
            "poem": one.poem,
            "system": one.system,
            "aspect": one.aspect,
            "step": int(one.step),
            "task_seconds": None if seconds is None else round(seconds),
        }
    for choice in sorted(gathered.choices, key=lambda one: (rater_names[one.rater], one.title, one.first)):
        yield {
            "kind": "choice",
            "rater": rater_names[choice.rater],
            "background": done[choice.rater].background,
            "title": choice.title,
            "left": choice.first,
            "right": choice.second,
            "won_by_left": choice.won,
        }


def text_of(figure: Estimate | Difference | None, digits: int = 2, *, signed: bool = False) -> str:
    """A figure with its interval; a dash where there is none."""
    if figure is None or math.isnan(figure.value):
        return "—"
    sign = "+" if signed else ""
    return f"{figure.value:{sign}.{digits}f} [{figure.low:{sign}.{digits}f}, {figure.high:{sign}.{digits}f}]"


def _number(value: float, text: str) -> str:
    return "—" if math.isnan(value) else text.format(value)


def report_tables(report: HumanReport) -> list[Table]:
    """The tables that `rate report` prints."""
    rows = [
        [aspect, *(text_of(means.systems.get(system)) for system in report.systems), text_of(report.alphas.get(aspect))]
        for aspect, means in report.means.items()
    ]
    tables = [
        _table(
            _("Mean ratings, 1 to 5, 95% intervals over raters and titles; {count} raters", count=len(report.counted)),
            [_("aspect"), *report.systems, _("α ordinal")],
            rows,
        )
    ]
    overall = report.means[OVERALL].differences
    preferences = report.preferences
    pairs = [
        [
            f"{first} less {second}",
            text_of(overall.get((first, second)), signed=True),
            text_of(preferences.differences.get((first, second)), signed=True),
            text_of(preferences.win_rates.get((first, second))),
            str(preferences.win_rates[first, second].n) if (first, second) in preferences.win_rates else "0",
        ]
        for first, second in {**overall, **preferences.differences}
    ]
    tables.append(
        _table(
            _("Two systems"),
            [_("pair"), _("overall rating"), _("Bradley-Terry (logits)"), _("win rate of the first"), _("pairs")],
            pairs,
        )
    )
    strengths = [[system, text_of(one, signed=True), str(one.n)] for system, one in preferences.strengths.items()]
    tables.append(_table(_("Bradley-Terry strengths, mean 0"), [_("system"), _("logits"), _("pairs")], strengths))
    raters = [
        [
            rater.rater,
            f"{rater.finished}/{rater.tasks}",
            f"{rater.checks_passed}/{rater.checks}",
            _number(rater.repeat_distance, "{:.2f}"),
            _number(100 * rater.straight_share, "{:.0f}%"),
            _number(rater.median_seconds, "{:.0f}"),
            "; ".join(rater.reasons) or "—",
        ]
        for rater in report.raters
    ]
    heads = [
        _("rater"),
        _("tasks"),
        _("checks"),
        _("repeats differ by"),
        _("straight-lined"),
        _("seconds a task"),
        _("against"),
    ]
    tables.append(_table(_("Raters"), heads, raters))
    return tables


def _table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(title=localized(title), title_justify="left")
    for number, head in enumerate(heads):
        table.add_column(Text(localized(head)), justify="left" if number == 0 else "right")
    for row in rows:
        # Text objects: a bracketed interval would be read as markup.
        table.add_row(*(Text(localized(cell)) for cell in row))
    return table
