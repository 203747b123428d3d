"""Tables print results as rows of text, in the terminal and in the reports.

In: a `Results`. Out: cells such as `12.3 [11.9, 12.8]`, metrics in a fixed order with names that people read.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gemma_poetry.evaluation.results import Comparison, Results
from gemma_poetry.evaluation.statistics import Difference, Estimate
from gemma_poetry.languages import _, listed, localized

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
    "ppl_token": MetricText(_("perplexity a token"), "lower", digits=2),
    "ppl_char": MetricText(_("perplexity a character"), "lower", digits=2),
    "log_ppl_token": MetricText(_("log perplexity a token (nats)"), "lower", digits=4),
    "log_ppl_char": MetricText(_("log perplexity a character (nats)"), "lower", digits=4),
    **{
        f"{metric}_{protocol}": MetricText(_("{label}, {given}", label=label, given=given), "higher", digits=2)
        for protocol, given in (("title", _("title → poem")), ("couplet", _("couplet → rest")))
        for metric, label in (
            ("bleu1", "BLEU-1"),
            ("bleu2", "BLEU-2"),
            ("bleu3", "BLEU-3"),
            ("bleu4", "BLEU-4"),
            ("chrf", "chrF"),
        )
    },
    "conforms": MetricText(_("form kept, some pronunciation"), "higher", percent=True),
    "conforms_every": MetricText(_("form kept, every pronunciation"), "higher", percent=True),
    "form": MetricText(_("lines and lengths kept"), "higher", percent=True),
    "tones": MetricText(_("tones kept"), "higher", percent=True),
    "rhyme": MetricText(_("rhyme kept"), "higher", percent=True),
    "metre_any": MetricText(_("metre kept, some reading"), "higher", percent=True),
    "metre_every": MetricText(_("metre kept, every reading"), "higher", percent=True),
    "parallel": MetricText(_("middle couplets answer best of ten"), "higher", percent=True),
    "parallel_classes": MetricText(_("middle couplets parallel by class"), "higher", percent=True),
    "title_first": MetricText(_("own title ranked first of ten"), "higher", percent=True),
    "title_reciprocal_rank": MetricText(_("own title, reciprocal rank"), "higher", digits=3),
    "distinct_1": MetricText(_("distinct characters"), percent=True),
    "distinct_2": MetricText(_("distinct pairs"), percent=True),
    "self_bleu": MetricText(_("self-BLEU"), digits=2),
    "copied_lines": MetricText(_("lines that the corpus has"), "lower", percent=True),
    "longest_span": MetricText(_("longest copied span (characters)"), "lower", digits=2),
    "nearest_line": MetricText(_("shared with the nearest line"), "lower", percent=True),
}


_COUNTED: tuple[tuple[str, Callable[[str], MetricText]], ...] = (
    ("log_ppl_", lambda unit: MetricText(_("log perplexity a {unit} (nats)", unit=unit), "lower", digits=4)),
    ("ppl_", lambda unit: MetricText(_("perplexity a {unit}", unit=unit), "lower", digits=2)),
    ("distinct_1_", lambda unit: MetricText(_("distinct {unit}", unit=unit), percent=True)),
    ("distinct_2_", lambda unit: MetricText(_("distinct pairs of {unit}", unit=unit), percent=True)),
    ("longest_span_", lambda unit: MetricText(_("longest copied span ({unit})", unit=unit), "lower", digits=2)),
)
"""Metrics that end in the name of what a domain counts: a word, a syllable, ..."""


def metric_text(name: str) -> MetricText:
    """How a metric is shown; an unknown one by its own name."""
    if name in METRICS:
        return METRICS[name]
    for begin, text in _COUNTED:
        if name.startswith(begin):
            return text(name.removeprefix(begin).replace("_", " "))
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
        return _("not told apart")
    better = metric_text(name).better
    if not better:
        return _("differs")
    return _("better") if (difference.value < 0) == (better == "lower") else _("worse")


_HEADLINES = ("ppl_char", "ppl_word", "bleu4", "conforms_every", "metre_every", "parallel", "title_reciprocal", "copied_lines")
"""Beginnings of the metrics that the plain sentence is about: one of each kind."""


def plain_sentence(results: Results, comparison: Comparison) -> str:
    """What one system does better and worse than another, as far as the intervals tell, in one sentence."""
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
            label = metric_text(plain).label
            told[found].append(_("{label} {before} -> {after}", label=label, before=before, after=after))
        open_ += found == "not told apart"
        judged += 1
    parts = [_("Better at {names}", names=listed(told["better"], "; "))] if told["better"] else []
    parts += [_("Worse at {names}", names=listed(told["worse"], "; "))] if told["worse"] else []
    parts += [_("Not told apart: {count} of {judged}", count=open_, judged=judged)] if open_ else []
    said = listed(parts, ". ") if parts else _("no figures")
    return _("{system} against {against}: {said}.", system=comparison.system, against=comparison.against, said=said)


SYSTEM_HEADS = (_("metric"), "n")
COMPARISON_HEADS = (_("metric"), "n", _("difference"), _("verdict"), _("wins"))


def terminal_tables(results: Results) -> list[Table]:
    """The tables that `evaluate` prints: systems side by side, then each comparison."""
    from rich.text import Text

    # An interval under its value: four systems stand side by side in eighty columns.
    stacked = [[localized(cell).replace(" [", "\n[") for cell in row] for row in system_rows(results)]
    tables = [_table(_("Value, 95% interval"), [*SYSTEM_HEADS, *results.systems], stacked)]
    for comparison in results.comparisons:
        title = _("{system} less {against}", system=comparison.system, against=comparison.against)
        table = _table(title, COMPARISON_HEADS, comparison_rows(comparison))
        table.caption, table.caption_justify = Text(localized(plain_sentence(results, comparison))), "left"
        tables.append(table)
    return tables


def _table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(title=localized(title), title_justify="left")
    for number, head in enumerate(heads):
        table.add_column(
            Text(localized(head)),
            justify="left" if number == 0 else "right",
            no_wrap=number > 0,
            ratio=1 if number == 0 else None,
        )
    for row in rows:
        # Text objects: a bracketed interval would be read as markup.
        table.add_row(*(Text(localized(cell)) for cell in row))
    return table
