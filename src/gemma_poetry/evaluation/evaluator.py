"""The evaluator turns what models wrote and how likely they find poems into `results.json`.

    likelihoods.jsonl ──perplexity───────────────────────────┐
    title_ranks.jsonl ──title relevance──────────────────────┤
    generations.jsonl ──BLEU, chrF, conformity, diversity────┼──> Results ──> results.json, tables, report
                 └──CorpusIndex──novelty, parallelism────────┘

In: records of any number of systems, and the poems of the other splits. Out: a `Results`, every figure with n and a 95%
interval. Two systems are compared on the poems that both have, by the same resamples.

The system `human` is another poet's poem to the same title where something is held against the reference (BLEU, chrF),
and the reference poem itself where poems are judged on their own.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from gemma_poetry.config import EvaluateSettings
from gemma_poetry.corpus.poem import Poem
from gemma_poetry.evaluation import metrics
from gemma_poetry.evaluation.conformity import Judge, checked_sums, conformity_sums, judge
from gemma_poetry.evaluation.corpus_index import CorpusIndex
from gemma_poetry.evaluation.diversity import distinct, self_bleu_sums
from gemma_poetry.evaluation.novelty import LONGEST_SPAN, most_copied, novelty_sums, trace
from gemma_poetry.evaluation.parallelism import PARALLEL, PARALLEL_CLASSES, Parallelism, class_sums
from gemma_poetry.evaluation.records import Generation, Likelihood, Protocol, TitleRank, without_repeat
from gemma_poetry.evaluation.references import HUMAN
from gemma_poetry.evaluation.results import Comparison, Results
from gemma_poetry.evaluation.retrieval_oracle import RETRIEVAL
from gemma_poetry.evaluation.statistics import Bootstrap, Estimate, Figure, Floats, judged, mean, win_rate
from gemma_poetry.evaluation.symbols import Symbols
from gemma_poetry.prosody.scansion import scan

DEFAULT_PAIRS = (("tuned", "base"), ("tuned", HUMAN))
_EXAMPLES = 5

_Record = TypeVar("_Record", Likelihood, Generation, TitleRank)
_Rows = Mapping[str, Floats]
_Units = npt.NDArray[np.str_]


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that figures are computed from.

    Attributes:
        likelihoods: Of any systems, in any order.
        generations: Of any systems and protocols, in any order.
        title_ranks: Of any systems, in any order.
        corpus: The poems that novelty is measured against and parallelism is learned from; empty: neither is reported.
        index: The same poems, indexed, where that is at hand already; spelt in `symbols`, where there are any.
        judge: The check of another domain than classical Chinese; `None`: forms are judged by tones and rhymes.
        unit: What `Likelihood.characters` counts, as it stands behind `ppl_`.
        symbols: What is compared where texts are held against each other; `None`: Han characters.
        book: The rhyme book that tones and rhymes are judged by; empty: the usual one.
    """

    likelihoods: Sequence[Likelihood] = ()
    generations: Sequence[Generation] = ()
    title_ranks: Sequence[TitleRank] = ()
    corpus: Sequence[Poem] = ()
    index: CorpusIndex | None = field(default=None, repr=False)
    judge: Judge | None = None
    unit: str = "char"
    symbols: Symbols | None = field(default=None, repr=False)
    book: str = ""


def evaluate_records(
    evidence: Evidence, settings: EvaluateSettings, pairs: Sequence[tuple[str, str]] = DEFAULT_PAIRS
) -> Results:
    """Computes every figure of every system.

    Args:
        evidence: What the systems made of the poems.
        settings: Resamples and seed.
        pairs: Systems to compare, the first with the second; pairs of which one is missing are passed over.
    """
    results = Results(comparisons=[Comparison(*pair) for pair in pairs])
    _add_perplexities(_Table(results, evidence.likelihoods, settings), evidence.unit)
    for protocol in Protocol:
        held = [writing for writing in evidence.generations if writing.protocol is protocol and writing.reference]
        _add_overlaps(_Table(results, held, settings), protocol)
    poems = [*whole_poems(evidence.generations)]
    table = _Table(results, poems, settings)
    _add_conformity(table, evidence.judge, evidence.book)
    symbols = evidence.symbols or Symbols(list)
    _add_diversity(table, symbols)
    if evidence.corpus and poems:
        _add_novelty(table, evidence.index or spelt_index(evidence.corpus, symbols), symbols)
    if evidence.judge is None:
        _add_parallelism(table, evidence.corpus, settings.seed)
    ranks = _Table(results, evidence.title_ranks, settings)
    ranks.add("title_first", mean, ranks.rows(lambda own: [(one.rank == 1, 1) for one in own]))
    reciprocal = ranks.rows(lambda own: [(1 / one.rank, 1) for one in own])
    ranks.add("title_reciprocal_rank", mean, reciprocal)
    ranks.add_wins("title_reciprocal_rank", {system: sums[:, 0] for system, sums in reciprocal.items()})
    results.comparisons = [comparison for comparison in results.comparisons if comparison.differences]
    return results


