"""Human evaluation asks people, blind, and reckons with how they differ.

In: generations of several systems and the held-out poems. Out: a STUDY, its answers, preferences and ratings with intervals.
The statistics are tried on simulated raters whose opinion is known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gemma_poetry.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from gemma_poetry.evaluation.human.answers import AnswerStore as AnswerStore
    from gemma_poetry.evaluation.human.building import (
        BuildSettings as BuildSettings,
        plan_study as plan_study,
        write_study as write_study,
    )
    from gemma_poetry.evaluation.human.report import HumanReport as HumanReport
    from gemma_poetry.evaluation.human.simulation import SimulationSettings as SimulationSettings
    from gemma_poetry.evaluation.human.study import Task as Task, read_study as read_study
else:
    __getattr__, __dir__ = lazy_exports(__name__)
