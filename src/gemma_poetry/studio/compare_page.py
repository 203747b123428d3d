"""The page that sets two models beside each other: one title, one seed, a poem of each.

In: a `Wish` and the names of two models. Out: a `Draft` of each, written one after the other in one turn.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from gemma_poetry.studio.compose import Draft, draft_of
from gemma_poetry.studio.draft_page import draft_verse
from gemma_poetry.studio.texts import Language, say
from gemma_poetry.studio.verse import Layout, escape, verdict_html, verse_html
from gemma_poetry.studio.wish import Wish, seed_of
from gemma_poetry.studio.workshop import Progress, Workshop


@dataclass(frozen=True, slots=True)
class Pair:
    """Two poems beside each other.

    Attributes:
        left: The first.
        right: The second; `None` while it is being written.
    """

    left: Draft
    right: Draft | None = None


def compare(
    workshop: Workshop, wish: Wish, models: tuple[str, str], visitor: str, language: Language
) -> Iterator[Progress | Pair]:
    """Writes a poem with each model.

    Raises:
        GemmaPoetryError: The wish is too large, cannot be met, or the visitor must wait.
    """
    workshop.limits.check_size(language, wish.form, wish.title, wish.author, str(wish.seed))
    for name in models:
        workshop.check_model(name, language)
    seed = seed_of(wish.seed, language)
    request = wish.request(language)
    done: list[Draft] = []
    ticket = workshop.line.enter(visitor, language)
    try:
        yield from workshop.in_turn(ticket, language)
        for name in models:
            for step in workshop.write(name, [request], seed, language):
                if isinstance(step, Progress):
                    yield Progress(f"{name} · {step.notice}", step.text)
                else:
                    done.append(draft_of(step[0], request, replace(wish, model=name)))
                    yield Pair(done[0], done[1] if len(done) > 1 else None)
    finally:
        ticket.leave()


def pair_html(pair: Pair, layout: Layout, language: Language) -> str:
    """The poems beside each other (one below the other on a phone)."""
    parts = [_side(draft, layout, language) for draft in (pair.left, pair.right) if draft is not None]
    return f'<div class="pair">{"".join(parts)}</div>'


def _side(draft: Draft, layout: Layout, language: Language) -> str:
    scansion = draft.scansion
    parts = [f'<section class="side"><h4 class="model">{escape(draft.model)}</h4>']
    parts.append(verse_html(draft_verse(draft, language, tappable=False), layout, language))
    if scansion is not None:
        parts.append(verdict_html(scansion, language))
    if draft.ppl_char is not None:
        parts.append(f'<p class="figure">{escape(say("ppl", language, value=f"{draft.ppl_char:.1f}"))}</p>')
    parts.append("</section>")
    return "".join(parts)
