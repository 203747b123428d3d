"""The report shows an evaluation in one HTML file that needs no network.

    Results ──report_figures──> bars on scales ──┐
    writings ──report_poems──> marked poems ─────┼── assets/report/report.html ──> report.html
    curve ──curves──> SVG ───────────────────────┘   (Jinja2, everything escaped)

In: a `Report` (results, curves, sample poems, recipe and manifest). Out: the page, without scripts and outside files.

Everything that comes from outside (titles, poems, paths) is escaped by the template engine: a stranger's poem is text,
whatever it holds.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import TYPE_CHECKING, Any

from gemma_poetry.evaluation.conformity import Judge
from gemma_poetry.evaluation.curves import Point, curves_svg
from gemma_poetry.evaluation.published_results import CAVEAT, DESCRIBED
from gemma_poetry.evaluation.records import Generation
from gemma_poetry.evaluation.report_figures import colours, form_panels, metric_groups, tiles
from gemma_poetry.evaluation.report_poems import REFERENCE, SamplePoem, sample_titles
from gemma_poetry.evaluation.results import Results
from gemma_poetry.evaluation.table import COMPARISON_HEADS, SYSTEM_HEADS, comparison_rows, plain_sentence, system_rows
from gemma_poetry.languages import Message, _, localized, session_language

if TYPE_CHECKING:
    from jinja2 import Environment

SAMPLE_TITLES = 6
COPIED_SPANS = 3
_ALWAYS_NOTED = (
    _(
        "Intervals are 95% bootstrap intervals over poems, near-duplicates drawn together; those "
        "of distinct characters and pairs come from leaving out one poem at a time."
    ),
    _("n counts the poems that a figure can judge: a poem in a form without known rules is in no figure of metre."),
)
NOTES = (
    *_ALWAYS_NOTED,
    _(
        "The human of BLEU and chrF is another poet's poem to the same or the "
        "nearest title; in all other rows it is the held-out poem itself."
    ),
    _("Retrieval is the poem of the corpus that scores best against the reference: a ceiling for copying, not a system."),
    _("BLEU and chrF count Han characters; closing marks follow from the form and are left out."),
    _(
        "Lines and lengths: both are given to a model when it writes, so that BLEU compares words and not "
        "lengths. Tones and rhyme are left to the model here; `generate` guarantees them."
    ),
)
TEXT_NOTES = (
    *_ALWAYS_NOTED,
    _("The human of chrF is another text to the same or the nearest title; in all other rows it is the held-out text itself."),
    _("Copied spans and distinct n-grams count what the name of the figure says; the corpus is that of the other splits."),
    _("Where the domain says what words cost, counted lines, rhyme and metre are kept by construction, whatever the model."),
)
"""The notes of a report on another domain than classical Chinese."""

_ASSETS = "assets/report"


@dataclass(frozen=True, slots=True)
class Report:
    """What a report shows.

    Attributes:
        title: Its heading.
        results: The figures.
        generations: The poems that samples are taken from.
        curves: Points of training curves, by run; may be empty.
        details: What else belongs on record, by heading: the evaluation's settings, the run's manifest.
        subtitle: What was judged on what, in a sentence.
        judge: The check of another domain than classical Chinese, by which samples are shown; `None`: tones and rhymes.
        book: The rhyme book that these are by; empty: the usual one.
    """

    title: str
    results: Results
    generations: Sequence[Generation] = ()
    curves: Mapping[str, Sequence[Point]] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)
    subtitle: str = ""
    judge: Judge | None = None
    book: str = ""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know of the figures."""
        return NOTES if self.judge is None else TEXT_NOTES

    @property
    def described(self) -> bool:
        """Whether the results that the project was described with belong beside these: they are of Chinese poems."""
        return self.judge is None and any("ppl_token" in own or "bleu4_title" in own for own in self.results.systems.values())


