"""Evaluation in domains that are not read by tones: perplexity in their own unit, their own check, novelty in their symbols.

    DATA/test.jsonl ──model.scoring────────> likelihoods (count of the domain) ──┐
          ├──form and title──TextGenerator────> writings ───────────────────────────┼─evaluation──> figures that the
          └──other texts of the form───────> the human beside them ──────────────┤               domain says make sense
    DATA/train, val.jsonl ──symbols────────> what novelty is held against ───────┘

In: a model, the texts to stand on, and their domain. Out: what `verbs.evaluate` puts together.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemma_poetry.config import EvaluateSettings, GenerateSettings
from gemma_poetry.corpus.poem import Poem
from gemma_poetry.data.prompts import Conditions
from gemma_poetry.domains.domain import Domain
from gemma_poetry.evaluation.evaluator import DEFAULT_PAIRS, Evidence, evaluate_records, spelt_index
from gemma_poetry.evaluation.records import Generation, Likelihood, Protocol, TitleRank
from gemma_poetry.evaluation.references import HumanReferences, as_generation, human_generations, select_poems
from gemma_poetry.evaluation.results import Results
from gemma_poetry.evaluation.symbols import Symbols
from gemma_poetry.evaluation.system_outputs import read_system_texts
from gemma_poetry.progress import steps, track
from gemma_poetry.verbs.evaluate_models import as_system, systems_of
from gemma_poetry.verbs.evaluation_protocol import EvaluationProtocol, Ground

if TYPE_CHECKING:
    from gemma_poetry.model.loading import LoadedModel

_ALWAYS = ("ppl_", "log_ppl_", "conforms")


class TextEvaluation(EvaluationProtocol):
    """Texts of any domain with a check and a count."""

    def __init__(self, domain: Domain) -> None:
        super().__init__(domain)
        self.judge = domain.check
        self.symbols = Symbols(domain.symbols, domain.symbol)

    def ground(self, poems: Sequence[Poem], others: Sequence[Poem], settings: EvaluateSettings) -> Ground:
        """Any text is scored, and any is written anew."""
        return Ground(
            poems,
            others,
            spelt_index(others, self.symbols),
            scored=select_poems(poems, settings.perplexity_poems, settings.seed),
            rewritten=select_poems(poems, settings.generation_poems, settings.seed),
        )

    def score(self, loaded: LoadedModel, ground: Ground) -> list[Likelihood]:
        """Per unit of the domain."""
        return list(_score(loaded, ground.scored, self.domain))

    def write(
        self, loaded: LoadedModel, ground: Ground, settings: EvaluateSettings, sampling: GenerateSettings
    ) -> list[Generation]:
        """Texts to forms and titles, and another person's text to the nearest title."""
        people = human_generations(ground.rewritten, HumanReferences(ground.others, settings.seed))
        return [
            *_write(loaded, ground.rewritten, settings, sampling, self.domain),
            *(one for one in people if one.protocol is Protocol.TITLE),
        ]

    def rank(self, loaded: LoadedModel, generations: Sequence[Generation], settings: EvaluateSettings) -> list[TitleRank]:
        """Not asked: a passage of prose is long, and ten titles of each are ten times its length to read."""
        return []

    def system_outputs(self, path: Path, ground: Ground, taken: Collection[str]) -> list[Generation]:
        """Divided and cleaned as the domain says."""
        return read_system_texts(path, self.domain, ground.poems, taken)

    def evidence(self, ground: Ground) -> Evidence:
        """The corpus in symbols, the check, the unit."""
        return Evidence(corpus=ground.others, index=ground.index, judge=self.judge, unit=self.domain.unit, symbols=self.symbols)

    def figures(
        self, evidence: Evidence, settings: EvaluateSettings, pairs: Sequence[tuple[str, str]] | None = None
    ) -> Results:
        """Those that the domain says make sense."""
        found = evaluate_records(evidence, settings, DEFAULT_PAIRS if pairs is None else pairs)
        return _sensible(found, (*_ALWAYS, *self.domain.metrics))


def _score(loaded: LoadedModel, poems: Sequence[Poem], domain: Domain) -> Iterator[Likelihood]:
    from gemma_poetry.data.tokenization import encode_poems
    from gemma_poetry.model.scoring import score_completions

    samples = list(encode_poems(loaded.tokenizer, poems, domain.template))
    for system in systems_of(loaded):
        with as_system(loaded, system), steps(f"Scoring texts ({system})", len(samples)) as advance:
            scores = score_completions(loaded.model, samples, progress=advance)
        for poem, score in zip(poems, scores):
            units = domain.count(poem.lines)
            yield Likelihood(system, poem.source_id, poem.cluster_id, poem.kind, score.nll, score.tokens, units)


def _write(
    loaded: LoadedModel, poems: Sequence[Poem], settings: EvaluateSettings, sampling: GenerateSettings, domain: Domain
) -> Iterator[Generation]:
    from gemma_poetry.generation.text_generator import TextGenerator, TextRequest

    sampling = sampling.model_copy(update={"batch_size": settings.batch_size})
    writer = TextGenerator(loaded.model, loaded.tokenizer, sampling, wordstock=domain.wordstock, max_tokens=domain.max_tokens)
    # Texts of one form share a batch: counted and free ones are decoded apart, and long ones pad the short.
    poems = sorted(poems, key=lambda poem: (poem.form, poem.source_id))
    wishes = [
        # The author is left out: the text beside it was not asked to be like anybody's either.
        TextRequest(Conditions(poem.form, poem.title, template=domain.template), domain.measure(poem.form))
        for poem in poems
    ]
    for system in systems_of(loaded):
        with as_system(loaded, system):
            written = writer.write(wishes, seed=settings.seed)
            for poem, one in zip(poems, track(written, f"Writing texts ({system})", len(poems))):
                lines, marks = domain.lines_of(one.text, poem.form)
                yield as_generation(system, Protocol.TITLE, poem, lines, marks)


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
