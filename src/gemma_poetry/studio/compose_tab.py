"""The tab that composes, in Gradio.

In: a `Workshop`. Out: its components and what they do, over the functions of `compose` and `draft_page`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from gemma_poetry.studio import compose as composing
from gemma_poetry.studio.compose import Sheaf, Wish
from gemma_poetry.studio.draft_page import options_html, progress_html, sheaf_html
from gemma_poetry.studio.page_parts import (
    HIDDEN,
    Redraw,
    Wording,
    form_choices,
    language_of,
    layout_of,
    radio_choices,
    rhyme_choices,
    visitor,
)
from gemma_poetry.studio.problems import problem_html
from gemma_poetry.studio.texts import Language, say
from gemma_poetry.studio.verse import Layout, escape, notice_html
from gemma_poetry.studio.workshop import Progress, Workshop

_TAPS = """
element.addEventListener('click', event => {
  const tapped = event.target.closest('[data-spot],[data-option]');
  if (!tapped) return;
  if (tapped.dataset.spot) trigger('click', {spot: tapped.dataset.spot});
  else trigger('select', {option: tapped.dataset.option});
});
"""
_SHOW_POEM = (
    "() => setTimeout(() => document.getElementById('poem').scrollIntoView({behavior: 'smooth', block: 'nearest'}), 60)"
)


def compose_tab(workshop: Workshop, words: Wording, look: list[Any]) -> Redraw:
    with gr.Row(equal_height=False):
        with gr.Column(scale=4, min_width=320):
            form = words.add(
                gr.Dropdown(
                    form_choices("zh"), value="七言绝句", allow_custom_value=True, elem_id="form", num_choices_shown=None
                ),
                lambda language: {
                    "label": say("form", language),
                    "info": say("form_info", language),
                    "choices": form_choices(language),
                },
            )
            title = words.add(
                gr.Textbox(elem_id="title", max_lines=1, max_length=workshop.limits.characters),
                label="poem_title",
                placeholder="poem_title_hint",
            )
            with gr.Row():
                author = words.add(
                    gr.Textbox(elem_id="author", max_lines=1, min_width=130), label="author", placeholder="author_hint"
                )
                rhyme = words.add(
                    gr.Dropdown(rhyme_choices("", "zh"), value="", elem_id="rhyme", min_width=130, num_choices_shown=None),
                    label="rhyme",
                )
            imagery = words.add(gr.Textbox(elem_id="words", max_lines=1), label="words", placeholder="words_hint")
            must = words.add(gr.Checkbox(elem_id="must"), label="must")
            acrostic = words.add(gr.Textbox(elem_id="acrostic", max_lines=1), label="acrostic", placeholder="acrostic_hint")
            template = words.add(
                gr.Textbox(elem_id="template", lines=2, max_lines=8), label="template", placeholder="template_hint"
            )
            with gr.Accordion(say("more", "zh"), open=False) as more:
                words.add(more, label="more")
                drafts = words.add(
                    gr.Slider(1, max(2, workshop.limits.poems), value=1, step=1, elem_id="drafts"), label="drafts"
                )
                with gr.Row():
                    pattern = words.add(
                        gr.Textbox(max_lines=1, elem_id="pattern", min_width=130), label="pattern", placeholder="pattern_hint"
                    )
                    lines = words.add(gr.Number(precision=0, minimum=0, elem_id="lines", min_width=130), label="lines")
                with gr.Row():
                    seed = words.add(gr.Textbox(max_lines=1, elem_id="seed", min_width=130), label="seed")
                    script = gr.Radio(
                        radio_choices("zh", "simplified", "traditional"),
                        value="simplified",
                        elem_id="script",
                        min_width=130,
                    )
                words.add(
                    script,
                    lambda language: {
                        "label": say("script", language),
                        "choices": radio_choices(language, "simplified", "traditional"),
                    },
                )
                free = words.add(gr.Checkbox(elem_id="free"), label="free")
                model = words.add(gr.Dropdown(list(workshop.models), value=workshop.models[0], elem_id="model"), label="model")
            write = words.add(gr.Button(variant="primary", elem_id="write", size="lg"), value="write")
        with gr.Column(scale=6, min_width=320):
            sheaf = gr.State(Sheaf())
            message = gr.HTML("", elem_id="message", apply_default_css=False, visible=False)
            poem = gr.HTML(
                sheaf_html(Sheaf(), Layout(), "zh"),
                js_on_load=_TAPS,
                elem_id="poem",
                elem_classes="paper",
                apply_default_css=False,
            )
            options = gr.HTML("", js_on_load=_TAPS, elem_id="options", apply_default_css=False)
            with gr.Column(visible=False, elem_id="desk", elem_classes="quiet") as desk:
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
                    unlock = words.add(gr.Button(elem_id="unlock", min_width=90, scale=1), value="unlock_all")
                    previous = words.add(gr.Button(elem_id="previous", min_width=90, scale=1), value="previous")
                    following = words.add(gr.Button(elem_id="next", min_width=90, scale=1), value="next")

    fields = [form, title, author, acrostic, rhyme, template, pattern, lines, script, free, seed, drafts, model, imagery, must]
    outputs = [sheaf, poem, options, message, desk]

    def shown(sheaf: Sheaf, layout: Layout, language: Language, problem: str = "") -> list[Any]:
        view = sheaf_html(sheaf, layout, language)
        message = gr.update(value=problem, visible=bool(problem))
        return [sheaf, view, options_html(sheaf, language), message, gr.update(visible=bool(sheaf.drafts))]

    def steps(
        found: Callable[[], Iterator[Progress | Sheaf]], sheaf: Sheaf, layout: Layout, language: Language, keep: bool = False
    ) -> Iterator[list[Any]]:
        """Shows a poem while it is made; with `keep` the old one stays until then, with a notice beneath it."""
        no_message = gr.update(value="", visible=False)
        try:
            for step in found():
                if isinstance(step, Sheaf):
                    yield shown(step, layout, language)
                elif keep:
                    yield [gr.skip(), gr.skip(), notice_html(step.notice), no_message, gr.skip()]
                else:
                    yield [gr.skip(), progress_html(step, layout, language), "", no_message, gr.skip()]
        except Exception as error:
            yield shown(sheaf, layout, language, problem_html(error, language))

    def on_write(code: str, columns: str, tones: bool, sheaf: Sheaf, request: gr.Request, *values: Any) -> Iterator[list[Any]]:
        language, layout = language_of(code), layout_of(columns, tones)

        def found() -> Iterator[Progress | Sheaf]:
            return composing.compose(workshop, _wish(*values), visitor(request), language)

        yield from steps(found, sheaf, layout, language)

    def on_rewrite(code: str, columns: str, tones: bool, sheaf: Sheaf, request: gr.Request) -> Iterator[list[Any]]:
        language, layout = language_of(code), layout_of(columns, tones)
        yield from steps(lambda: composing.rewrite(workshop, sheaf, visitor(request), language), sheaf, layout, language)

    def on_lock(code: str, columns: str, tones: bool, sheaf: Sheaf, mode: str, event: gr.EventData) -> list[Any]:
        language, layout = language_of(code), layout_of(columns, tones)
        if mode == "choose":
            return [gr.skip()] * len(outputs)
        return _attempt(lambda: composing.toggle_lock(sheaf, event._data["spot"], language), sheaf, layout, language)

    def on_choose(
        code: str, columns: str, tones: bool, sheaf: Sheaf, mode: str, event: gr.EventData, request: gr.Request
    ) -> Iterator[list[Any]]:
        language, layout = language_of(code), layout_of(columns, tones)
        if mode != "choose":
            yield [gr.skip()] * len(outputs)
            return
        place = event._data["spot"]
        yield from steps(
            lambda: composing.offer(workshop, sheaf, place, visitor(request), language), sheaf, layout, language, keep=True
        )

    def on_take(code: str, columns: str, tones: bool, sheaf: Sheaf, event: gr.EventData) -> list[Any]:
        language, layout = language_of(code), layout_of(columns, tones)
        return _attempt(lambda: composing.take(sheaf, event._data["option"], language), sheaf, layout, language)

    def _attempt(step: Callable[[], Sheaf], sheaf: Sheaf, layout: Layout, language: Language) -> list[Any]:
        try:
            return shown(step(), layout, language)
        except Exception as error:
            return shown(sheaf, layout, language, problem_html(error, language))

    def redraw(code: str, columns: str, tones: bool, sheaf: Sheaf, form: str) -> list[Any]:
        language = language_of(code)
        view = shown(sheaf, layout_of(columns, tones), language)
        return [*view[1:3], gr.update(choices=rhyme_choices(form, language))]

    def turned(steps: int) -> Callable[..., list[Any]]:
        return lambda code, columns, tones, sheaf: shown(sheaf.turned(steps), layout_of(columns, tones), language_of(code))

    writing: dict[str, Any] = {**HIDDEN, "concurrency_limit": workshop.limits.waiting + 1, "concurrency_id": "writing"}
    state = [*look, sheaf]
    for begin in (write.click, title.submit):
        begin(on_write, [*state, *fields], outputs, **writing)
    write.click(None, js=_SHOW_POEM)
    rewrite.click(on_rewrite, state, outputs, **writing)
    poem.click(on_lock, [*state, tapping], outputs, trigger_mode="multiple", **HIDDEN, concurrency_limit=1)
    poem.click(on_choose, [*state, tapping], outputs, **writing)
    options.select(on_take, state, outputs, **HIDDEN)
    unlock.click(
        lambda code, columns, tones, sheaf: shown(composing.unlock_all(sheaf), layout_of(columns, tones), language_of(code)),
        state,
        outputs,
        **HIDDEN,
    )
    previous.click(turned(-1), state, outputs, **HIDDEN)
    following.click(turned(1), state, outputs, **HIDDEN)
    form.change(
        lambda form, code: gr.update(choices=rhyme_choices(form or "", language_of(code)), value=""),
        [form, look[0]],
        [rhyme],
        **HIDDEN,
    )
    return redraw, [sheaf, form], [poem, options, rhyme]


def _hint(language: Language) -> str:
    return f'<p class="hintline">{escape(say("hint", language))}</p>'


def _wish(
    form: Any,
    title: Any,
    author: Any,
    acrostic: Any,
    rhyme: Any,
    template: Any,
    pattern: Any,
    lines: Any,
    script: Any,
    free: Any,
    seed: Any,
    drafts: Any,
    model: Any,
    imagery: Any,
    must: Any,
) -> Wish:
    """The page's fields as a wish: whatever a browser sends, of the right kind."""
    return Wish(
        form=str(form or ""),
        title=str(title or ""),
        author=str(author or ""),
        acrostic=str(acrostic or ""),
        rhyme=str(rhyme or ""),
        template=str(template or ""),
        pattern=str(pattern or ""),
        lines=int(lines) if isinstance(lines, int | float) and lines >= 1 else None,
        script="traditional" if script == "traditional" else "simplified",
        free=bool(free),
        seed=str(seed or ""),
        drafts=int(drafts) if isinstance(drafts, int | float) else 1,
        model=str(model or ""),
        words=str(imagery or ""),
        must=bool(must),
    )
