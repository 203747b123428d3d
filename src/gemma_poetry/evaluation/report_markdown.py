"""The Markdown report gives an evaluation to quote from and to read in a terminal.

In: a `Report`. Out: the text of `report.md`: the same figures, poems and records as the page, without its pictures.

Nothing in a poem or a title opens a tag, a table cell or a new line.
"""

from __future__ import annotations

import html
import json
from collections.abc import Sequence

from gemma_poetry.evaluation.published_results import CAVEAT
from gemma_poetry.evaluation.report import SAMPLE_TITLES, Report, copied_spans
from gemma_poetry.evaluation.report_poems import sample_titles
from gemma_poetry.evaluation.results import Results
from gemma_poetry.evaluation.table import (
    COMPARISON_HEADS,
    SYSTEM_HEADS,
    comparison_rows,
    estimate_text,
    label,
    plain_sentence,
    system_rows,
)
from gemma_poetry.languages import _, listed, localized

_BY_FORM = ("ppl_", "metre_any", "metre_every", "rhyme", "conforms")


def report_markdown(report: Report) -> str:
    """The report as Markdown."""
    results = report.results
    parts = [f"# {_cell(report.title)}"]
    if report.subtitle:
        parts.append(_cell(report.subtitle))
    parts += [f"> {_cell(record['sentence'])}" for record in results.exposure]
    parts += [localized(_("## Figures")), _table([*SYSTEM_HEADS, *results.systems], system_rows(results))]
    parts.append("\n".join(f"- {localized(note)}" for note in (*report.notes, *([CAVEAT] if report.described else []))))
    for comparison in results.comparisons:
        parts.append(
            localized(_("## {system} less {against}", system=_cell(comparison.system), against=_cell(comparison.against)))
        )
        parts.append(_table(COMPARISON_HEADS, comparison_rows(comparison)))
        parts.append(_cell(plain_sentence(results, comparison)))
    rows = _form_rows(results)
    if rows:
        parts += [localized(_("## By form")), _table([_("form"), _("metric"), *results.by_form], rows)]
    samples = sample_titles(report.generations, SAMPLE_TITLES, report.judge, report.book)
    if samples:
        parts.append(localized(_("## Poems")))
    for sample in samples:
        parts.append(f"### {_cell(sample.title)} ({_cell(sample.form)})")
        for poem in sample.poems:
            heading = " ".join(part for part in (poem.system, poem.source) if part)
            told = listed(part for part in (poem.verdict, poem.rhyme) if part)
            parts.append(f"{_cell(heading)}: {_cell(poem.text)} ({_cell(told)})")
    copied = [[one["system"], one["text"], one["source"]] for one in copied_spans(results)]
    if copied:
        parts += [localized(_("## Longest copied spans")), _table((_("system"), _("span"), _("source")), copied)]
    for heading, value in report.details.items():
        text = json.dumps(value, ensure_ascii=False, indent=2)
        parts += [f"## {_cell(heading)}", "\n".join(f"    {line}" for line in text.splitlines())]
    return "\n\n".join(parts) + "\n"


def _form_rows(results: Results) -> list[list[str]]:
    forms = dict.fromkeys(form for own in results.by_form.values() for form in own)
    rows = []
    for form in forms:
        for name in _by_form(results, form):
            figures = [own.get(form, {}).get(name) for own in results.by_form.values()]
            if any(figure is not None for figure in figures):
                cells = [estimate_text(name, figure) + (f" ({figure.n})" if figure else "") for figure in figures]
                rows.append([form, label(name), *cells])
    return rows


def _by_form(results: Results, form: str) -> list[str]:
    """The metrics that are told form by form, perplexity by character or word alone."""
    found = dict.fromkeys(name for own in results.by_form.values() for name in own.get(form, {}))
    return [name for name in found if name.startswith(_BY_FORM) and name not in ("ppl_token", "conforms_every")]


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---", *["--:"] * (len(heads) - 1)], *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    return html.escape(localized(text), quote=False).replace("|", "\\|").replace("\n", " ")
