"""A draft as the page shows it: the poem with locks, what was found of its metre, and what could stand in a place.

In: a `Sheaf`, or a poem in the making. Out: HTML.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from gemma_poetry.generation.request import named_words
from gemma_poetry.generation.written import WrittenPoem
from gemma_poetry.prosody.forms import COMMA, FULL_STOP
from gemma_poetry.studio.card import Card
from gemma_poetry.studio.compose import Draft, Sheaf
from gemma_poetry.studio.picture import poem_card
from gemma_poetry.studio.texts import Language, say
from gemma_poetry.studio.verse import Layout, Verse, escape, legend_html, notice_html, verdict_html, verse_html
from gemma_poetry.studio.workshop import Progress

if TYPE_CHECKING:
    from gemma_poetry.generation.alternatives import Alternative

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
        parts.append(_sitting(sheaf, language))
        status.append(say("draft_of", language, number=sheaf.current + 1, count=len(sheaf.drafts)))
    if draft.locked:
        status.append(say("locked_count", language, count=len(draft.locked)))
    if not draft.request.novel:
        status.append(say("not_new", language))
    if status:
        parts.append(f'<p class="status">{escape(" · ".join(status))}</p>')
    items = {"locked"} | ({"rhyme"} if scansion else set()) | ({"level", "oblique", "open"} if layout.tones else set())
    parts.append(legend_html(language, items))
    parts.append(plain_html(draft_text(draft), language))
    return "".join(parts)


def _sitting(sheaf: Sheaf, language: Language) -> str:
    """Every poem of the sitting as a small sheet, to choose from."""
    parts = []
    for number, draft in enumerate(sheaf.drafts):
        first = draft.poem.lines[1 if draft.request.answer else 0]
        label = escape(say("show_draft", language, number=number + 1, text=first))
        now = ' aria-current="true"' if number == sheaf.current else ""
        title = escape(draft.poem.title or draft.poem.kind)
        parts.append(
            f'<button type="button" data-draft="{number}" aria-label="{label}"{now}>'
            f'<small>{title}</small><span lang="zh">{escape(first)}</span></button>'
        )
    return f'<nav class="sitting" aria-label="{escape(say("sitting", language))}">{"".join(parts)}</nav>'


def draft_text(draft: Draft) -> str:
    """A draft as plain text: title, whose style it is in, sentences."""
    return WrittenPoem(draft.poem, draft.seed, None, None).text()


def plain_html(text: str, language: Language) -> str:
    """A text as the button that copies finds it, and what is said when it has."""
    said = escape(say("copied", language))
    return f'<pre class="plain" hidden>{escape(text)}</pre><p class="copied" role="status">{said}</p>'


def draft_card(draft: Draft, pinyin: bool) -> Card:
    """The picture of a draft."""
    poem = draft.poem
    byline = say("in_style", "zh", author=poem.author) if poem.author else ""
    return poem_card(poem, draft.scansion, byline=byline, model=draft.model, seed=draft.seed, pinyin=pinyin)


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
    asking = say("choosing", language, line=line, position=position, char=char)
    return ranked_html(draft.options, asking, say("no_others", language), language)


def ranked_html(options: Sequence[Alternative], asking: str, nothing: str, language: Language) -> str:
    """Characters with their shares, as buttons, the likeliest first.

    Args:
        options: The characters.
        asking: What is said above them.
        nothing: What is said where there is no other than the current one.
        language: The language.
    """
    parts = [f'<p class="asking">{escape(asking)}</p>']
    if all(option.current for option in options):
        parts.append(notice_html(nothing))
    highest = max((option.share for option in options), default=1.0) or 1.0
    parts.append('<div class="options" lang="zh">')
    for number, option in enumerate(options):
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
