"""A draft as the page shows it: the poem with locks, what was found of its metre, and what could stand in a place.

In: a `Sheaf`, or a poem in the making. Out: HTML.
"""

from __future__ import annotations

import re

from gemma_poetry.generation.request import named_words
from gemma_poetry.prosody.forms import COMMA, FULL_STOP
from gemma_poetry.studio.compose import Draft, Sheaf
from gemma_poetry.studio.texts import Language, say
from gemma_poetry.studio.verse import Layout, Verse, escape, legend_html, notice_html, verdict_html, verse_html
from gemma_poetry.studio.workshop import Progress

_MARKS = COMMA + FULL_STOP


def draft_verse(draft: Draft, language: Language, *, tappable: bool) -> Verse:
    """A draft as verse."""
    poem = draft.poem
    style = say("in_style", language, author=poem.author) if poem.author else ""
    named = named_words(draft.request)
    words = say("words_are", language, words="、".join(named)) if named else ""
    return Verse(
        poem.lines,
        poem.marks,
        poem.title or poem.kind,
        (style, poem.kind if poem.title else "", words, say("seed_is", language, seed=draft.seed)),
        draft.scansion,
        draft.locked,
        draft.given,
        draft.chosen,
        tappable,
    )


def sheaf_html(sheaf: Sheaf, layout: Layout, language: Language) -> str:
    """The draft that is shown; what the page is for where there is none."""
    draft = sheaf.draft
    if draft is None:
        return f'<div class="blank">{notice_html(say("empty_poem", language))}</div>'
    parts = [verse_html(draft_verse(draft, language, tappable=True), layout, language)]
    scansion = draft.scansion
    if scansion is not None:
        parts.append(verdict_html(scansion, language))
    status = []
    if len(sheaf.drafts) > 1:
        status.append(say("draft_of", language, number=sheaf.current + 1, count=len(sheaf.drafts)))
    if draft.locked:
        status.append(say("locked_count", language, count=len(draft.locked)))
    if not draft.request.novel:
        status.append(say("not_new", language))
    if status:
        parts.append(f'<p class="status">{escape(" · ".join(status))}</p>')
    items = {"locked"} | ({"rhyme"} if scansion else set()) | ({"level", "oblique", "open"} if layout.tones else set())
    parts.append(legend_html(language, items))
    return "".join(parts)


def progress_html(progress: Progress, layout: Layout, language: Language) -> str:
    """A poem in the making: its finished lines and the one that is being written."""
    notice = f'<p class="notice working" role="status">{escape(progress.notice)}</p>'
    if not progress.text:
        return f'<div class="blank">{notice}</div>'
    pieces = re.findall(f"([^{_MARKS}]+)([{_MARKS}]?)", progress.text)
    verse = Verse(tuple(line for line, _ in pieces), "".join(mark for _, mark in pieces))
    return verse_html(verse, layout, language) + notice


def options_html(sheaf: Sheaf, language: Language) -> str:
    """What could stand in the chosen place, as buttons, the likeliest first; nothing where no place is chosen."""
    draft = sheaf.draft
    if draft is None or draft.chosen is None:
        return ""
    line, position = draft.chosen
    char = draft.poem.lines[line - 1][position - 1]
    parts = [f'<p class="asking">{escape(say("choosing", language, line=line, position=position, char=char))}</p>']
    if all(option.current for option in draft.options):
        parts.append(notice_html(say("no_others", language)))
    highest = max((option.share for option in draft.options), default=1.0) or 1.0
    parts.append('<div class="options" lang="zh">')
    for number, option in enumerate(draft.options):
        share = f"{option.share:.0%}" if option.share >= 0.01 else "<1%"
        now = f'<small class="now">{escape(say("now", language))}</small>' if option.current else ""
        classes = "option current" if option.current else "option"
        parts.append(
            f'<button type="button" class="{classes}" data-option="{number}"'
            f' aria-label="{escape(option.char)} {escape(share)}"><span class="han">{escape(option.char)}</span>'
            f'<i class="bar"><i style="width:{100 * option.share / highest:.0f}%"></i></i>'
            f"<small>{escape(share)}</small>{now}</button>"
        )
    parts.append("</div>")
    return "".join(parts)
