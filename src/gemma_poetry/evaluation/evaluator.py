"""From what models wrote and how likely they find poems to `results.json`.

    likelihoods.jsonl ──perplexity──┐
                                    ├──> Results: systems, comparisons, forms ──> results.json, table, report
    generations.jsonl ──BLEU, chrF──┘

In: `Likelihood`s and `Writing`s of any number of systems. Out: a `Results`, every figure with n and a 95% interval.
Two systems are compared on the poems that both have, by the same resamples.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from gemma_poetry.config import EvaluateSettings
from gemma_poetry.evaluation import metrics
from gemma_poetry.evaluation.metrics import Overlap
from gemma_poetry.evaluation.records import Likelihood, Protocol, Writing
from gemma_poetry.evaluation.statistics import Bootstrap, Difference, Estimate, Figure, Floats, mean, win_rate


@dataclass(slots=True)
class Comparison:
    """One system against another, on the poems that both have.

    Attributes:
        system: The system.
        against: The system that it is compared with.
        differences: By metric: its figure less the other's. Perplexities are compared by their logarithms, in nats.
        win_rates: By metric: the share of poems on which it does better, ties counted half.
    """

    system: str
    against: str
    differences: dict[str, Difference] = field(default_factory=dict)
    win_rates: dict[str, Estimate] = field(default_factory=dict)

    def to_record(self) -> dict[str, Any]:
        """The record that stands in `results.json`."""
        return {
            "system": self.system,
            "against": self.against,
            "differences": {name: difference.to_record() for name, difference in self.differences.items()},
            "win_rates": {name: rate.to_record() for name, rate in self.win_rates.items()},
        }


@dataclass(slots=True)
class Results:
    """All figures of an evaluation.

    Attributes:
        systems: By system and metric.
        by_form: By system, form and metric.
        comparisons: Pairs of systems.
        signatures: sacrebleu's account of each of its metrics.
    """

    systems: dict[str, dict[str, Estimate]] = field(default_factory=dict)
    by_form: dict[str, dict[str, dict[str, Estimate]]] = field(default_factory=dict)
    comparisons: list[Comparison] = field(default_factory=list)
    signatures: dict[str, str] = field(default_factory=dict)

    def to_record(self) -> dict[str, Any]:
        """The record that stands in `results.json`."""
        return {
            "systems": {system: _records(figures) for system, figures in self.systems.items()},
            "by_form": {
                system: {form: _records(figures) for form, figures in forms.items()} for system, forms in self.by_form.items()
            },
            "comparisons": [comparison.to_record() for comparison in self.comparisons],
            "signatures": self.signatures,
        }


def _records(figures: Mapping[str, Estimate]) -> dict[str, dict[str, Any]]:
    return {name: estimate.to_record() for name, estimate in figures.items()}


DEFAULT_PAIRS = (("tuned", "base"), ("tuned", "human"))


def evaluate_records(
    likelihoods: Iterable[Likelihood],
    writings: Iterable[Writing],
    settings: EvaluateSettings,
    pairs: Sequence[tuple[str, str]] = DEFAULT_PAIRS,
) -> Results:
    """Computes every figure of every system.

    Args:
        likelihoods: Of any systems, in any order.
        writings: Of any systems and protocols, in any order.
        settings: Resamples and seed.
        pairs: Systems to compare, the first with the second; pairs of which one is missing are passed over.
    """
    results = Results()
    compared = {pair: Comparison(*pair) for pair in pairs}
    _add_perplexities(results, compared, _by_system(likelihoods), settings)
    writings = list(writings)
    for protocol in Protocol:
        own = _by_system(writing for writing in writings if writing.protocol is protocol)
        _add_overlaps(results, compared, own, protocol, settings)
    results.comparisons = [comparison for comparison in compared.values() if comparison.differences]
    return results


Compared = Mapping[tuple[str, str], Comparison]
_Record = TypeVar("_Record", Likelihood, Writing)


def _by_system(records: Iterable[_Record]) -> dict[str, dict[str, _Record]]:
    """Records by system and poem, poems in one order for all systems."""
    grouped: dict[str, dict[str, _Record]] = {}
    for record in sorted(records, key=lambda record: record.source_id):
        grouped.setdefault(record.system, {})[record.source_id] = record
    return grouped


def _bootstrap(records: Iterable[Likelihood | Writing], settings: EvaluateSettings) -> Bootstrap:
    units = [record.unit for record in records]
    return Bootstrap(units, samples=settings.bootstrap_samples, seed=settings.seed)


def _shared(
    own: Mapping[str, Mapping[str, _Record]], compared: Compared
) -> Iterator[tuple[Comparison, list[_Record], list[_Record]]]:
    """Each comparison with the records of the poems that both of its systems have."""
    for (system, against), comparison in compared.items():
        ours, theirs = own.get(system, {}), own.get(against, {})
        poems = [source for source in ours if source in theirs]
        if poems:
            yield comparison, [ours[source] for source in poems], [theirs[source] for source in poems]


def _add_perplexities(
    results: Results, compared: Compared, own: Mapping[str, Mapping[str, Likelihood]], settings: EvaluateSettings
) -> None:
    figures: dict[str, Figure] = {"ppl_token": metrics.ppl_token, "ppl_char": metrics.ppl_char}
    logarithms: dict[str, Figure] = {"log_ppl_token": metrics.nats_per_token, "log_ppl_char": metrics.nats_per_character}
    for system, of_poem in own.items():
        records = list(of_poem.values())
        results.systems.setdefault(system, {}).update(_estimates(records, figures, settings))
        for form, _ in Counter(record.form for record in records).most_common():
            of_form = [record for record in records if record.form == form]
            results.by_form.setdefault(system, {})[form] = _estimates(of_form, figures, settings)
    for comparison, ours, theirs in _shared(own, compared):
        bootstrap = _bootstrap(ours, settings)
        for name, figure in logarithms.items():
            comparison.differences[name] = bootstrap.difference(_nats(ours), _nats(theirs), figure)
        wins = win_rate([-record.nll for record in ours], [-record.nll for record in theirs])
        comparison.win_rates["ppl_char"] = bootstrap.estimate(wins, mean)


def _estimates(records: Sequence[Likelihood], figures: Mapping[str, Figure], settings: EvaluateSettings) -> dict[str, Estimate]:
    bootstrap, sums = _bootstrap(records, settings), _nats(records)
    return {name: bootstrap.estimate(sums, figure) for name, figure in figures.items()}


def _nats(records: Sequence[Likelihood]) -> Floats:
    return np.array([(record.nll, record.tokens, record.characters) for record in records], dtype=np.float64)


def _add_overlaps(
    results: Results,
    compared: Compared,
    own: Mapping[str, Mapping[str, Writing]],
    protocol: Protocol,
    settings: EvaluateSettings,
) -> None:
    for overlap in metrics.overlaps():
        name = f"{overlap.name}_{protocol.value}"
        results.signatures[overlap.name] = overlap.signature
        for system, of_poem in own.items():
            records = list(of_poem.values())
            estimate = _bootstrap(records, settings).estimate(_matches(overlap, records), overlap.figure)
            results.systems.setdefault(system, {})[name] = estimate
        for comparison, ours, theirs in _shared(own, compared):
            sums, others = _matches(overlap, ours), _matches(overlap, theirs)
            comparison.differences[name] = _bootstrap(ours, settings).difference(sums, others, overlap.figure)
    for comparison, ours, theirs in _shared(own, compared):
        wins = win_rate(_poem_scores(ours), _poem_scores(theirs))
        comparison.win_rates[f"bleu4_{protocol.value}"] = _bootstrap(ours, settings).estimate(wins, mean)


def _matches(overlap: Overlap, records: Sequence[Writing]) -> Floats:
    return overlap.sums([record.text for record in records], [record.reference_text for record in records])


def _poem_scores(records: Sequence[Writing]) -> list[float]:
    overlap = metrics.sentence_bleu()
    return [overlap.figure(row) for row in _matches(overlap, records)]
