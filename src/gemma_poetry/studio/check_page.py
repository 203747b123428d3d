"""The page that checks a poet's own poem: its verdict, each fault where it stands with its rule, and what would mend it.

In: a pasted text, the form it is to be read as, taps on characters. Out: `Checked`, immutable, and HTML of it.

    text ──check_text──> ScansionResults ──tap──offer_mends──> characters, ranked by a model ──take_mend──> judged again
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from gemma_poetry.corpus.poem import Poem
from gemma_poetry.prosody.check_result import ScansionResult
from gemma_poetry.prosody.findings import Fault, Scansion
from gemma_poetry.prosody.forms import FULL_STOP, alternating_marks
from gemma_poetry.prosody.interpretation import is_traditional
from gemma_poetry.prosody.mending import scan_again
from gemma_poetry.prosody.rules import Rule
from gemma_poetry.prosody.tunes import find_tune
from gemma_poetry.studio.draft_page import plain_html, ranked_html
from gemma_poetry.studio.in_chinese import translated
from gemma_poetry.studio.rule_texts import explanation
from gemma_poetry.studio.texts import Language, complaint, say
from gemma_poetry.studio.verse import Layout, Spot, Verse, escape, legend_html, verdict_html, verse_html
from gemma_poetry.studio.workshop import Progress, Workshop

if TYPE_CHECKING:
    from gemma_poetry.generation.alternatives import Alternative

AUTO = "auto"


def check_text(workshop: Workshop, text: str, form: str, visitor: str, language: Language) -> tuple[ScansionResult, ...]:
    """Reads what was pasted.

    Raises:
        GemmaPoetryError: It is empty, too long, or no poem; or the form is not known.
    """
    workshop.limits.check_size(language, text, form)
    if not text.strip():
        raise complaint("nothing_pasted", language)
    workshop.line.count(visitor, language)
    return tuple(workshop.checker(text, form.strip() or AUTO))


@dataclass(frozen=True, slots=True)
class Checked:
    """Poems as they were read, and the place that is being mended.

    Attributes:
        poems: The poems.
        form: The form that they are read as, or `auto`.
        chosen: The poem (from 0) and the place that alternatives are shown for.
        options: The alternatives.
    """

    poems: tuple[ScansionResult, ...] = ()
    form: str = AUTO
    chosen: tuple[int, Spot] | None = None
    options: tuple[Alternative, ...] = ()

    @property
    def text(self) -> str:
        """The poems as a person would paste them."""
        return "\n\n".join(map(_text_of, self.poems))


def offer_mends(
    workshop: Workshop, checked: Checked, place: object, model: str, visitor: str, language: Language
) -> Iterator[Progress | Checked]:
    """Finds what else could stand in a place: without a new fault there, and without the one that it has.

    Raises:
        GemmaPoetryError: There is no such place, no such model, or the visitor must wait.
    """
    from gemma_poetry.generation.alternatives import replacements

    number, (line, position) = _place_of(checked, place, language)
    scansion = checked.poems[number].scansion
    workshop.check_model(model, language)

    def admits(poem: Poem) -> bool:
        before = {(one.rule, one.line, one.position) for one in scansion.faults}
        after = {(one.rule, one.line, one.position) for one in scan_again(scansion, poem.lines).faults}
        here = any(one.line == line and one.position in (0, position) for one in scansion.faults)
        return after < before if here else after <= before

    poem = _poem_of(checked.poems[number])
    ticket = workshop.line.enter(visitor, language)
    try:
        yield from workshop.in_turn(ticket, language)
        yield Progress(say("weighing", language))
        found = replacements(workshop.generator(model), poem, line, position, admits)
    finally:
        ticket.leave()
    yield replace(checked, chosen=(number, (line, position)), options=tuple(found))


def take_mend(workshop: Workshop, checked: Checked, option: object, language: Language) -> Checked:
    """Puts an alternative into its place, and reads the poem again.

    Raises:
        GemmaPoetryError: There is no such alternative.
    """
    text = str(option)
    known = text.isascii() and text.isdigit() and len(text) <= 3 and int(text) < len(checked.options)
    if checked.chosen is None or not known:
        raise complaint("bad_place", language)
    number, _ = checked.chosen
    old = checked.poems[number]
    (read,) = workshop.checker(checked.options[int(text)].poem.text, old.scansion.form)
    poems = (*checked.poems[:number], replace(read, title=old.title, author=old.author), *checked.poems[number + 1 :])
    return Checked(poems, checked.form)


def _place_of(checked: Checked, place: object, language: Language) -> tuple[int, Spot]:
    """The place that a tap names: `0:2.5` is the first poem, line 2, character 5."""
    number, _, spot = str(place).partition(":")
    line, _, position = spot.partition(".")
    digits = (number, line, position)
    if all(one.isascii() and one.isdigit() and len(one) <= 3 for one in digits) and int(number) < len(checked.poems):
        lines = checked.poems[int(number)].lines
        if 1 <= int(line) <= len(lines) and 1 <= int(position) <= len(lines[int(line) - 1]):
            return int(number), (int(line), int(position))
    raise complaint("bad_place", language)


def _poem_of(result: ScansionResult) -> Poem:
    script: Literal["simplified", "traditional"] = "traditional" if is_traditional("".join(result.lines)) else "simplified"
    tune = find_tune(result.form)
    return Poem(
        result.lines,
        _marks(result.scansion),
        title=result.title,
        author=result.author,
        form="词" if tune else result.form,
        tune=tune.name if tune else "",
        script=script,
    )


def _text_of(poem: ScansionResult) -> str:
    heading = "　".join(part for part in (poem.title, poem.author) if part)
    sentences = "".join(
        line + mark + ("\n" if mark == FULL_STOP else "") for line, mark in zip(poem.lines, _marks(poem.scansion))
    )
    return "\n".join(part for part in (heading, sentences.strip()) if part)


def checked_html(checked: Checked, layout: Layout, language: Language) -> str:
    """The poems as they were read."""
    items = {"rhyme", *(("level", "oblique", "open") if layout.tones else ())}
    parts = []
    for number, poem in enumerate(checked.poems):
        scansion = poem.scansion
        items |= {name for name, found in (("fault", scansion.faults), ("licence", scansion.licences)) if found}
        chosen = checked.chosen[1] if checked.chosen and checked.chosen[0] == number else None
        verse = Verse(
            scansion.lines, _marks(scansion), poem.title, (poem.author,), scansion, chosen=chosen, tappable=True, locks=False
        )
        body = verse_html(verse, layout, language) + verdict_html(scansion, language) + _findings(poem, language)
        parts.append(f'<section class="checked" data-poem="{number}">{body}</section>')
    parts.append(f"<p class='hintline'>{escape(say('tap_to_mend', language))}</p>")
    return "".join(parts) + legend_html(language, items) + plain_html(checked.text, language)


def mends_html(checked: Checked, language: Language) -> str:
    """What could stand in the chosen place; nothing where no place is chosen."""
    if checked.chosen is None:
        return ""
    number, (line, position) = checked.chosen
    char = checked.poems[number].lines[line - 1][position - 1]
    asking = say("mending", language, line=line, position=position, char=char)
    return ranked_html(checked.options, asking, say("no_mends", language), language)


def _marks(scansion: Scansion) -> str:
    tune = find_tune(scansion.form)
    for variant in tune.variants if tune else ():
        if variant.form.line_lengths == tuple(map(len, scansion.lines)):
            return variant.form.marks
    return alternating_marks(len(scansion.lines))


def _findings(poem: ScansionResult, language: Language) -> str:
    scansion = poem.scansion
    parts = []
    explained: set[Rule] = set()
    if scansion.faults:
        rows = []
        for number, fault in enumerate(scansion.faults):
            more = _why(fault.rule, explained, language) + _mends(poem, number, language)
            rows.append(f"<li>{_finding(scansion, fault, 'expected_found', language)}{more}</li>")
        parts.append(f"<h4>{escape(say('faults', language))}</h4><ol class='findings faults'>{''.join(rows)}</ol>")
    elif scansion.verdict.passes:
        parts.append(f"<p class='clean'>{escape(say('no_faults', language))}</p>")
    if scansion.licences:
        rows = [
            f"<li>{_finding(scansion, one, 'usual_found', language)}{_why(one.rule, explained, language)}</li>"
            for one in scansion.licences
        ]
        parts.append(f"<h4>{escape(say('licences', language))}</h4><ol class='findings licences'>{''.join(rows)}</ol>")
    remarks = [say("unknown", language, spot=_spot(scansion, line, place, language)) for line, place, _ in scansion.unknown]
    remarks += [translated(remark, language) for remark in scansion.remarks]
    if remarks:
        rows = [f"<li>{escape(remark)}</li>" for remark in remarks]
        parts.append(f"<h4>{escape(say('remarks', language))}</h4><ul class='findings'>{''.join(rows)}</ul>")
    return "".join(parts)


def _why(rule: Rule, explained: set[Rule], language: Language) -> str:
    """A rule in two sentences, the first time that it is named."""
    if rule in explained:
        return ""
    explained.add(rule)
    return f"<span class='why'>{escape(explanation(rule, language))}</span>"


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
        texts.append(say("mend_advice", language, advice=translated(mend.advice, language)))
    return "".join(f"<span class='mend'>{escape(text)}</span>" for text in texts)
