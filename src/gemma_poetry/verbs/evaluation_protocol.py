"""What an evaluation asks of a kind of texts: how they are scored, written anew, read from strangers' files and judged.

In: a domain. Out: its `EvaluationProtocol`: that of poems under tones, or that of all other domains. `verbs.evaluate` goes
the same way with either: any number of runs and strangers, one table.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gemma_poetry.config import EvaluateSettings, GenerateSettings
from gemma_poetry.corpus.poem import Poem
from gemma_poetry.domains.domain import Domain
from gemma_poetry.evaluation.conformity import Judge
from gemma_poetry.evaluation.corpus_index import CorpusIndex
from gemma_poetry.evaluation.evaluator import Evidence
from gemma_poetry.evaluation.records import Generation, Likelihood, TitleRank
from gemma_poetry.evaluation.results import Results

if TYPE_CHECKING:
    from gemma_poetry.model.loading import LoadedModel


@dataclass(frozen=True, slots=True)
class Ground:
    """The texts that an evaluation stands on.

    Attributes:
        poems: The judged split.
        others: The other splits.
        index: The other splits, indexed.
        scored: The texts that likelihoods are computed of.
        rewritten: The texts that are written anew.
    """

    poems: Sequence[Poem] = ()
    others: Sequence[Poem] = ()
    index: CorpusIndex | None = None
    scored: Sequence[Poem] = ()
    rewritten: Sequence[Poem] = ()


class EvaluationProtocol(ABC):
    """How the texts of one domain are examined.

    Attributes:
        domain: The domain.
        judge: The check by which a report shows texts; `None`: tones and rhymes.
    """

    judge: Judge | None = None

    def __init__(self, domain: Domain) -> None:
        self.domain = domain

    @abstractmethod
    def ground(self, poems: Sequence[Poem], others: Sequence[Poem], settings: EvaluateSettings) -> Ground:
        """The texts to stand on, of those of the judged split and of the others."""

    @abstractmethod
    def score(self, loaded: LoadedModel, ground: Ground) -> list[Likelihood]:
        """How likely each system inside a model finds the texts."""

    @abstractmethod
    def write(
        self, loaded: LoadedModel, ground: Ground, settings: EvaluateSettings, sampling: GenerateSettings
    ) -> list[Generation]:
        """What each system inside a model writes, and what stands beside it (people, ceilings)."""

    @abstractmethod
    def rank(self, loaded: LoadedModel, generations: Sequence[Generation], settings: EvaluateSettings) -> list[TitleRank]:
        """Where the title of each text stands among others; none where that is not asked."""

    @abstractmethod
    def system_outputs(self, path: Path, ground: Ground, taken: Collection[str]) -> list[Generation]:
        """The texts of another system.

        Raises:
            SourceError: The file cannot be read.
        """

    @abstractmethod
    def evidence(self, ground: Ground) -> Evidence:
        """Everything that does not depend on a system."""

    @abstractmethod
    def figures(
        self, evidence: Evidence, settings: EvaluateSettings, pairs: Sequence[tuple[str, str]] | None = None
    ) -> Results:
        """All figures that make sense; `pairs` as in `evaluation.evaluator`."""
