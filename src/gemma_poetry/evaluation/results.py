"""Results hold what an evaluation found: figures by system, by form, and between systems.

In: `Estimate`s and `Difference`s. Out: a `Results` and the record of it that stands in `results.json`, from which it can be
read back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gemma_poetry.evaluation.statistics import Difference, Estimate
from gemma_poetry.frames import data_frame

if TYPE_CHECKING:
    from pandas import DataFrame


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

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Comparison:
        """The inverse of `to_record`.

        Raises:
            KeyError: The record is no comparison.
        """
        differences = {
            name: Difference(**{field: value for field, value in difference.items() if field != "excludes_zero"})
            for name, difference in record["differences"].items()
        }
        return cls(record["system"], record["against"], differences, _estimates(record["win_rates"]))


@dataclass(slots=True)
class Results:
    """All figures of an evaluation.

    Attributes:
        systems: By system and metric.
        by_form: By system, form and metric.
        comparisons: Pairs of systems.
        signatures: sacrebleu's account of each of its metrics.
        copied: By system: the poems that share the longest spans with the corpus, with their sources.
        exposure: What can be told of the judged poems and the training of the models: records of `Contamination`.
    """

    systems: dict[str, dict[str, Estimate]] = field(default_factory=dict)
    by_form: dict[str, dict[str, dict[str, Estimate]]] = field(default_factory=dict)
    comparisons: list[Comparison] = field(default_factory=list)
    signatures: dict[str, str] = field(default_factory=dict)
    copied: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    exposure: list[dict[str, Any]] = field(default_factory=list)

    def to_record(self) -> dict[str, Any]:
        """The record that stands in `results.json`."""
        return {
            "systems": {system: _records(figures) for system, figures in self.systems.items()},
            "by_form": {
                system: {form: _records(figures) for form, figures in forms.items()} for system, forms in self.by_form.items()
            },
            "comparisons": [comparison.to_record() for comparison in self.comparisons],
            "signatures": self.signatures,
            "copied": self.copied,
            "exposure": self.exposure,
        }

    def to_frame(self, *, by_form: bool = False) -> DataFrame:
        """A row for each figure: system, (form,) metric, value, low, high, n.

        Raises:
            UsageError: pandas is not installed.
        """
        groups = {name: {"": figures} for name, figures in self.systems.items()}
        return data_frame(
            {"system": name, **({"form": form} if by_form else {}), "metric": metric, **figure.to_record()}
            for name, forms in (self.by_form if by_form else groups).items()
            for form, figures in forms.items()
            for metric, figure in figures.items()
        )

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Results:
        """The inverse of `to_record`.

        Raises:
            KeyError: The record is no `results.json`.
            TypeError: A figure has other fields.
        """
        return cls(
            systems={system: _estimates(figures) for system, figures in record["systems"].items()},
            by_form={
                system: {form: _estimates(figures) for form, figures in forms.items()}
                for system, forms in record.get("by_form", {}).items()
            },
            comparisons=[Comparison.from_record(comparison) for comparison in record.get("comparisons", [])],
            signatures=dict(record.get("signatures", {})),
            copied=dict(record.get("copied", {})),
            exposure=list(record.get("exposure", [])),
        )


def _records(figures: Mapping[str, Estimate]) -> dict[str, dict[str, Any]]:
    return {name: estimate.to_record() for name, estimate in figures.items()}


def _estimates(figures: Mapping[str, Mapping[str, Any]]) -> dict[str, Estimate]:
    return {name: Estimate(**figure) for name, figure in figures.items()}