def report_html(report: Report) -> str:
    """The report as one HTML page."""
    from markupsafe import Markup

    results = report.results
    page: str = (
        _environment()
        .get_template("report.html")
        .render(
            report=report,
            # Ours, not a stranger's: the style sheet, and the pictures that matplotlib draws of numbers.
            style=Markup(_asset("poems.css") + _asset("report.css")),
            curves={
                name: [Markup(picture) for picture in curves_svg(points)] for name, points in report.curves.items() if points
            },
            tiles=tiles(results),
            groups=metric_groups(results, described=report.described),
            forms=form_panels(results),
            colours=colours(results),
            system_heads=[*SYSTEM_HEADS, *results.systems],
            system_rows=system_rows(results),
            comparison_heads=COMPARISON_HEADS,
            comparisons=[(one, comparison_rows(one), plain_sentence(results, one)) for one in results.comparisons],
            samples=sample_titles(report.generations, SAMPLE_TITLES, report.judge, report.book),
            in_columns=report.judge is None,
            reference=REFERENCE,
            copied=copied_spans(results),
            described=DESCRIBED if report.described else (),
            caveat=CAVEAT,
            notes=report.notes,
            details={heading: record_groups(value) for heading, value in report.details.items()},
        )
    )
    return page


def poems_html(poems: Sequence[SamplePoem]) -> str:
    """Poems in vertical columns, as the report sets them: a piece of a page, for a notebook."""
    from markupsafe import Markup

    figure = _environment().get_template("poem.html")
    figures = Markup("").join(Markup(figure.render(poem=poem, colour="tuned")) for poem in poems)
    return f'<style>{_asset("poems.css")}</style><div class="poems">{figures}</div>'


@functools.cache
def _environment() -> Environment:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        loader=FunctionLoader(_asset), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    # A message stands in the page in the reader's language; so does every text of the template itself, `{{ _("...") }}`.
    environment.finalize = lambda value: localized(value) if isinstance(value, Message) else value
    environment.globals |= {"_": _, "page_language": session_language}
    return environment


def _asset(name: str) -> str:
    return resources.files("gemma_poetry").joinpath(_ASSETS, name).read_text(encoding="utf-8")


def copied_spans(results: Results) -> list[dict[str, Any]]:
    """The longest shared spans of each system, three each: the span, the line around it, where the corpus has it."""
    spans = []
    for system, examples in results.copied.items():
        for example in examples[:COPIED_SPANS]:
            if example["span"]:
                span, text = example["span"], "".join(example["lines"])
                begin = text.find(span["text"])
                around = (
                    begin >= 0
                )  # Words are compared in small letters, without marks: such a run may stand nowhere as it is.
                near = max(example.get("nearest", []), key=lambda one: one["shared"] / len(one["line"]), default=None)
                spans.append(
                    {
                        "system": system,
                        "text": span["text"],
                        "length": span.get("length", len(span["text"])),
                        "before": text[max(0, begin - 4) : begin] if around else "",
                        "after": text[begin + len(span["text"]) :][:4] if around else "",
                        "source": _source(span),
                        "nearest": near and {**near, "source": _source(near)},
                    }
                )
    return spans


def _source(found: Mapping[str, Any]) -> str:
    """Author and title of a poem of the corpus, else its place there."""
    title = f"《{found['title']}》" if found["title"] else ""
    return f"{found['author']}{title}" or str(found["source_id"])


def record_groups(record: Any) -> dict[str, list[tuple[str, str]]]:
    """A JSON record as rows (name, value), in groups by its first level; scalars of the first level stand in group ''."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for name, value in record.items() if isinstance(record, Mapping) else [("", record)]:
        rows = list(_flat(value, ""))
        if len(rows) == 1 and not rows[0][0]:
            groups.setdefault("", []).append((name, rows[0][1]))
        elif rows:
            groups[name] = rows
    return groups


def _flat(value: Any, name: str) -> list[tuple[str, str]]:
    if isinstance(value, Mapping):
        return [row for key, inner in value.items() for row in _flat(inner, f"{name}.{key}" if name else str(key))]
    if isinstance(value, (list, tuple)):
        return [(name, "  ".join(map(str, value)) or "—")]
    return [(name, f"{value:g}" if isinstance(value, float) else "—" if value in (None, "") else str(value))]
