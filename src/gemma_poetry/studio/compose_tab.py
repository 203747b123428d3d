"""The tab that composes, in Gradio.

In: a `Workshop`. Out: its components and what they do, over the functions of `compose` and `draft_page`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from gemma_poetry.studio import compose as composing
from gemma_poetry.studio.compose import Sheaf
from gemma_poetry.studio.compose_fields import compose_fields
from gemma_poetry.studio.draft_page import draft_card, options_html, progress_html, sheaf_html
from gemma_poetry.studio.history import History
from gemma_poetry.studio.page_parts import HIDDEN, TAPS, Redraw, Wording, radio_choices, rhyme_choices, seen, visitor
from gemma_poetry.studio.picture import picture_html
from gemma_poetry.studio.problems import problem_html
from gemma_poetry.studio.texts import Language, complaint, say
from gemma_poetry.studio.verse import Layout, escape, notice_html
from gemma_poetry.studio.wish import COUPLET
from gemma_poetry.studio.workshop import Progress, Workshop

_SHOW = "() => setTimeout(() => document.getElementById('{}')?.scrollIntoView({{behavior: 'smooth', block: 'nearest'}}), 60)"

Desk = History[Sheaf]


def compose_tab(workshop: Workshop, words: Wording, look: list[Any], page: gr.Blocks) -> Redraw:
    with gr.Row(equal_height=False):
        with gr.Column(scale=4, min_width=320):
            fields = compose_fields(workshop, words, look[0])
        with gr.Column(scale=6, min_width=320):
            sitting = gr.State(History(Sheaf()))
            message = gr.HTML("", elem_id="message", apply_default_css=False, visible=False)
            poem = gr.HTML(
                sheaf_html(Sheaf(), Layout(), "zh"),
                js_on_load=TAPS,
                elem_id="poem",
                elem_classes="paper",
                apply_default_css=False,
            )
            options = gr.HTML("", js_on_load=TAPS, elem_id="options", apply_default_css=False)
            picture = gr.HTML("", js_on_load=TAPS, elem_id="picture", apply_default_css=False, visible=False)
            with gr.Column(visible=False, elem_id="desk", elem_classes="quiet") as desk:
                with gr.Row(elem_classes="actions"):
                    more = _button(words, "more_poems", "more")
                    undo, redo = _button(words, "undo", "undo"), _button(words, "redo", "redo")
                    copy, draw = _button(words, "copy", "copy"), _button(words, "picture", "draw")
                tapping = gr.Radio(
                    radio_choices("zh", "lock", "choose", prefix="tap_"),
                    value="lock",
                    elem_id="tapping",
                    elem_classes="tapmode",
                )
                words.add(
                    tapping,
                    lambda language: {
                        "label": say("tap", language),
                        "choices": radio_choices(language, "lock", "choose", prefix="tap_"),
                    },
                )
                words.add(gr.HTML(_hint("zh"), apply_default_css=False), lambda language: {"value": _hint(language)})
                with gr.Row(elem_classes="actions"):
                    rewrite = words.add(
                        gr.Button(variant="primary", elem_id="rewrite", min_width=160, scale=3), value="rewrite"
                    )
                    unlock = _button(words, "unlock_all", "unlock")

    outputs = [sitting, poem, options, message, desk, undo, redo, picture]

    def shown(sitting: Desk, language: Language, layout: Layout, problem: str = "") -> list[Any]:
        sheaf = sitting.present
        return [
            sitting,
            sheaf_html(sheaf, layout, language),
            options_html(sheaf, language),
            gr.update(value=problem, visible=bool(problem)),
            gr.update(visible=bool(sheaf.drafts)),
            gr.update(interactive=bool(sitting.past)),
            gr.update(interactive=bool(sitting.future)),
            gr.update(value="", visible=False),
        ]

    def steps(
        found: Callable[[], Iterator[Progress | Sheaf]], sitting: Desk, language: Language, layout: Layout, keep: bool = False
    ) -> Iterator[list[Any]]:
        """Shows a poem while it is made; with `keep` the old one stays until then, with a notice beneath it."""
        no_message, rest = gr.update(value="", visible=False), [gr.skip()] * 4
        try:
            for step in found():
                if isinstance(step, Sheaf):
                    # Which alternatives are looked at is no step of the work.
                    yield shown(sitting.looking(step) if keep else sitting.then(step), language, layout)
                elif keep:
                    yield [gr.skip(), gr.skip(), notice_html(step.notice), no_message, *rest]
                else:
                    yield [gr.skip(), progress_html(step, layout, language), "", no_message, *rest]
        except Exception as error:
            yield shown(sitting, language, layout, problem_html(error, language))

    def on_write(
        code: str, columns: str, tones: bool, pinyin: bool, sitting: Desk, request: gr.Request, *values: Any
    ) -> Iterator[list[Any]]:
        language, layout = seen(code, columns, tones, pinyin)

        def found() -> Iterator[Progress | Sheaf]:
            return composing.compose(workshop, fields.wish(values), visitor(request), language, sitting.present)

        yield from steps(found, sitting, language, layout)

    def writing_with(step: Callable[..., Iterator[Progress | Sheaf]]) -> Callable[..., Iterator[list[Any]]]:
        def work(code: str, columns: str, tones: bool, pinyin: bool, sitting: Desk, request: gr.Request) -> Iterator[list[Any]]:
            language, layout = seen(code, columns, tones, pinyin)
            found = step(workshop, sitting.present, visitor(request), language)
            yield from steps(lambda: found, sitting, language, layout)

        return work

    def attempt(step: Callable[[], Desk], sitting: Desk, language: Language, layout: Layout) -> list[Any]:
        try:
            return shown(step(), language, layout)
        except Exception as error:
            return shown(sitting, language, layout, problem_html(error, language))

    def on_lock(code: str, columns: str, tones: bool, pinyin: bool, sitting: Desk, mode: str, event: gr.EventData) -> list[Any]:
        language, layout = seen(code, columns, tones, pinyin)
        if mode == "choose":
            return [gr.skip()] * len(outputs)
        place = event._data["spot"]
        return attempt(lambda: sitting.then(composing.toggle_lock(sitting.present, place, language)), sitting, language, layout)

    def on_choose(
        code: str,
        columns: str,
        tones: bool,
        pinyin: bool,
        sitting: Desk,
        mode: str,
        event: gr.EventData,
        request: gr.Request,
    ) -> Iterator[list[Any]]:
        language, layout = seen(code, columns, tones, pinyin)
        if mode != "choose":
            yield [gr.skip()] * len(outputs)
            return
        place = event._data["spot"]

        def found() -> Iterator[Progress | Sheaf]:
            return composing.offer(workshop, sitting.present, place, visitor(request), language)

        yield from steps(found, sitting, language, layout, keep=True)

    def on_take(code: str, columns: str, tones: bool, pinyin: bool, sitting: Desk, event: gr.EventData) -> list[Any]:
        language, layout = seen(code, columns, tones, pinyin)
        option = event._data["option"]
        return attempt(lambda: sitting.then(composing.take(sitting.present, option, language)), sitting, language, layout)

    def on_show(code: str, columns: str, tones: bool, pinyin: bool, sitting: Desk, event: gr.EventData) -> list[Any]:
        language, layout = seen(code, columns, tones, pinyin)
        return shown(sitting.looking(sitting.present.showing(event._data.get("draft"))), language, layout)

    def simply(step: Callable[[Desk], Desk]) -> Callable[..., list[Any]]:
        return lambda code, columns, tones, pinyin, sitting: shown(step(sitting), *seen(code, columns, tones, pinyin))

    def on_draw(code: str, columns: str, tones: bool, pinyin: bool, sitting: Desk, request: gr.Request) -> list[Any]:
        language, layout = seen(code, columns, tones, pinyin)
        try:
            workshop.line.count(visitor(request), language)
            draft = sitting.present.draft
            if draft is None:
                raise complaint("no_draft", language)
            drawn = picture_html(draft_card(draft, layout.pinyin), layout, language)
        except Exception as error:
            return [gr.update(visible=False), gr.update(value=problem_html(error, language), visible=True)]
        return [gr.update(value=drawn, visible=True), gr.update(value="", visible=False)]

    def redraw(code: str, columns: str, tones: bool, pinyin: bool, sitting: Desk, form: str, book: str) -> list[Any]:
        language, layout = seen(code, columns, tones, pinyin)
        view = shown(sitting, language, layout)
        return [*view[1:3], view[-1], gr.update(choices=rhyme_choices("" if form == COUPLET else form, language, book))]

    writing: dict[str, Any] = {**HIDDEN, "concurrency_limit": workshop.limits.waiting + 1, "concurrency_id": "writing"}
    state = [*look, sitting]
    for begin in (fields.write.click, fields.by_name["title"].submit, fields.by_name["upper"].submit):
        begin(on_write, [*state, *fields.components], outputs, **writing)
    fields.write.click(None, js=_SHOW.format("poem"))
    rewrite.click(writing_with(composing.rewrite), state, outputs, **writing)
    more.click(writing_with(composing.more), state, outputs, **writing)
    poem.click(on_lock, [*state, tapping], outputs, trigger_mode="multiple", **HIDDEN, concurrency_limit=1)
    poem.click(on_choose, [*state, tapping], outputs, **writing)
    poem.select(on_show, state, outputs, **HIDDEN)
    options.select(on_take, state, outputs, **HIDDEN)
    unlock.click(simply(lambda desk: desk.then(composing.unlock_all(desk.present))), state, outputs, **HIDDEN)
    undo.click(simply(History.undone), state, outputs, **HIDDEN)
    redo.click(simply(History.redone), state, outputs, **HIDDEN)
    copy.click(None, js="() => copyPoem('poem')")
    draw.click(on_draw, state, [picture, message], **HIDDEN).then(None, js=_SHOW.format("picture"))
    picture.select(lambda: gr.update(value="", visible=False), None, [picture], **HIDDEN)
    return redraw, [sitting, fields.by_name["form"], fields.by_name["book"]], [poem, options, picture, fields.by_name["rhyme"]]


def _button(words: Wording, key: str, name: str) -> Any:
    return words.add(gr.Button(elem_id=name, min_width=80, scale=1), value=key)


def _hint(language: Language) -> str:
    return f'<p class="hintline">{escape(say("hint", language))}</p>'