class _Table(Generic[_Record]):
    """Records of one kind by system and poem, and the figures that are added to the results from them."""

    def __init__(self, results: Results, records: Iterable[_Record], settings: EvaluateSettings) -> None:
        self.results = results
        self.own: dict[str, dict[str, _Record]] = {}
        # Sorted by poem, so that systems that have the same poems are drawn by the same resamples.
        for record in sorted(records, key=lambda record: record.source_id):
            self.own.setdefault(record.system, {})[record.source_id] = record
        self._settings = settings

    def rows(self, sums: Callable[[list[_Record]], npt.ArrayLike]) -> _Rows:
        """The sums of each system's poems."""
        return {system: np.asarray(sums(list(own.values())), dtype=np.float64) for system, own in self.own.items()}

    def add(
        self,
        name: str,
        figure: Figure,
        rows: _Rows,
        *,
        difference: tuple[str, Figure] | None = None,
        by_form: bool = False,
    ) -> None:
        """Adds a figure of each system and the differences between them.

        Args:
            name: The metric.
            figure: From total sums to the figure; NaN where there is nothing to judge.
            rows: The sums of each system's poems.
            difference: Name and figure that comparisons use instead.
            by_form: Whether the figure is reported form by form as well.
        """
        for system, sums in rows.items():
            records = list(self.own[system].values())
            self._estimate(self.results.systems.setdefault(system, {}), name, figure, sums, records)
            if by_form:
                self._add_by_form(system, name, figure, sums, records)
        compared, compare = difference or (name, figure)
        for comparison, ours, theirs, units in self._shared(rows):
            both = judged(figure, ours) & judged(figure, theirs)
            if both.any():
                bootstrap = self._bootstrap(units[both])
                comparison.differences[compared] = bootstrap.difference(ours[both], theirs[both], compare)

    def add_wins(self, name: str, scores: _Rows) -> None:
        """Adds win rates.

        Args:
            name: The metric.
            scores: A score of each poem of each system, the greater the better; NaN where it cannot be judged.
        """
        for comparison, ours, theirs, units in self._shared(scores):
            both = ~np.isnan(ours) & ~np.isnan(theirs)
            if both.any():
                comparison.win_rates[name] = self._bootstrap(units[both]).estimate(win_rate(ours[both], theirs[both]), mean)

    def _estimate(
        self, figures: dict[str, Estimate], name: str, figure: Figure, sums: Floats, records: Sequence[_Record]
    ) -> None:
        """Adds the figure of those records that can be judged; nothing where there are none."""
        chosen = judged(figure, sums)
        if chosen.any():
            figures[name] = self._bootstrap(_units(records)[chosen]).estimate(sums[chosen], figure)

    def _bootstrap(self, units: _Units) -> Bootstrap:
        return Bootstrap(units.tolist(), samples=self._settings.bootstrap_samples, seed=self._settings.seed)

    def _add_by_form(self, system: str, name: str, figure: Figure, sums: Floats, records: Sequence[_Record]) -> None:
        for form in dict.fromkeys(record.form for record in records):
            chosen = [number for number, record in enumerate(records) if record.form == form]
            found: dict[str, Estimate] = {}
            self._estimate(found, name, figure, sums[chosen], [records[number] for number in chosen])
            if found:
                self.results.by_form.setdefault(system, {}).setdefault(form, {}).update(found)

    def _shared(self, rows: _Rows) -> Iterator[tuple[Comparison, Floats, Floats, _Units]]:
        """Each comparison with the rows, and the units, of the poems that both of its systems have."""
        for comparison in self.results.comparisons:
            ours, theirs = self.own.get(comparison.system, {}), self.own.get(comparison.against, {})
            # The human wrote once for each poem, and stands beside everything that a system wrote for it.
            once = without_repeat if comparison.against == HUMAN else str
            poems = [source for source in ours if source in theirs or once(source) in theirs]
            if poems and comparison.system in rows and comparison.against in rows:
                yield (
                    comparison,
                    rows[comparison.system][_places(ours, poems)],
                    rows[comparison.against][_places(theirs, [one if one in theirs else once(one) for one in poems])],
                    _units([ours[source] for source in poems]),
                )


def _units(records: Sequence[_Record]) -> _Units:
    return np.array([record.unit for record in records], dtype=np.str_)


def _places(own: Mapping[str, object], poems: Sequence[str]) -> list[int]:
    place = {source: number for number, source in enumerate(own)}
    return [place[source] for source in poems]


