"""The report of an evaluation: one HTML file that needs no network, and the same in Markdown.

In: a `Report` (results, curves, sample poems, recipe and manifest). Out: `report.html` to look at, `report.md` to quote.

Everything that comes from outside (titles, poems, paths) is escaped: a stranger's poem is text, whatever it holds.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gemma_poetry.errors import TextError, UnknownFormError
from gemma_poetry.evaluation.curves import Point, curves_svg
from gemma_poetry.evaluation.records import Protocol, Writing
from gemma_poetry.evaluation.results import Results
from gemma_poetry.evaluation.table import (
    COMPARISON_HEADS,
    SYSTEM_HEADS,
    comparison_rows,
    estimate_text,
    label,
    system_rows,
)

_SAMPLE_TITLES = 6
_BY_FORM = ("ppl_char", "metre_any", "metre_every", "rhyme")
_NOTES = (
    "Intervals are 95% bootstrap intervals over poems, near-duplicates drawn together; those of distinct characters and"
    " pairs come from leaving out one poem at a time.",
    "The human of BLEU and chrF is another poet's poem to the same or the nearest title; in all other rows it is the held-out"
    " poem itself.",
    "Retrieval is the poem of the corpus that scores best against the reference: a ceiling for copying, not a system.",
    "BLEU and chrF count Han characters; closing marks follow from the form and are left out.",
)
_STYLE = """
body { font-family: "Noto Serif CJK SC", "Source Han Serif SC", "Songti SC", SimSun, Georgia, serif; max-width: 70rem;
  margin: 2rem auto; padding: 0 1rem; color: #222; background: #fdfcf9; line-height: 1.5 }
h1, h2 { font-weight: 600 } h2 { border-bottom: 1px solid #d8d2c4; margin-top: 2.5rem }
.wide { overflow-x: auto } table { border-collapse: collapse; font-size: .92rem; font-variant-numeric: tabular-nums }
th, td { padding: .25rem .7rem; text-align: right; border-bottom: 1px solid #e8e3d8; white-space: nowrap }
th:first-child, td:first-child { text-align: left } td.better { color: #18641f } td.worse { color: #9b1c1c }
svg { max-width: 100%; height: auto } .poems { display: flex; flex-wrap: wrap; gap: 1.2rem }
figure { margin: 0; padding: .8rem; background: #fff; border: 1px solid #e8e3d8; border-radius: 4px }
figcaption { font-size: .85rem; color: #666; max-width: 14rem }
.poem { writing-mode: vertical-rl; font-size: 1.25rem; letter-spacing: .12em; max-height: 22rem }
.poem p { margin: 0 .35rem } ruby rt { font-size: .5em; color: #8a7d5c; letter-spacing: 0 }
pre { background: #f4f1ea; padding: .8rem; overflow-x: auto; font-size: .82rem } .note { color: #555; font-size: .88rem }
"""


@dataclass(frozen=True, slots=True)
class Report:
    """What a report shows.

    Attributes:
        title: Its heading.
        results: The figures.
        writings: The poems that samples are taken from.
        curve: Points of the training curve; may be empty.
        details: What else belongs on record, by heading: the evaluation's settings, the run's manifest.
    """

    title: str
    results: Results
    writings: Sequence[Writing] = ()
    curve: Sequence[Point] = ()
    details: Mapping[str, Any] = field(default_factory=dict)


def report_html(report: Report) -> str:
    """The report as one HTML page without scripts and outside files."""
    results = report.results
    parts = [f"<h1>{_text(report.title)}</h1>", "<h2>Figures</h2>"]
    parts.append(_html_table([*SYSTEM_HEADS, *results.systems], system_rows(results)))
    parts += [f'<p class="note">{_text(note)}</p>' for note in _NOTES]
    for comparison in results.comparisons:
        parts.append(f"<h2>{_text(comparison.system)} less {_text(comparison.against)}</h2>")
        parts.append(_html_table(COMPARISON_HEADS, comparison_rows(comparison)))
    rows = _form_rows(results)
    if rows:
        parts += ["<h2>By form</h2>", _html_table(_form_heads(results), rows)]
    if report.curve:
        parts += ["<h2>Training</h2>", curves_svg(report.curve)]
    samples = _samples(report.writings)
    if samples:
        parts += ["<h2>Poems</h2>", *(_html_poems(title, poems) for title, poems in samples)]
    copied = _copied_rows(results)
    if copied:
        parts += ["<h2>Longest copied spans</h2>", _html_table(_COPIED_HEADS, copied)]
    for heading, value in report.details.items():
        parts += [f"<h2>{_text(heading)}</h2>", f"<pre>{_text(_json(value))}</pre>"]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_text(report.title)}</title><style>{_STYLE}</style></head><body>\n" + "\n".join(parts) + "\n</body></html>\n"
    )


def report_markdown(report: Report) -> str:
    """The report as Markdown, without the pictures."""
    results = report.results
    parts = [f"# {_cell(report.title)}", "## Figures", _markdown_table([*SYSTEM_HEADS, *results.systems], system_rows(results))]
    parts.append("\n".join(f"- {note}" for note in _NOTES))
    for comparison in results.comparisons:
        parts.append(f"## {_cell(comparison.system)} less {_cell(comparison.against)}")
        parts.append(_markdown_table(COMPARISON_HEADS, comparison_rows(comparison)))
    rows = _form_rows(results)
    if rows:
        parts += ["## By form", _markdown_table(_form_heads(results), rows)]
    samples = _samples(report.writings)
    if samples:
        parts.append("## Poems")
    for title, poems in samples:
        parts.append(f"### {_cell(title)}")
        parts += [f"{_cell(poem.system)}: {_cell(_running_text(poem))}" for poem in poems]
    copied = _copied_rows(results)
    if copied:
        parts += ["## Longest copied spans", _markdown_table(_COPIED_HEADS, copied)]
    for heading, value in report.details.items():
        parts += [f"## {_cell(heading)}", "\n".join(f"    {line}" for line in _json(value).splitlines())]
    return "\n\n".join(parts) + "\n"


def _samples(writings: Sequence[Writing]) -> list[tuple[str, list[Writing]]]:
    """Some titles, each with what every system wrote to it and the held-out poem."""
    by_poem: dict[str, list[Writing]] = {}
    for writing in writings:
        if writing.protocol is Protocol.TITLE:
            by_poem.setdefault(writing.source_id, []).append(writing)
    fullest = sorted(by_poem.values(), key=lambda poems: -len(poems))
    return [(f"{poems[0].title} ({poems[0].form})", poems) for poems in fullest[:_SAMPLE_TITLES]]


def _running_text(writing: Writing) -> str:
    return "".join(map("".join, zip(writing.lines, writing.marks)))


def _form_heads(results: Results) -> list[str]:
    return ["form", "metric", *results.by_form]


def _form_rows(results: Results) -> list[list[str]]:
    forms = dict.fromkeys(form for own in results.by_form.values() for form in own)
    rows = []
    for form in forms:
        for name in _BY_FORM:
            figures = [own.get(form, {}).get(name) for own in results.by_form.values()]
            if any(figure is not None for figure in figures):
                cells = [estimate_text(name, figure) + (f" ({figure.n})" if figure else "") for figure in figures]
                rows.append([form, label(name), *cells])
    return rows


_COPIED_HEADS = ("system", "span", "source")


def _copied_rows(results: Results) -> list[list[str]]:
    return [
        [system, example["span"]["text"], f"{example['span']['author']}《{example['span']['title']}》"]
        for system, examples in results.copied.items()
        for example in examples
        if example["span"]
    ]


def _html_poems(title: str, poems: Iterable[Writing]) -> str:
    return f'<h3>{_text(title)}</h3><div class="poems">{"".join(map(_html_poem, poems))}</div>'


def _html_poem(writing: Writing) -> str:
    """A poem in vertical columns, the tones beside its characters."""
    columns = []
    for line, mark, tones in zip(writing.lines, writing.marks, _tones(writing)):
        ruby = "".join(f"<ruby>{_text(char)}<rt>{_text(tone)}</rt></ruby>" for char, tone in zip(line, tones))
        columns.append(f"<p>{ruby}{_text(mark)}</p>")
    source = writing.origin.get("title", "")
    caption = _text(writing.system) + (f": {_text(writing.origin.get('author', ''))}《{_text(source)}》" if source else "")
    return f'<figure><div class="poem">{"".join(columns)}</div><figcaption>{caption}</figcaption></figure>'


def _tones(writing: Writing) -> list[list[str]]:
    """The tone of each character: 平, 仄, 通 for both; blank where the poem cannot be read."""
    from gemma_poetry.prosody.scansion import scan_auto

    try:
        places = scan_auto(writing.lines).places
    except (TextError, UnknownFormError):
        return [[""] * len(line) for line in writing.lines]
    return [["通" if len(place.tones) > 1 else place.tones for place in line] for line in places]


def _html_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{_text(cell)}</th>" for cell in heads)
    body = "".join(f"<tr>{''.join(map(_html_cell, row))}</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _html_cell(cell: str) -> str:
    marked = f' class="{cell}"' if cell in ("better", "worse") else ""
    return f"<td{marked}>{_text(cell)}</td>"


def _markdown_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---", *["--:"] * (len(heads) - 1)], *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _text(value: object) -> str:
    return html.escape(str(value))


def _cell(text: str) -> str:
    """Text for Markdown: nothing in it opens a tag, a table cell or a new line."""
    return html.escape(text, quote=False).replace("|", "\\|").replace("\n", " ")


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)
