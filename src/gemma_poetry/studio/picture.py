"""A poem's picture (诗笺), as the page shows it and as files hold it.

In: a poem, what was found of its metre, who wrote it. Out: a `Card`; its HTML with links to save it as PNG or SVG. The pictures
travel inside the page, so that no file is written or served.
"""

from __future__ import annotations

import base64

from gemma_poetry.corpus.poem import Poem
from gemma_poetry.prosody.findings import Scansion
from gemma_poetry.prosody.pinyin import pinyin_of
from gemma_poetry.prosody.tunes import stanza_breaks
from gemma_poetry.studio.card import Card, card_png, card_svg
from gemma_poetry.studio.texts import Language, say, verdict_text
from gemma_poetry.studio.verse import Layout, escape


def poem_card(poem: Poem, scansion: Scansion | None, *, byline: str = "", model: str = "", seed: int = 0, pinyin: bool) -> Card:
    """What the picture of a poem shows. It speaks Chinese, whatever the language of the page.

    Args:
        poem: The poem.
        scansion: What was found of its metre; `None`: no rule judges it.
        byline: Who wrote it, or in whose style.
        model: The name of the model that wrote it; empty: a person did.
        seed: The seed that it was written with.
        pinyin: Whether it has readings.
    """
    notes = [poem.kind if poem.title else ""]
    if scansion is not None:
        notes += [scansion.pattern, scansion.rhyme_group and say("rhyme_is", "zh", group=scansion.rhyme_group)]
        notes += [verdict_text(scansion.verdict, "zh")]
    notes += [say("written_by", "zh", model=model, seed=seed)] if model else []
    return Card(
        poem.lines,
        poem.marks,
        title=poem.title or poem.kind,
        byline=byline,
        notes=tuple(note for note in notes if note),
        script="traditional" if poem.script == "traditional" else "simplified",
        readings=pinyin_of(poem.lines, scansion) if pinyin else (),
        breaks=frozenset(stanza_breaks(poem.tune, list(map(len, poem.lines)), poem.marks)) if poem.tune else frozenset(),
    )


def picture_html(card: Card, layout: Layout, language: Language) -> str:
    """The picture, and links that save it.

    Raises:
        GemmaPoetryError: A library or a font is missing.
    """
    svg = card_svg(card, vertical=layout.vertical)
    drawn = "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()
    pixels = "data:image/png;base64," + base64.b64encode(card_png(svg)).decode()
    name = escape("".join(char for char in card.title if char.isalnum())[:40] or "poem")
    described = escape(say("picture_of", language, title=card.title))
    links = "".join(
        f'<a class="save" href="{address}" download="{name}.{ending}">{escape(say(key, language))}</a>'
        for address, ending, key in ((pixels, "png", "save_png"), (drawn, "svg", "save_svg"))
    )
    close = f'<button type="button" class="save" data-close="1">{escape(say("close", language))}</button>'
    return f'<figure class="card"><img src="{drawn}" alt="{described}"><figcaption>{links}{close}</figcaption></figure>'