def _add_perplexities(table: _Table[Likelihood], unit: str) -> None:
    rows = table.rows(lambda own: [(one.nll, one.tokens, one.characters) for one in own])
    per_token, per_character = ("log_ppl_token", metrics.nats_per_token), (f"log_ppl_{unit}", metrics.nats_per_character)
    table.add("ppl_token", metrics.ppl_token, rows, difference=per_token, by_form=True)
    table.add(f"ppl_{unit}", metrics.ppl_char, rows, difference=per_character, by_form=True)
    table.add_wins(f"log_ppl_{unit}", {system: -sums[:, metrics.NATS] for system, sums in rows.items()})


def _add_overlaps(table: _Table[Generation], protocol: Protocol) -> None:
    for overlap in metrics.overlaps():
        rows = table.rows(lambda own, overlap=overlap: overlap.sums(*_texts(own)))  # type: ignore[misc]
        table.add(f"{overlap.name}_{protocol.value}", overlap.figure, rows)
        table.results.signatures[overlap.name] = overlap.signature
    for one in (metrics.sentence_bleu(), metrics.chrf()):
        scores = table.rows(lambda own, one=one: [one.figure(row) for row in one.sums(*_texts(own))])  # type: ignore[misc]
        table.add_wins(f"{one.name}_{protocol.value}", scores)


def _texts(records: Sequence[Generation]) -> tuple[list[str], list[str]]:
    return [record.text for record in records], [record.reference_text for record in records]


def whole_poems(generations: Iterable[Generation]) -> Iterator[Generation]:
    """The poems that are judged on their own: those written from the title, and the references as `human`, each once."""
    references: dict[str, Generation] = {}
    for writing in generations:
        if writing.protocol is Protocol.TITLE and writing.system not in (HUMAN, RETRIEVAL):
            yield writing
            if writing.reference:
                references.setdefault(without_repeat(writing.source_id), writing)
    for source, writing in references.items():
        yield replace(writing, system=HUMAN, source_id=source, lines=writing.reference)


def _add_conformity(table: _Table[Generation], check: Judge | None, book: str) -> None:
    if check is None:
        read = functools.partial(scan, book=book)
        sums = {
            system: conformity_sums([judge(one.lines, one.form, read) for one in own.values()])
            for system, own in table.own.items()
        }
    else:
        sums = {system: checked_sums([check(one.lines, one.form) for one in own.values()]) for system, own in table.own.items()}
    for name in next(iter(sums.values()), {}):
        rows = {system: shares[name] for system, shares in sums.items()}
        table.add(name, mean, rows, by_form=True)
        kept = {system: np.where(own[:, 1] > 0, own[:, 0], np.nan) for system, own in rows.items()}
        table.add_wins(name, kept)


def spelt_index(poems: Sequence[Poem], symbols: Symbols) -> CorpusIndex:
    """Poems, ready to be asked in symbols."""
    return CorpusIndex([replace(poem, lines=symbols.spell(poem.lines)) for poem in poems])


def _add_diversity(table: _Table[Generation], symbols: Symbols) -> None:
    for system, own in table.own.items():
        spelt = [symbols.spell(one.lines) for one in own.values()]
        for order in (1, 2):
            estimate = distinct(spelt, order)
            if estimate is not None:
                table.results.systems.setdefault(system, {})[symbols.metric(f"distinct_{order}")] = estimate
    several = {system for system, own in table.own.items() if len(own) > 1}
    rows = table.rows(lambda own: self_bleu_sums([symbols.spell(one.lines) for one in own]))
    table.add("self_bleu", mean, {system: sums for system, sums in rows.items() if system in several})


def _add_parallelism(table: _Table[Generation], corpus: Sequence[Poem], seed: int) -> None:
    if corpus and table.own:
        learned = Parallelism(corpus, seed)
        table.add(PARALLEL, mean, table.rows(lambda own: learned.sums((one.lines, one.form) for one in own)))
    table.add(PARALLEL_CLASSES, mean, table.rows(lambda own: class_sums((one.lines, one.form) for one in own)))


def _add_novelty(table: _Table[Generation], index: CorpusIndex, symbols: Symbols) -> None:
    traced = {
        system: [trace(symbols.spell(one.lines), index, one.lines) for one in own.values()] for system, own in table.own.items()
    }
    sums = {system: novelty_sums(found) for system, found in traced.items()}
    for name in next(iter(sums.values())):
        shown = symbols.metric(name) if name == LONGEST_SPAN else name
        table.add(shown, mean, {system: figures[name] for system, figures in sums.items()})
    for system, found in traced.items():
        table.results.copied[system] = [one.to_record(symbols.read) for one in most_copied(found, _EXAMPLES)]
