"""The page that checks a poet's own poem: its verdict, each fault where it stands with its rule, and what would mend it.

In: a pasted text, the form it is to be read as, taps on characters. Out: `Checked`, immutable, and HTML of it.

    text ──check_text──> ScansionResults ──tap──offer_mends──> characters, ranked by a model ──take_mend──> judged again
                                          └─tap──revise──> a line or couplet written anew, what differs shown
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from gemma_poetry.corpus.poem import Poem
from gemma_poetry.generation.written import Change
from gemma_poetry.languages import localized
from gemma_poetry.prosody.check_result import ScansionResult, scansion_result
from gemma_poetry.prosody.findings import Fault, Scansion
from gemma_poetry.prosody.forms import FULL_STOP, alternating_marks
from gemma_poetry.prosody.interpretation import is_traditional
from gemma_poetry.prosody.mending import scan_again
from gemma_poetry.prosody.rules import Rule
from gemma_poetry.prosody.tunes import find_tune
from gemma_poetry.studio.card import Card
from gemma_poetry.studio.draft_page import plain_html, ranked_html
from gemma_poetry.studio.picture import poem_card
from gemma_poetry.studio.rule_texts import explanation
from gemma_poetry.studio.texts import Language, complaint, say
from gemma_poetry.studio.verse import Layout, Spot, Verse, escape, legend_html, verdict_html, verse_html
from gemma_poetry.studio.wish import seed_of
from gemma_poetry.studio.workshop import Progress, Workshop

if TYPE_CHECKING:
    from gemma_poetry.generation.alternatives import Alternative

AUTO = "auto"

# Places that are tried for each line that may change.
_ROUNDS = 2


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


@dataclass(frozen=True, slots=True)
class Revision:
    """What a rewriting made of a poem.

    Attributes:
        poem: Which poem (from 0).
        changes: The lines that differ; none: nothing was better.
        ppl_char: Perplexity a character, before and after.
    """

    poem: int
    changes: tuple[Change, ...]
    ppl_char: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Checked:
    """Poems as they were read, and the place that is being mended.

    Attributes:
        poems: The poems.
        form: The form that they are read as, or `auto`.
        chosen: The poem (from 0) and the place that alternatives are shown for.
        options: The alternatives.
        revision: What the last rewriting changed; `None`: the last step was none.
    """

    poems: tuple[ScansionResult, ...] = ()
    form: str = AUTO
    chosen: tuple[int, Spot] | None = None
    options: tuple[Alternative, ...] = ()
    revision: Revision | None = None

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
    yield replace(checked, chosen=(number, (line, position)), options=tuple(found), revision=None)


def revise(
    workshop: Workshop, checked: Checked, place: object, span: str, model: str, visitor: str, language: Language
) -> Iterator[Progress | Checked]:
    """Rewrites a line, a couplet or the weakest places of a poem, where that makes it better; the rest stays.

    Args:
        workshop: What the page works with.
        checked: The poems.
        place: A place of the poem and line that is meant.
        span: `line`, `couplet` (of a 词 the sentence), or `all`.
        model: The name of the model that writes.
        visitor: Who asks.
        language: The language of the page.

    Raises:
        GemmaPoetryError: There is no such place, no such model, the poem's shape cannot be kept, the line says words of
            another that was not meant, or the visitor must wait.
    """
    from gemma_poetry.generation.drafts import draft_of
    from gemma_poetry.generation.polishing import lines_together

    number, (line, _) = _place_of(checked, place, language)
    scansion, poem = checked.poems[number].scansion, _poem_of(checked.poems[number])
    workshop.check_model(model, language)
    lines = {"line": (line,), "couplet": _sentence(poem, line)}.get(span, ())
    ticket = workshop.line.enter(visitor, language)
    try:
        yield from workshop.in_turn(ticket, language)
        yield Progress(say("polishing", language))
        generator = workshop.generator(model)
        draft = draft_of(poem, scansion, novel=bool(generator.planner.guards))
        together = lines_together(draft.form, lines)
        if beside := set(together).difference(lines):
            bound = next(one for one in lines if beside.intersection(lines_together(draft.form, (one,))))
            raise complaint("bound_lines", language, line=bound, lines="、".join(map(str, together)))
        found = generator.polisher.polish(
            draft,
            rounds=_ROUNDS * max(1, len(lines)),
            seed=seed_of("", language),
            lines=lines,
            judge=lambda text: scansion_result(scan_again(scansion, tuple(text))),
        )
    finally:
        ticket.leave()
    revision = Revision(number, found.changes, (found.before.ppl_char, found.after.ppl_char))
    yield replace(_read_again(workshop, checked, number, replace(poem, lines=found.lines)), revision=revision)


def _sentence(poem: Poem, line: int) -> tuple[int, ...]:
    """The lines (from 1) of the sentence that a line stands in: of a 诗 its couplet."""
    first = line
    while first > 1 and poem.marks[first - 2] != FULL_STOP:
        first -= 1
    last = line
    while last < len(poem.lines) and poem.marks[last - 1] != FULL_STOP:
        last += 1
    return tuple(range(first, last + 1))


def take_mend(workshop: Workshop, checked: Checked, option: object, language: Language) -> Checked:
    """Puts an alternative into its place, and reads the poem again.

    Raises:
        GemmaPoetryError: There is no such alternative.
    """
    text = str(option)
    known = text.isascii() and text.isdigit() and len(text) <= 3 and int(text) < len(checked.options)
    if checked.chosen is None or not known:
        raise complaint("bad_place", language)
    return _read_again(workshop, checked, checked.chosen[0], checked.options[int(text)].poem)


def _read_again(workshop: Workshop, checked: Checked, number: int, poem: Poem) -> Checked:
    """The poems with one of them changed, and judged as the same form."""
    old = checked.poems[number]
    # 古绝 has no name of its own: under 绝句 it would be read as regulated verse.
    form = AUTO if old.scansion.pattern == "古绝" else old.scansion.form
    (read,) = workshop.checker(poem.text, form, book=old.scansion.book.name)
    own = replace(read, title=old.title, author=old.author, layout=old.layout)
    poems = (*checked.poems[:number], own, *checked.poems[number + 1 :])
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
        layout=result.layout,
    )


def _text_of(result: ScansionResult) -> str:
    heading = "　".join(part for part in (result.title, result.author) if part)
    poem = _poem_of(result)
    sentences = "".join(line + mark + ("\n" if mark == FULL_STOP else "") for line, mark in zip(poem.lines, poem.marks))
    return "\n".join(part for part in (heading, poem.laid_out or sentences.strip()) if part)


def checked_card(checked: Checked, pinyin: bool) -> Card:
    """The picture of the first poem."""
    first = checked.poems[0]
    card = poem_card(_poem_of(first), first.scansion, byline=first.author, pinyin=pinyin)
    return replace(card, marks=_poem_of(first).own_marks)


def checked_html(checked: Checked, layout: Layout, language: Language) -> str:
    """The poems as they were read."""
    items = {"rhyme", *(("level", "oblique", "open") if layout.tones else ())}
    parts = []
    for number, poem in enumerate(checked.poems):
        scansion = poem.scansion
        items |= {name for name, found in (("fault", scansion.faults), ("licence", scansion.licences)) if found}
        chosen = checked.chosen[1] if checked.chosen and checked.chosen[0] == number else None
        verse = Verse(
            scansion.lines,
            _poem_of(poem).own_marks,
            poem.title,
            (poem.author,),
            scansion,
            chosen=chosen,
            tappable=True,
            locks=False,
        )
        body = verse_html(verse, layout, language) + verdict_html(scansion, language)
        if checked.revision and checked.revision.poem == number:
            body += _revision_html(checked.revision, language)
        body += _findings(poem, language)
        parts.append(f'<section class="checked" data-poem="{number}">{body}</section>')
    parts.append(f"<p class='hintline'>{escape(say('tap_to_mend', language))}</p>")
    return "".join(parts) + legend_html(language, items) + plain_html(checked.text, language)


def _revision_html(revision: Revision, language: Language) -> str:
    """What was there and what is there now, line by line, the characters that differ marked."""
    if not revision.changes:
        return f"<p class='notice'>{escape(say('no_better', language))}</p>"
    rows = []
    for change in revision.changes:
        old, new = (
            "".join(
                f"<{tag}>{escape(char)}</{tag}>" if place in change.changed else escape(char)
                for place, char in enumerate(text, 1)
            )
            for tag, text in (("del", change.old), ("ins", change.new))
        )
        line = escape(say("spot_line", language, line=change.line))
        why = f"<span class='why'>{escape(localized(change.reason, language))}</span>"
        rows.append(f"<li>{line} <span class='han-row' lang='zh'>{old} → {new}</span>{why}</li>")
    before, after = (f"{value:.1f}" for value in revision.ppl_char)
    figure = escape(say("ppl_change", language, before=before, after=after))
    heading = escape(say("changes", language))
    return f"<h4>{heading}</h4><ul class='findings revision'>{''.join(rows)}<li>{figure}</li></ul>"


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
    remarks += [say("passes_by", language, title=book.title) for book in scansion.passing_books]
    remarks += [localized(remark, language) for remark in scansion.remarks]
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
        texts.append(say("mend_advice", language, advice=localized(mend.advice, language)))
    return "".join(f"<span class='mend'>{escape(text)}</span>" for text in texts)
