"""Tables print results as rows of text, in the terminal and in the reports.

In: a `Results`. Out: cells such as `12.3 [11.9, 12.8]`, metrics in a fixed order with names that people read.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gemma_poetry.evaluation.results import Comparison, Results
from gemma_poetry.evaluation.statistics import Difference, Estimate

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True, slots=True)
class MetricText:
    """How a metric is shown.

    Attributes:
        label: Its name for people.
        better: `lower`, `higher`, or empty where neither is.
        percent: Whether it is a share, shown in per cent.
        digits: Digits behind the point.
    """

    label: str
    better: str = ""
    percent: bool = False
    digits: int = 1


METRICS: dict[str, MetricText] = {
    "ppl_token": MetricText("perplexity a token", "lower", digits=2),
    "ppl_char": MetricText("perplexity a character", "lower", digits=2),
    "log_ppl_token": MetricText("log perplexity a token (nats)", "lower", digits=4),
    "log_ppl_char": MetricText("log perplexity a character (nats)", "lower", digits=4),
    **{
        f"{metric}_{protocol}": MetricText(f"{label}, {given}", "higher", digits=2)
        for protocol, given in (("title", "title → poem"), ("couplet", "couplet → rest"))
        for metric, label in (
            ("bleu1", "BLEU-1"),
            ("bleu2", "BLEU-2"),
            ("bleu3", "BLEU-3"),
            ("bleu4", "BLEU-4"),
            ("chrf", "chrF"),
        )
    },
    "conforms": MetricText("form kept, some pronunciation", "higher", percent=True),
    "conforms_every": MetricText("form kept, every pronunciation", "higher", percent=True),
    "form": MetricText("lines and lengths kept", "higher", percent=True),
    "tones": MetricText("tones kept", "higher", percent=True),
    "rhyme": MetricText("rhyme kept", "higher", percent=True),
    "metre_any": MetricText("metre kept, some reading", "higher", percent=True),
    "metre_every": MetricText("metre kept, every reading", "higher", percent=True),
    "parallel": MetricText("middle couplets answer best of ten", "higher", percent=True),
    "parallel_classes": MetricText("middle couplets parallel by class", "higher", percent=True),
    "title_first": MetricText("own title ranked first of ten", "higher", percent=True),
    "title_reciprocal_rank": MetricText("own title, reciprocal rank", "higher", digits=3),
    "distinct_1": MetricText("distinct characters", percent=True),
    "distinct_2": MetricText("distinct pairs", percent=True),
    "self_bleu": MetricText("self-BLEU", digits=2),
    "copied_lines": MetricText("lines that the corpus has", "lower", percent=True),
    "longest_span": MetricText("longest copied span (characters)", "lower", digits=2),
    "nearest_line": MetricText("shared with the nearest line", "lower", percent=True),
}


_COUNTED = (
    ("log_ppl_", MetricText("log perplexity a {} (nats)", "lower", digits=4)),
    ("ppl_", MetricText("perplexity a {}", "lower", digits=2)),
    ("distinct_1_", MetricText("distinct {}", percent=True)),
    ("distinct_2_", MetricText("distinct pairs of {}", percent=True)),
    ("longest_span_", MetricText("longest copied span ({})", "lower", digits=2)),
)
"""Metrics that end in the name of what a domain counts: a word, a syllable, ..."""


def metric_text(name: str) -> MetricText:
    """How a metric is shown; an unknown one by its own name."""
    if name in METRICS:
        return METRICS[name]
    for begin, text in _COUNTED:
        if name.startswith(begin):
            return replace(text, label=text.label.format(name.removeprefix(begin).replace("_", " ")))
    return MetricText(name)


def metric_place(name: str) -> int:
    """Where a metric stands among all: in the order of `METRICS`, one that counts another unit beside its like."""
    alike = [name, *(begin.removesuffix("_") for begin, _ in _COUNTED if name.startswith(begin))]
    return next((place for own in alike for place, known in enumerate(METRICS) if known.startswith(own)), len(METRICS))


def estimate_text(name: str, figure: Estimate | Difference | None, *, signed: bool = False) -> str:
    """A figure with its interval; a dash where there is none."""
    if figure is None or math.isnan(figure.value):
        return "—"
    shown = metric_text(name)
    scale, digits = (100.0, 1) if shown.percent else (1.0, shown.digits)
    sign = "+" if signed else ""
    value, low, high = (f"{number * scale:{sign}.{digits}f}" for number in (figure.value, figure.low, figure.high))
    return f"{value}{'%' if shown.percent else ''} [{low}, {high}]"


def label(name: str) -> str:
    """The name of a metric, with the direction that is better."""
    shown = metric_text(name)
    return shown.label + {"lower": " ↓", "higher": " ↑", "": ""}[shown.better]


def metric_names(results: Results) -> list[str]:
    """The metrics that some system has, in the order of `METRICS`, unknown ones last."""
    present = dict.fromkeys(name for figures in results.systems.values() for name in figures)
    return sorted(present, key=metric_place)


def system_rows(results: Results) -> list[list[str]]:
    """One row a metric: its label, n, and one cell a system. The systems stand in the order of `results.systems`."""
    rows = []
    for name in metric_names(results):
        figures = [own.get(name) for own in results.systems.values()]
        counts = sorted({figure.n for figure in figures if figure is not None})
        rows.append(
            [
                label(name),
                "–".join(map(str, counts[:1] + counts[1:][-1:])),
                *(estimate_text(name, figure) for figure in figures),
            ]
        )
    return rows


def comparison_rows(comparison: Comparison) -> list[list[str]]:
    """One row a metric: label, n, difference, what the interval says, win rate."""
    rows = []
    for name, difference in comparison.differences.items():
        wins = comparison.win_rates.get(name)
        rate = f"{100 * wins.value:.0f}% [{100 * wins.low:.0f}, {100 * wins.high:.0f}]" if wins else "—"
        rows.append(
            [label(name), str(difference.n), estimate_text(name, difference, signed=True), verdict(name, difference), rate]
        )
    return rows


def verdict(name: str, difference: Difference) -> str:
    """What the interval of a difference says."""
    if not difference.excludes_zero:
        return "not told apart"
    better = metric_text(name).better
    if not better:
        return "differs"
    return "better" if (difference.value < 0) == (better == "lower") else "worse"


_HEADLINES = ("ppl_char", "ppl_word", "bleu4", "conforms_every", "metre_every", "parallel", "title_reciprocal", "copied_lines")
"""Beginnings of the metrics that the plain sentence is about: one of each kind."""


def plain_sentence(results: Results, comparison: Comparison) -> str:
    """What one system does better and worse than another, as far as the intervals tell, in one sentence.

    Args:
        results: The figures of both.
        comparison: What is compared.
    """
    ours, theirs = (results.systems.get(name, {}) for name in (comparison.system, comparison.against))
    told: dict[str, list[str]] = {"better": [], "worse": []}
    open_ = judged = 0
    for name, difference in comparison.differences.items():
        plain = name.removeprefix("log_")
        if not plain.startswith(_HEADLINES):
            continue
        found = verdict(name, difference)
        if found in told and plain in ours and plain in theirs:
            before, after = (estimate_text(plain, own[plain]).split(" [")[0] for own in (theirs, ours))
            told[found].append(f"{metric_text(plain).label} {before} -> {after}")
        open_ += found == "not told apart"
        judged += 1
    parts = [f"{found.capitalize()} at {'; '.join(names)}" for found, names in told.items() if names]
    parts += [f"Not told apart: {open_} of {judged}"] if open_ else []
    return f"{comparison.system} against {comparison.against}: {'. '.join(parts) or 'no figures'}."


SYSTEM_HEADS = ("metric", "n")
COMPARISON_HEADS = ("metric", "n", "difference", "verdict", "wins")


def terminal_tables(results: Results) -> list[Table]:
    """The tables that `evaluate` prints: systems side by side, then each comparison."""
    from rich.text import Text

    # An interval under its value: four systems stand side by side in eighty columns.
    stacked = [[cell.replace(" [", "\n[") for cell in row] for row in system_rows(results)]
    tables = [_table("Value, 95% interval", [*SYSTEM_HEADS, *results.systems], stacked)]
    for comparison in results.comparisons:
        title = f"{comparison.system} less {comparison.against}"
        table = _table(title, COMPARISON_HEADS, comparison_rows(comparison))
        table.caption, table.caption_justify = Text(plain_sentence(results, comparison)), "left"
        tables.append(table)
    return tables


def _table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left")
    for number, head in enumerate(heads):
        table.add_column(
            Text(head), justify="left" if number == 0 else "right", no_wrap=number > 0, ratio=1 if number == 0 else None
        )
    for row in rows:
        # Text objects: a bracketed interval would be read as markup.
        table.add_row(*map(Text, row))
    return table
