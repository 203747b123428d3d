"""The page that checks a poem: its verdict, and each fault shown where it stands.

In: a pasted text, the form it is to be read as. Out: `ScansionResult`s, and HTML of them.
"""

from __future__ import annotations

from collections.abc import Sequence

from gemma_poetry.languages import localized
from gemma_poetry.prosody.check_result import ScansionResult
from gemma_poetry.prosody.findings import Fault, Scansion
from gemma_poetry.prosody.forms import alternating_marks
from gemma_poetry.studio.texts import Language, complaint, say
from gemma_poetry.studio.verse import Layout, Verse, escape, legend_html, verdict_html, verse_html
from gemma_poetry.studio.workshop import Workshop

AUTO = "auto"


def check_text(
    workshop: Workshop, text: str, form: str, visitor: str, language: Language, book: str = ""
) -> tuple[ScansionResult, ...]:
    """Reads what was pasted, by a rhyme book; by the usual one where none is named.

    Raises:
        GemmaPoetryError: It is empty, too long, or no poem; or the form is not known.
    """
    workshop.limits.check_size(language, text, form)
    if not text.strip():
        raise complaint("nothing_pasted", language)
    workshop.line.count(visitor, language)
    return tuple(workshop.checker(text, form.strip() or AUTO, book=book))


def checked_html(poems: Sequence[ScansionResult], layout: Layout, language: Language) -> str:
    """The poems as they were read."""
    items = {"rhyme", *(("level", "oblique", "open") if layout.tones else ())}
    parts = []
    for poem in poems:
        scansion = poem.scansion
        items |= {name for name, found in (("fault", scansion.faults), ("licence", scansion.licences)) if found}
        marks = _marks(scansion)
        verse = Verse(scansion.lines, marks, poem.title, (poem.author,), scansion)
        body = verse_html(verse, layout, language) + verdict_html(scansion, language) + _findings(poem, language)
        parts.append(f'<section class="checked">{body}</section>')
    return "".join(parts) + legend_html(language, items)


def _marks(scansion: Scansion) -> str:
    from gemma_poetry.prosody.tunes import find_tune

    tune = find_tune(scansion.form)
    for variant in tune.variants if tune else ():
        if variant.form.line_lengths == tuple(map(len, scansion.lines)):
            return variant.form.marks
    return alternating_marks(len(scansion.lines))


def _findings(poem: ScansionResult, language: Language) -> str:
    scansion = poem.scansion
    parts = []
    if scansion.faults:
        rows = []
        for number, fault in enumerate(scansion.faults):
            mends = _mends(poem, number, language)
            rows.append(f"<li>{_finding(scansion, fault, 'expected_found', language)}{mends}</li>")
        parts.append(f"<h4>{escape(say('faults', language))}</h4><ol class='findings faults'>{''.join(rows)}</ol>")
    elif scansion.verdict.passes:
        parts.append(f"<p class='clean'>{escape(say('no_faults', language))}</p>")
    if scansion.licences:
        rows = [f"<li>{_finding(scansion, licence, 'usual_found', language)}</li>" for licence in scansion.licences]
        parts.append(f"<h4>{escape(say('licences', language))}</h4><ol class='findings licences'>{''.join(rows)}</ol>")
    remarks = [say("unknown", language, spot=_spot(scansion, line, place, language)) for line, place, _ in scansion.unknown]
    remarks += [say("passes_by", language, title=book.title) for book in scansion.passing_books]
    remarks += [localized(remark, language) for remark in scansion.remarks]
    if remarks:
        rows = [f"<li>{escape(remark)}</li>" for remark in remarks]
        parts.append(f"<h4>{escape(say('remarks', language))}</h4><ul class='findings'>{''.join(rows)}</ul>")
    return "".join(parts)


def _finding(scansion: Scansion, fault: Fault, key: str, language: Language) -> str:
    rule = fault.rule.chinese if language == "zh" else f"{fault.rule.chinese} {fault.rule.english}"
    found = say(key, language, expected=fault.expected, actual=fault.actual)
    return f"<strong>{escape(rule)}</strong> {escape(_spot(scansion, fault.line, fault.position, language))} — {escape(found)}"


def _spot(scansion: Scansion, line: int, position: int, language: Language) -> str:
    if position and line <= len(scansion.lines) and position <= len(scansion.lines[line - 1]):
        return say("spot", language, line=line, position=position, char=scansion.lines[line - 1][position - 1])
    return say("spot_line", language, line=line)


def _mends(poem: ScansionResult, number: int, language: Language) -> str:
    if number >= len(poem.mends):
        return ""
    mend = poem.mends[number]
    texts = [
        say("mend", language, line=found.line, position=found.position, characters=" ".join(found.characters))
        for found in mend.alternatives
    ]
    if mend.advice:
        texts.append(say("mend_advice", language, advice=localized(mend.advice, language)))
    return "".join(f"<span class='mend'>{escape(text)}</span>" for text in texts)
