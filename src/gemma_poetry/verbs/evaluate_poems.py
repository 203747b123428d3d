"""Evaluation of poems under tones and rhymes.

In: a model and the poems to stand on. Out: likelihoods, poems to each title and behind each first couplet, titles ranked,
beside another poet's poem and the retrieval ceiling; figures of everything that `evaluation` knows.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gemma_poetry.config import EvaluateSettings, GenerateSettings
from gemma_poetry.corpus.poem import Poem
from gemma_poetry.evaluation.corpus_index import CorpusIndex
from gemma_poetry.evaluation.evaluator import DEFAULT_PAIRS, Evidence, evaluate_records
from gemma_poetry.evaluation.records import Generation, Likelihood, TitleRank
from gemma_poetry.evaluation.references import HumanReferences, can_be_rewritten, human_generations, select_poems
from gemma_poetry.evaluation.results import Results
from gemma_poetry.evaluation.retrieval_oracle import retrieval_generations
from gemma_poetry.evaluation.system_outputs import read_system_outputs
from gemma_poetry.verbs.evaluate_models import rank_titles, score, write
from gemma_poetry.verbs.evaluation_protocol import EvaluationProtocol, Ground

if TYPE_CHECKING:
    from gemma_poetry.model.loading import LoadedModel


class PoemEvaluation(EvaluationProtocol):
    """诗 and 词."""

    def ground(self, poems: Sequence[Poem], others: Sequence[Poem], settings: EvaluateSettings) -> Ground:
        """Any poem is scored; those with a title and a line behind the first couplet are written anew."""
        return Ground(
            poems,
            others,
            CorpusIndex(others),
            scored=select_poems(poems, settings.perplexity_poems, settings.seed),
            rewritten=select_poems(filter(can_be_rewritten, poems), settings.generation_poems, settings.seed),
        )

    def score(self, loaded: LoadedModel, ground: Ground) -> list[Likelihood]:
        """Per Han character."""
        return list(score(loaded, ground.scored))

    def write(
        self, loaded: LoadedModel, ground: Ground, settings: EvaluateSettings, sampling: GenerateSettings
    ) -> list[Generation]:
        """Poems to titles and behind first couplets, other poets' poems, and the nearest of the corpus."""
        return [
            *write(loaded, ground.rewritten, settings, sampling),
            *human_generations(ground.rewritten, HumanReferences(ground.others, settings.seed)),
            *(retrieval_generations(ground.rewritten, ground.index) if ground.index else ()),
        ]

    def rank(self, loaded: LoadedModel, generations: Sequence[Generation], settings: EvaluateSettings) -> list[TitleRank]:
        """By the base model, for all systems."""
        return list(rank_titles(loaded, generations, settings))

    def system_outputs(self, path: Path, ground: Ground, taken: Collection[str]) -> list[Generation]:
        """In either script."""
        return read_system_outputs(path, ground.poems, taken)

    def evidence(self, ground: Ground) -> Evidence:
        """The corpus."""
        return Evidence(corpus=ground.others, index=ground.index)

    def figures(
        self, evidence: Evidence, settings: EvaluateSettings, pairs: Sequence[tuple[str, str]] | None = None
    ) -> Results:
        """All of them."""
        return evaluate_records(evidence, settings, DEFAULT_PAIRS if pairs is None else pairs)
