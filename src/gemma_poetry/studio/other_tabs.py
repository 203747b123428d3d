"""The tabs that compare and show runs, in Gradio.

In: a `Workshop`. Out: their components and what they do, over the functions of the `*_page` modules.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from gemma_poetry.studio.compare_page import Pair, compare, pair_html
from gemma_poetry.studio.page_parts import (
    HIDDEN,
    Redraw,
    Wording,
    blank,
    form_choices,
    language_of,
    seen,
    side_by_side,
    visitor,
)
from gemma_poetry.studio.problems import problem_html
from gemma_poetry.studio.runs_page import curves, facts_html, palette
from gemma_poetry.studio.texts import Language, say
from gemma_poetry.studio.verse import Layout
from gemma_poetry.studio.wish import Wish
from gemma_poetry.studio.workshop import Workshop


def compare_tab(workshop: Workshop, words: Wording, look: list[Any], page: gr.Blocks) -> Redraw:
    names = list(workshop.models)
    first, second = workshop.pairs[0] if workshop.pairs else (names[0], names[-1])
    with gr.Row(equal_height=False):
        form = words.add(
            gr.Dropdown(
                form_choices(),
                value="七言绝句",
                allow_custom_value=True,
                elem_id="pair-form",
                min_width=150,
                num_choices_shown=None,
            ),
            label="form",
        )
        title = words.add(
            gr.Textbox(elem_id="pair-title", max_lines=1, min_width=150), label="poem_title", placeholder="poem_title_hint"
        )
        author = words.add(
            gr.Textbox(elem_id="pair-author", max_lines=1, min_width=150), label="author", placeholder="author_hint"
        )
        seed = words.add(gr.Textbox(elem_id="pair-seed", max_lines=1, min_width=150), label="seed")
    with gr.Row(equal_height=False, elem_classes="ends"):
        left = words.add(gr.Dropdown(names, value=first, elem_id="left", min_width=150), label="left")
        right = words.add(gr.Dropdown(names, value=second, elem_id="right", min_width=150), label="right")
        go = words.add(gr.Button(variant="primary", elem_id="compare", size="lg", min_width=150), value="compare_go")
    pair = gr.State(None)
    empty = "empty_compare" if len(names) > 1 else "one_model"
    view = gr.HTML(blank(empty, "zh"), elem_id="pair", apply_default_css=False)

    def shown(pair: Pair | None, language: Language, layout: Layout) -> str:
        return pair_html(pair, layout, language) if pair else blank(empty, language)

    def on_compare(
        code: str,
        columns: str,
        tones: bool,
        pinyin: bool,
        form: str,
        title: str,
        author: str,
        seed: str,
        left: str,
        right: str,
        request: gr.Request,
    ) -> Iterator[tuple[Any, Any]]:
        language, layout = seen(code, columns, tones, pinyin)
        wish = Wish(form=str(form or ""), title=str(title or ""), author=str(author or ""), seed=str(seed or ""))
        try:
            steps = compare(workshop, wish, (str(left), str(right)), visitor(request), language)
            yield from side_by_side(steps, layout, language)
        except Exception as error:
            yield None, problem_html(error, language)

    go.click(
        on_compare,
        [*look, form, title, author, seed, left, right],
        [pair, view],
        **HIDDEN,
        concurrency_limit=workshop.limits.waiting + 1,
        concurrency_id="writing",
    )
    return (
        lambda code, columns, tones, pinyin, pair: [shown(pair, *seen(code, columns, tones, pinyin))],
        [pair],
        [view],
    )


def runs_tab(workshop: Workshop, words: Wording, look: list[Any], page: gr.Blocks) -> Redraw:
    names = list(workshop.runs)
    chosen = words.add(gr.CheckboxGroup(names, value=names, elem_id="runs", visible=len(names) > 1), label="runs_choose")
    message = gr.HTML("", apply_default_css=False)
    with gr.Row(equal_height=False):
        plots = [
            gr.LinePlot(
                x="steps", y="value", color="curve", elem_id=key, height=320, min_width=320, visible=bool(names), buttons=[]
            )
            for key in ("loss", "perplexity")
        ]
    facts = gr.HTML(facts_html(workshop, names, "zh"), elem_id="facts", apply_default_css=False)

    def drawn(code: str, columns: str, tones: bool, pinyin: bool, chosen: list[str]) -> list[Any]:
        language = language_of(code)
        names = [str(name) for name in chosen or ()]
        if not workshop.runs:
            return [gr.skip(), gr.skip(), "", facts_html(workshop, [], language)]
        try:
            tables = curves(workshop.runs, names, language)
        except Exception as error:
            return [None, None, problem_html(error, language), facts_html(workshop, [], language)]
        updates = [
            gr.update(
                value=table,
                color_map=palette(table),
                y_title=say(key, language),
                x_title=say("steps", language),
                color_title=say("curve", language),
                label=say(key, language),
            )
            for key, table in zip(("loss", "perplexity"), tables)
        ]
        return [*updates, "", facts_html(workshop, names, language)]

    outputs = [*plots, message, facts]
    chosen.change(drawn, [*look, chosen], outputs, **HIDDEN)
    page.load(drawn, [*look, chosen], outputs, **HIDDEN)
    return drawn, [chosen], outputs
