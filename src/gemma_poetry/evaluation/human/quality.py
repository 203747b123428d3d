"""How far each rater can be trusted.

In: what a rater did. Out: one row a rater: attention checks passed, agreement with himself on repeated poems, straight-lining,
time a task, and the reasons, if any, to leave him out. Nobody is left out unasked: the report shows figures of all raters
unless the organiser wants the attentive ones only.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from gemma_poetry.evaluation.human.gathering import RaterAnswers
from gemma_poetry.evaluation.human.questions import ASPECT_NAMES
from gemma_poetry.languages import _

LEAST_PASSED_SHARE = 0.5
MOST_STRAIGHT_SHARE = 0.8
LEAST_SECONDS = 4.0
"""Nobody reads a poem and answers five questions in less, in seconds."""

_FEWEST_POEMS = 5
_FEWEST_CHECKS = 2


@dataclass(frozen=True, slots=True)
class RaterQuality:
    """One rater.

    Attributes:
        rater: Who.
        finished: Tasks answered in full.
        tasks: Tasks dealt.
        checks_passed: Attention checks passed.
        checks: Attention checks answered.
        repeat_distance: Mean distance between two answers to the same question on the same poem, in steps; NaN: none.
        straight_share: Share of poems that got the same step on every aspect, 0 to 1; NaN: none.
        median_seconds: Median time of a task, in seconds; NaN: none.
        background: How often the rater reads classical poems.
        reasons: Why the rater may be left out; empty for an attentive one.
    """

    rater: str
    finished: int
    tasks: int
    checks_passed: int
    checks: int
    repeat_distance: float
    straight_share: float
    median_seconds: float
    background: str
    reasons: tuple[str, ...]

    @property
    def attentive(self) -> bool:
        """Whether nothing speaks against the rater."""
        return not self.reasons

    def to_record(self) -> dict[str, Any]:
        """The record that stands in `report.json`; figures that there are not are null."""
        record = {
            name: None if isinstance(value, float) and math.isnan(value) else value for name, value in asdict(self).items()
        }
        return {**record, "reasons": list(self.reasons)}


def judge_rater(done: RaterAnswers) -> RaterQuality:
    """The row of one rater."""
    passed = sum(done.passed)
    distances = [abs(first[aspect] - second[aspect]) for first, second in done.repeats for aspect in ASPECT_NAMES]
    straight = [len(set(steps.values())) == 1 for steps in done.rated.values()]
    straight_share = sum(straight) / len(straight) if straight else math.nan
    seconds = statistics.median(done.seconds.values()) if done.seconds else math.nan
    reasons = []
    if len(done.passed) >= _FEWEST_CHECKS and passed < LEAST_PASSED_SHARE * len(done.passed):
        reasons.append(_("passed {passed} of {count} checks", passed=passed, count=len(done.passed)))
    if len(straight) >= _FEWEST_POEMS and straight_share >= MOST_STRAIGHT_SHARE:
        reasons.append(_("same step on every aspect for {share:.0f}% of the poems", share=100 * straight_share))
    if len(done.seconds) >= _FEWEST_POEMS and seconds < LEAST_SECONDS:
        reasons.append(_("median of {seconds:.1f} seconds a task", seconds=seconds))
    return RaterQuality(
        done.rater,
        done.finished,
        done.tasks,
        passed,
        len(done.passed),
        sum(distances) / len(distances) if distances else math.nan,
        straight_share,
        seconds,
        done.background,
        tuple(reasons),
    )


def judge_raters(raters: Sequence[RaterAnswers]) -> list[RaterQuality]:
    """One row a rater."""
    return [judge_rater(done) for done in raters]
