"""What the tabs of the studio share: words that follow the language, choices, and who is asking.

In: components with the keys of their words; what a browser sent. Out: updates when the language changes; a visitor, a
layout, a language, lists of choices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from gemma_poetry.prosody.forms import FORM_NAMES
from gemma_poetry.prosody.rhyme_books import BOOKS
from gemma_poetry.prosody.tunes import book_of, find_tune, shipped_tunes
from gemma_poetry.studio.compare_page import Pair, pair_html
from gemma_poetry.studio.draft_page import progress_html
from gemma_poetry.studio.texts import Language, say
from gemma_poetry.studio.verse import Layout, notice_html
from gemma_poetry.studio.wish import COUPLET
from gemma_poetry.studio.workshop import Progress

_WRITABLE = tuple(name for name in FORM_NAMES if name not in ("杂言诗", "词", "曲"))

TAPS = """
element.addEventListener('click', event => {
  const tapped = event.target.closest('[data-spot],[data-option],[data-draft],[data-close]');
  if (!tapped || !getSelection().isCollapsed) return;
  const poem = tapped.closest('[data-poem]');
  if (tapped.dataset.spot) trigger('click', {spot: (poem ? poem.dataset.poem + ':' : '') + tapped.dataset.spot});
  else trigger('select', {...tapped.dataset});
});
"""
"""What HTML of ours sends to the server when something in it is tapped; the end of a selection is no tap."""

HIDDEN: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
"""How every event of the page runs: without Gradio's own signs of progress, and for the page alone."""

Redraw = tuple[Callable[..., Any], list[Any], list[Any]]
"""How a tab is drawn anew in another language or layout: a function, its inputs behind those of the head, its outputs."""


class Wording:
    """Which words each component bears, so that a change of language reaches all of them."""

    def __init__(self) -> None:
        self.components: list[Any] = []
        self._makers: list[Callable[[Language], dict[str, Any]]] = []

    def add(self, component: Any, make: Callable[[Language], dict[str, Any]] | None = None, **keys: str) -> Any:
        """Notes the text keys of a component's properties, or what makes them."""
        make = make or (lambda language: {name: say(key, language) for name, key in keys.items()})
        self.components.append(component)
        self._makers.append(make)
        for name, value in make("zh").items():
            setattr(component, name, value)
        return component

    def updates(self, language: Language) -> list[Any]:
        """One update a component, in their order."""
        return [gr.update(**make(language)) for make in self._makers]


def form_choices(language: Language | None = None) -> list[tuple[str, str]]:
    """Forms, then tunes, by their names; with a language, first that a template decides, and couplets."""
    names = [(name, name) for name in (*_WRITABLE, *shipped_tunes().judged)]
    return [(say("form_open", language), ""), (say("couplet", language), COUPLET), *names] if language else names


def rhyme_choices(form: str, language: Language, book: str = "") -> list[tuple[str, str]]:
    """The rhymes that a form can be held to by a rhyme book: all groups for a tune, those of level words for the rest."""
    tune = form if form and form not in FORM_NAMES and find_tune(form) else ""
    chosen = book_of(tune, book)
    names = chosen.rhymes if tune else chosen.level_rhymes
    return [(say("rhyme_any", language), ""), *((name, name) for name in names)]


def book_choices(language: Language) -> list[tuple[str, str]]:
    """The rhyme books, the usual one of each form first."""
    return [(say("book_usual", language), ""), *((book.title, book.name) for book in BOOKS)]


def side_by_side(steps: Iterator[Progress | Pair], layout: Layout, language: Language) -> Iterator[tuple[Any, str]]:
    """What the page shows while two models write: the pair, as far as it is, and both poems drawn."""
    before = ""
    for step in steps:
        if isinstance(step, Pair):
            before = pair_html(step, layout, language)
            yield step, before
        else:
            yield gr.skip(), before + progress_html(step, layout, language)


def visitor(request: gr.Request | None) -> str:
    client = request.client if request else None
    return str(client.host) if client else "local"


def layout_of(columns: str, tones: bool, pinyin: bool) -> Layout:
    return Layout(columns != "horizontal", bool(tones), bool(pinyin))


def seen(code: str, columns: str, tones: bool, pinyin: bool) -> tuple[Language, Layout]:
    """What the head of the page says: the language, and how poems are laid out."""
    return language_of(code), layout_of(columns, tones, pinyin)


def language_of(value: str) -> Language:
    return "en" if value == "en" else "zh"


def blank(key: str, language: Language) -> str:
    """An empty page that says what it is for."""
    return f'<div class="blank">{notice_html(say(key, language))}</div>'


def radio_choices(language: Language, *keys: str, prefix: str = "") -> list[tuple[str, str]]:
    """Choices whose words follow the language: texts `PREFIX KEY`, values `KEY`."""
    return [(say(prefix + key, language), key) for key in keys]
