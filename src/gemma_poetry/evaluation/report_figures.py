"""Figures are laid out to be looked at: where on its scale each value and interval stands.

In: a `Results`. Out: plain values for a page: groups of metrics, one bar a system; the forms; the figures in short.

    scale      0 to 100% for shares; for all others 0 to the largest end of an interval
    place      in per cent of the scale's width, so that a page of any width can draw it
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gemma_poetry.evaluation.published_results import DESCRIBED
from gemma_poetry.evaluation.references import HUMAN
from gemma_poetry.evaluation.results import Results
from gemma_poetry.evaluation.retrieval_oracle import RETRIEVAL
from gemma_poetry.evaluation.statistics import Estimate
from gemma_poetry.evaluation.table import METRICS, estimate_text, metric_names, metric_text
from gemma_poetry.languages import _

GROUPS: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    (_("Likelihood"), "困惑度", _("How well the held-out poems are foreseen."), ("ppl_token", "ppl_char")),
    (
        _("Against the poem itself"),
        "似原作",
        _("The share of n-grams that the poem to the same title holds too. For people it is small as well: look at the human."),
        ("bleu4_title", "chrf_title", "bleu4_couplet", "chrf_couplet"),
    ),
    (
        _("Form and sound"),
        "格律",
        _("Under the best choice of readings, and under every one. The human is the held-out poem: real ones break rules too."),
        ("form", "tones", "rhyme", "metre_any", "metre_every", "conforms", "conforms_every"),
    ),
    (
        _("Craft"),
        "章法",
        _("The own title among ten, and the better answer among ten: 10% by chance."),
        ("title_first", "title_reciprocal_rank", "parallel", "parallel_classes"),
    ),
    (
        _("Variety and novelty"),
        "新意",
        _("Whether one poem is written many times, and what of it the corpus has already."),
        ("distinct_1", "distinct_2", "self_bleu", "copied_lines", "longest_span", "nearest_line"),
    ),
)

_SHORT = ("ppl_char", "bleu4_title", "metre_any", "conforms", "title_first", "copied_lines")
_FORM_METRICS = (("metre_any", "metre_every"), ("conforms", "conforms_every"))
_OWN_COLOURS = {HUMAN: "human", RETRIEVAL: "retrieval", "base": "base", "tuned": "tuned"}
_COLOURS = ("tuned", "second", "third", "fourth", "fifth")


@dataclass(frozen=True, slots=True)
class Bar:
    """One system on one scale; places in per cent of its width.

    Attributes:
        system: The system.
        colour: The name of its colour.
        value: The figure, as text.
        interval: Its 95% interval, as text.
        low: Where the interval begins.
        width: How wide it is.
        place: Where the figure stands.
    """

    system: str
    colour: str
    value: str
    interval: str
    low: float
    width: float
    place: float


@dataclass(frozen=True, slots=True)
class MetricCard:
    """One metric of all systems.

    Attributes:
        label: Its name for people.
        better: `lower`, `higher`, or empty.
        poems: Poems behind it, as text.
        bars: One bar a system that has it.
        described: What the project was described with, as text; empty where nothing.
        described_place: Where that stands on the scale; `None`: outside of it, or nothing.
    """

    label: str
    better: str
    poems: str
    bars: tuple[Bar, ...]
    described: str = ""
    described_place: float | None = None


@dataclass(frozen=True, slots=True)
class MetricGroup:
    """Metrics that belong together."""

    heading: str
    chinese: str
    note: str
    cards: tuple[MetricCard, ...]


@dataclass(frozen=True, slots=True)
class FormPanel:
    """Conformity of one form.

    Attributes:
        form: 体裁 or 词牌
        poems: Poems judged, as text.
        rows: For each system the bar under some reading and the bar under every reading.
    """

    form: str
    poems: str
    rows: tuple[tuple[Bar, Bar], ...]


@dataclass(frozen=True, slots=True)
class Tile:
    """A figure in short.

    Attributes:
        label: The metric.
        better: `lower`, `higher`, or empty.
        bars: The systems, the most important first.
    """

    label: str
    better: str
    bars: tuple[Bar, ...]


def colours(results: Results) -> dict[str, str]:
    """The name of the colour of each system; what is called base, tuned, human or retrieval has its own."""
    named: dict[str, str] = {}
    for system in results.systems:
        taken = sum(other not in _OWN_COLOURS and not other.startswith("base ") for other in named)
        own = "base" if system.startswith("base ") else _COLOURS[taken % len(_COLOURS)]
        named[system] = _OWN_COLOURS.get(system, own)
    return named


def metric_groups(results: Results, *, described: bool = True) -> list[MetricGroup]:
    """The metrics that some system has, in groups."""
    found = []
    for heading, chinese, note, names in GROUPS:
        cards = tuple(_card(name, results, described) for name in _present(names, results))
        if cards:
            found.append(MetricGroup(heading, chinese, note, cards))
    return found


def _present(names: Sequence[str], results: Results) -> list[str]:
    """The metrics of a list that some system has; one that counts another unit (ppl_word) stands with its like."""
    found = [(own, own in METRICS) for own in metric_names(results)]
    begins = {name: name.removesuffix("_char") + "_" for name in names}
    return [own for name in names for own, known in found if own == name or (not known and own.startswith(begins[name]))]


def tiles(results: Results) -> list[Tile]:
    """The figures in short: models first, then people."""
    order = [*(name for name in results.systems if name not in (HUMAN, RETRIEVAL, "base")), "base", HUMAN]
    found = []
    for name in _present(_SHORT, results):
        bars = {
            bar.system: bar for bar in _bars(name, {system: own.get(name) for system, own in results.systems.items()}, results)
        }
        chosen = tuple(bars[system] for system in order if system in bars)
        if chosen:
            found.append(Tile(metric_text(name).label, metric_text(name).better, chosen))
    return found


def form_panels(results: Results) -> list[FormPanel]:
    """Conformity by form: forms that can be judged, the most frequent first."""
    found = []
    forms = dict.fromkeys(form for own in results.by_form.values() for form in own)
    for form in forms:
        figures = {system: own.get(form, {}) for system, own in results.by_form.items()}
        for names in _FORM_METRICS:
            some, every = (_bars(name, {system: own.get(name) for system, own in figures.items()}, results) for name in names)
            counts = [own[names[0]].n for own in figures.values() if names[0] in own]
            if some and len(some) == len(every):
                found.append((max(counts), FormPanel(form, _counted(counts), tuple(zip(some, every)))))
    return [panel for _, panel in sorted(found, key=lambda pair: -pair[0])]


def _card(name: str, results: Results, wanted: bool) -> MetricCard:
    figures = {system: own.get(name) for system, own in results.systems.items()}
    shown = metric_text(name)
    bars = _bars(name, figures, results)
    counts = [figure.n for figure in figures.values() if figure is not None]
    described = next((one for one in DESCRIBED if wanted and name in one.metrics), None)
    if described is None:
        return MetricCard(shown.label, shown.better, _counted(counts), bars)
    place = 100 * described.value / _top(name, figures)
    return MetricCard(
        shown.label, shown.better, _counted(counts), bars, f"{described.value:g}", place if place <= 100 else None
    )


def _counted(counts: Sequence[int]) -> str:
    return "–".join(map(str, sorted({min(counts), max(counts)}))) if counts else ""


def _top(name: str, figures: Mapping[str, Estimate | None]) -> float:
    """The end of the scale."""
    if metric_text(name).percent:
        return 1.0
    ends = [
        end for figure in figures.values() if figure is not None for end in (figure.value, figure.high) if math.isfinite(end)
    ]
    described = [one.value for one in DESCRIBED if name in one.metrics]
    return 1.05 * max([*ends, *described], default=0.0) or 1.0


def _bars(name: str, figures: Mapping[str, Estimate | None], results: Results) -> tuple[Bar, ...]:
    top, named = _top(name, figures), colours(results)
    bars = []
    for system, figure in figures.items():
        if figure is None or not math.isfinite(figure.value):
            continue
        value, _unused, interval = estimate_text(name, figure).partition(" ")
        low, high, place = (
            100 * min(max(end if math.isfinite(end) else figure.value, 0.0), top) / top
            for end in (figure.low, figure.high, figure.value)
        )
        bars.append(
            Bar(system, named.get(system, "second"), value, interval, round(low, 2), round(high - low, 2), round(place, 2))
        )
    return tuple(bars)
