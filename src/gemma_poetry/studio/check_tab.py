"""The tab that checks a poet's own poem, in Gradio.

In: a `Workshop`. Out: its components and what they do, over the functions of `check_page`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from gemma_poetry.studio.check_page import (
    AUTO,
    Checked,
    check_text,
    checked_card,
    checked_html,
    mends_html,
    offer_mends,
    revise,
    take_mend,
)
from gemma_poetry.studio.history import History
from gemma_poetry.studio.page_parts import (
    HIDDEN,
    TAPS,
    Redraw,
    Wording,
    blank,
    book_choices,
    form_choices,
    radio_choices,
    seen,
    visitor,
)
from gemma_poetry.studio.picture import picture_html
from gemma_poetry.studio.problems import problem_html
from gemma_poetry.studio.texts import Language, complaint, say
from gemma_poetry.studio.verse import Layout, notice_html
from gemma_poetry.studio.workshop import Progress, Workshop

Desk = History[Checked]


def check_tab(workshop: Workshop, words: Wording, look: list[Any], page: gr.Blocks) -> Redraw:
    with gr.Row(equal_height=False):
        with gr.Column(scale=4, min_width=320):
            text = words.add(
                gr.Textbox(lines=7, max_lines=20, elem_id="pasted"),
                label="check_text",
                placeholder="check_hint",
                info="check_info",
            )
            form = gr.Dropdown(
                [(say("auto", "zh"), AUTO), *form_choices()],
                value=AUTO,
                allow_custom_value=True,
                elem_id="check-form",
                num_choices_shown=None,
            )
            words.add(
                form,
                lambda language: {
                    "label": say("check_form", language),
                    "choices": [(say("auto", language), AUTO), *form_choices()],
                },
            )
            book = gr.Dropdown(book_choices("zh"), value="", elem_id="check-book")
            words.add(book, lambda language: {"label": say("book", language), "choices": book_choices(language)})
            model = gr.Dropdown(
                list(workshop.models),
                value=workshop.models[0],
                elem_id="check-model",
                visible=len(workshop.models) > 1,
            )
            words.add(model, label="model")
            go = words.add(gr.Button(variant="primary", elem_id="check", size="lg"), value="check_go")
        with gr.Column(scale=6, min_width=320):
            sitting = gr.State(History(Checked()))
            message = gr.HTML("", elem_id="check-message", apply_default_css=False, visible=False)
            view = gr.HTML(
                blank("empty_check", "zh"), js_on_load=TAPS, elem_id="checked", elem_classes="paper", apply_default_css=False
            )
            options = gr.HTML("", js_on_load=TAPS, elem_id="mends", apply_default_css=False)
            tapping = gr.Radio(
                _tap_choices("zh"), value="choose", elem_id="check-tapping", elem_classes="tapmode", visible=False
            )
            words.add(tapping, lambda language: {"label": say("tap", language), "choices": _tap_choices(language)})
            with gr.Row(visible=False, elem_id="check-desk", elem_classes="actions") as desk:
                undo = words.add(gr.Button(elem_id="check-undo", min_width=80), value="undo")
                redo = words.add(gr.Button(elem_id="check-redo", min_width=80), value="redo")
                polish = words.add(gr.Button(elem_id="polish", min_width=80), value="polish_all")
                copy = words.add(gr.Button(elem_id="check-copy", min_width=80), value="copy")
                draw = words.add(gr.Button(elem_id="check-draw", min_width=80), value="picture")
            picture = gr.HTML("", js_on_load=TAPS, elem_id="check-picture", apply_default_css=False, visible=False)

    outputs = [sitting, text, view, options, message, desk, undo, redo, tapping, picture]

    def shown(sitting: Desk, language: Language, layout: Layout, problem: str = "", text: Any = None) -> list[Any]:
        checked = sitting.present
        return [
            sitting,
            gr.skip() if text is None else text,
            checked_html(checked, layout, language) if checked.poems else blank("empty_check", language),
            mends_html(checked, language),
            gr.update(value=problem, visible=bool(problem)),
            gr.update(visible=bool(checked.poems)),
            gr.update(interactive=bool(sitting.past)),
            gr.update(interactive=bool(sitting.future)),
            gr.update(visible=bool(checked.poems)),
            gr.update(value="", visible=False),
        ]

    def on_check(
        code: str,
        columns: str,
        tones: bool,
        pinyin: bool,
        sitting: Desk,
        text: str,
        form: str,
        book: str,
        request: gr.Request,
    ) -> list[Any]:
        language, layout = seen(code, columns, tones, pinyin)
        try:
            found = check_text(workshop, str(text or ""), str(form or ""), visitor(request), language, str(book or ""))
        except Exception as error:
            return shown(sitting.then(Checked()), language, layout, problem_html(error, language))
        return shown(sitting.then(Checked(found, str(form or AUTO))), language, layout)

    def steps(
        found: Callable[[], Iterator[Progress | Checked]], sitting: Desk, language: Language, layout: Layout
    ) -> Iterator[list[Any]]:
        no_message, rest = gr.update(value="", visible=False), [gr.skip()] * 5
        try:
            for step in found():
                if not isinstance(step, Checked):
                    yield [gr.skip(), gr.skip(), gr.skip(), notice_html(step.notice), no_message, *rest]
                elif step.revision and step.revision.changes:
                    yield shown(sitting.then(step), language, layout, text=step.text)
                else:
                    yield shown(sitting.looking(step), language, layout)
        except Exception as error:
            yield shown(sitting, language, layout, problem_html(error, language))

    def on_tap(
        code: str,
        columns: str,
        tones: bool,
        pinyin: bool,
        sitting: Desk,
        model: str,
        mode: str,
        event: gr.EventData,
        request: gr.Request,
    ) -> Iterator[list[Any]]:
        language, layout = seen(code, columns, tones, pinyin)
        place, checked = event._data["spot"], sitting.present

        def found() -> Iterator[Progress | Checked]:
            if mode in ("line", "couplet"):
                return revise(workshop, checked, place, mode, str(model), visitor(request), language)
            return offer_mends(workshop, checked, place, str(model), visitor(request), language)

        yield from steps(found, sitting, language, layout)

    def on_polish(
        code: str, columns: str, tones: bool, pinyin: bool, sitting: Desk, model: str, request: gr.Request
    ) -> Iterator[list[Any]]:
        language, layout = seen(code, columns, tones, pinyin)

        def found() -> Iterator[Progress | Checked]:
            return revise(workshop, sitting.present, "0:1.1", "all", str(model), visitor(request), language)

        yield from steps(found, sitting, language, layout)

    def on_draw(code: str, columns: str, tones: bool, pinyin: bool, sitting: Desk, request: gr.Request) -> list[Any]:
        language, layout = seen(code, columns, tones, pinyin)
        try:
            workshop.line.count(visitor(request), language)
            if not sitting.present.poems:
                raise complaint("no_draft", language)
            drawn = picture_html(checked_card(sitting.present, layout.pinyin), layout, language)
        except Exception as error:
            return [gr.update(visible=False), gr.update(value=problem_html(error, language), visible=True)]
        return [gr.update(value=drawn, visible=True), gr.update(value="", visible=False)]

    def on_take(code: str, columns: str, tones: bool, pinyin: bool, sitting: Desk, event: gr.EventData) -> list[Any]:
        language, layout = seen(code, columns, tones, pinyin)
        try:
            mended = take_mend(workshop, sitting.present, event._data["option"], language)
        except Exception as error:
            return shown(sitting, language, layout, problem_html(error, language))
        return shown(sitting.then(mended), language, layout, text=mended.text)

    def going(step: Callable[[Desk], Desk]) -> Callable[..., list[Any]]:
        def go(code: str, columns: str, tones: bool, pinyin: bool, sitting: Desk) -> list[Any]:
            there = step(sitting)
            # Before the first check nothing was read yet; what is pasted stays.
            return shown(there, *seen(code, columns, tones, pinyin), text=there.present.text or None)

        return go

    def redraw(code: str, columns: str, tones: bool, pinyin: bool, sitting: Desk) -> list[Any]:
        view = shown(sitting, *seen(code, columns, tones, pinyin))
        return [*view[2:4], view[-1]]

    state = [*look, sitting]
    go.click(on_check, [*state, text, form, book], outputs, **HIDDEN)
    writing: dict[str, Any] = {**HIDDEN, "concurrency_limit": workshop.limits.waiting + 1, "concurrency_id": "writing"}
    view.click(on_tap, [*state, model, tapping], outputs, **writing)
    polish.click(on_polish, [*state, model], outputs, **writing)
    options.select(on_take, state, outputs, **HIDDEN)
    undo.click(going(History.undone), state, outputs, **HIDDEN)
    redo.click(going(History.redone), state, outputs, **HIDDEN)
    copy.click(None, js="() => copyPoem('checked')")
    draw.click(on_draw, state, [picture, message], **HIDDEN)
    picture.select(lambda: gr.update(value="", visible=False), None, [picture], **HIDDEN)
    return redraw, [sitting], [view, options, picture]


def _tap_choices(language: Language) -> list[tuple[str, str]]:
    return radio_choices(language, "choose", "line", "couplet", prefix="tap_")
