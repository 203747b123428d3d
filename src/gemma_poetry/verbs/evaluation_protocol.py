"""An evaluation protocol says how the texts of a domain are scored, written anew, read from other systems' files and judged.

    DATA/test.jsonl ──model.scoring─────────> likelihoods (count of the domain) ──┐
          ├──form and title──its engine─────> generations ────────────────────────┼─evaluation──> figures that the
          └──other texts of the form────────> the human beside them ──────────────┤               domain says make sense
    DATA/train, val.jsonl ──symbols─────────> what novelty is held against ───────┘

In: a domain. Out: its `EvaluationProtocol`; `verbs.evaluate` goes the same way with each: any number of runs and systems, one
table. What differs is how texts are written anew, which depends on the engine.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemma_poetry.config import EvaluateSettings, GenerateSettings
from gemma_poetry.corpus.poem import Poem
from gemma_poetry.corpus.readers import reader_of
from gemma_poetry.domains.domain import Domain
from gemma_poetry.evaluation.conformity import Judge
from gemma_poetry.evaluation.corpus_index import CorpusIndex
from gemma_poetry.evaluation.evaluator import DEFAULT_PAIRS, Evidence, evaluate_records, spelt_index
from gemma_poetry.evaluation.records import Generation, Likelihood, Protocol, TitleRank
from gemma_poetry.evaluation.references import HumanReferences, can_be_rewritten, human_generations, select_poems
from gemma_poetry.evaluation.results import Results
from gemma_poetry.evaluation.retrieval_oracle import retrieval_generations
from gemma_poetry.evaluation.symbols import Symbols
from gemma_poetry.evaluation.system_outputs import read_system_outputs
from gemma_poetry.verbs.evaluate_models import continue_all, rank_titles, score, write_all

if TYPE_CHECKING:
    from gemma_poetry.model.loading import LoadedModel

_ALWAYS = ("ppl_", "log_ppl_", "conforms")


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
        reader: How files of other systems are read.
        judge: The check by which a report shows texts; `None`: tones and rhymes.
        symbols: What is compared where texts are held against each other.
    """

    def __init__(self, domain: Domain) -> None:
        self.domain = domain
        self.reader = reader_of(domain)
        self.judge: Judge | None = domain.check
        self.symbols = Symbols(domain.symbols, domain.symbol)

    def ground(self, poems: Sequence[Poem], others: Sequence[Poem], settings: EvaluateSettings) -> Ground:
        """The texts to stand on, of those of the judged split and of the others."""
        rewritable = filter(self.can_be_rewritten, poems)
        return Ground(
            poems,
            others,
            spelt_index(others, self.symbols),
            scored=select_poems(poems, settings.perplexity_poems, settings.seed),
            rewritten=select_poems(rewritable, settings.generation_poems, settings.seed),
        )

    def can_be_rewritten(self, poem: Poem) -> bool:
        """Whether a model can be asked for another text in place of one."""
        return True

    def score(self, loaded: LoadedModel, ground: Ground) -> list[Likelihood]:
        """How likely each system inside a model finds the texts, per unit of the domain."""
        return list(score(loaded, ground.scored, self.domain))

    @abstractmethod
    def write(
        self, loaded: LoadedModel, ground: Ground, settings: EvaluateSettings, sampling: GenerateSettings
    ) -> list[Generation]:
        """What each system inside a model writes, and what stands beside it (people, ceilings)."""

    def rank(self, loaded: LoadedModel, generations: Sequence[Generation], settings: EvaluateSettings) -> list[TitleRank]:
        """Where the title of each text stands among others; none where that is not asked."""
        return []

    def system_outputs(self, path: Path, ground: Ground, taken: Collection[str]) -> list[Generation]:
        """The texts of another system.

        Raises:
            SourceError: The file cannot be read.
        """
        return read_system_outputs(path, ground.poems, taken, self.reader)

    def evidence(self, ground: Ground) -> Evidence:
        """Everything that does not depend on a system."""
        return Evidence(
            corpus=ground.others,
            index=ground.index,
            judge=self.judge,
            unit=self.domain.unit,
            symbols=self.symbols,
            book=self.domain.book,
        )

    def figures(
        self, evidence: Evidence, settings: EvaluateSettings, pairs: Sequence[tuple[str, str]] | None = None
    ) -> Results:
        """All figures that the domain says make sense; `pairs` as in `evaluation.evaluator`."""
        found = evaluate_records(evidence, settings, DEFAULT_PAIRS if pairs is None else pairs)
        return _sensible(found, (*_ALWAYS, *self.domain.metrics))


class PoemEvaluation(EvaluationProtocol):
    """诗 and 词, by tones and rhymes; continued from titles and first couplets, beside the nearest of the corpus."""

    def __init__(self, domain: Domain) -> None:
        super().__init__(domain)
        self.judge = None

    def can_be_rewritten(self, poem: Poem) -> bool:
        """Those with a title and a line behind the first couplet."""
        return can_be_rewritten(poem)

    def write(
        self, loaded: LoadedModel, ground: Ground, settings: EvaluateSettings, sampling: GenerateSettings
    ) -> list[Generation]:
        """Poems to titles and behind first couplets, other poets' poems, and the nearest of the corpus."""
        return [
            *continue_all(loaded, ground.rewritten, settings, sampling),
            *human_generations(ground.rewritten, HumanReferences(ground.others, settings.seed)),
            *(retrieval_generations(ground.rewritten, ground.index) if ground.index else ()),
        ]

    def rank(self, loaded: LoadedModel, generations: Sequence[Generation], settings: EvaluateSettings) -> list[TitleRank]:
        """By the base model, for all systems."""
        return list(rank_titles(loaded, generations, settings))


class TextEvaluation(EvaluationProtocol):
    """Texts of any domain with a check and a count. Titles are not ranked: ten titles of each are ten times its length."""

    def write(
        self, loaded: LoadedModel, ground: Ground, settings: EvaluateSettings, sampling: GenerateSettings
    ) -> list[Generation]:
        """Texts to forms and titles, and another person's text to the nearest title."""
        people = human_generations(ground.rewritten, HumanReferences(ground.others, settings.seed))
        return [
            *write_all(loaded, ground.rewritten, settings, sampling, self.domain),
            *(one for one in people if one.protocol is Protocol.TITLE),
        ]


_PROTOCOLS = {"slots": PoemEvaluation, "words": TextEvaluation}
"""By the engine that writes the texts."""


def protocol_of(domain: Domain) -> EvaluationProtocol:
    """How the texts of a domain are evaluated."""
    return _PROTOCOLS[domain.engine](domain)


def _sensible(results: Results, beginnings: Sequence[str]) -> Results:
    """The figures whose names begin as the domain says."""

    def kept(figures: dict[str, Any]) -> dict[str, Any]:
        return {name: figure for name, figure in figures.items() if name.startswith(tuple(beginnings))}

    return replace(
        results,
        systems={system: kept(figures) for system, figures in results.systems.items()},
        by_form={system: {form: kept(figures) for form, figures in forms.items()} for system, forms in results.by_form.items()},
        comparisons=[
            replace(one, differences=kept(one.differences), win_rates=kept(one.win_rates)) for one in results.comparisons
        ],
        signatures=kept(results.signatures),
    )
