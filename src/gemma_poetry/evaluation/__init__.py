"""Evaluation computes figures, each with its interval, from files; it knows no model.

In: likelihoods, generations and title ranks, beside the poems of the corpus. Out: results.json and a report.
`human` is what people think of the poems.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gemma_poetry.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from gemma_poetry.evaluation.contamination import Contamination as Contamination, find_contamination as find_contamination
    from gemma_poetry.evaluation.corpus_index import CorpusIndex as CorpusIndex
    from gemma_poetry.evaluation.curves import plot_curves as plot_curves, read_curve as read_curve
    from gemma_poetry.evaluation.evaluator import Evidence as Evidence, evaluate_records as evaluate_records
    from gemma_poetry.evaluation.records import (
        Generation as Generation,
        Likelihood as Likelihood,
        Protocol as Protocol,
        TitleRank as TitleRank,
    )
    from gemma_poetry.evaluation.references import (
        HumanReferences as HumanReferences,
        human_generations as human_generations,
        select_poems as select_poems,
    )
    from gemma_poetry.evaluation.results import Results as Results
    from gemma_poetry.evaluation.statistics import Bootstrap as Bootstrap, Difference as Difference, Estimate as Estimate
    from gemma_poetry.evaluation.system_outputs import read_system_outputs as read_system_outputs
    from gemma_poetry.evaluation.table import terminal_tables as terminal_tables
else:
    __getattr__, __dir__ = lazy_exports(__name__)
