"""The studio's page: a head and four tabs, five where trainings may be started, in Gradio.

In: a `Workshop`. Out: `gradio.Blocks`. What the page knows of a session (drafts, checked poems, a pair) is kept on the
server; the page sends words, taps and names, each of which is checked before it is used.

    head: language, layout ──┐
    作诗 compose   校律 check   对观 compare   微调 training   训练 runs ──> HTML, made by the *_page modules
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources

import gradio as gr

from gemma_poetry.studio.check_tab import check_tab
from gemma_poetry.studio.compose_tab import compose_tab
from gemma_poetry.studio.other_tabs import compare_tab, runs_tab
from gemma_poetry.studio.page_parts import HIDDEN, Redraw, Wording, language_of, radio_choices
from gemma_poetry.studio.texts import LANGUAGES, Language, preferred_language, say
from gemma_poetry.studio.training_tab import training_tab
from gemma_poetry.studio.verse import escape
from gemma_poetry.studio.workshop import Workshop

_ASSETS = resources.files("gemma_poetry") / "assets" / "studio"
STYLE = _ASSETS / "studio.css"
SCRIPT = _ASSETS / "studio.js"

TABS: tuple[tuple[str, Callable[..., Redraw]], ...] = (
    ("compose", compose_tab),
    ("check", check_tab),
    ("compare", compare_tab),
    ("training", training_tab),
    ("runs", runs_tab),
)
"""The tabs in their order: the key of each one's name, and what lays it out."""


def theme() -> gr.themes.Base:
    """Calm paper colours, in a dark system too; no font from a network."""
    sans = ("Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", "system-ui", "sans-serif")
    made = gr.themes.Base(primary_hue="emerald", neutral_hue="stone", font=sans, font_mono=("monospace",)).set(
        body_background_fill="#f7f2e7",
        body_text_color="#2c2824",
        body_text_color_subdued="#6f675b",
        block_background_fill="#fbf7ec",
        block_border_color="#ddd2bc",
        block_border_width="1px",
        block_radius="10px",
        block_label_background_fill="transparent",
        block_label_text_color="#6f675b",
        block_title_text_color="#5a5347",
        block_info_text_color="#6b6255",
        border_color_primary="#ddd2bc",
        background_fill_primary="#fbf7ec",
        background_fill_secondary="#f7f2e7",
        input_background_fill="#fffdf7",
        input_border_color="#d8ccb4",
        input_placeholder_color="#776e5f",
        button_primary_background_fill="#2f6159",
        button_primary_background_fill_hover="#254e47",
        button_primary_text_color="#ffffff",
        button_secondary_background_fill="#efe6d1",
        button_secondary_background_fill_hover="#e5d9bd",
        button_secondary_text_color="#2c2824",
        checkbox_background_color="#fffdf7",
        checkbox_background_color_selected="#2f6159",
        checkbox_border_color_selected="#2f6159",
        checkbox_label_background_fill="#fffdf7",
        checkbox_label_background_fill_selected="#dfeae3",
        checkbox_label_text_color_selected="#2c2824",
        slider_color="#2f6159",
        color_accent="#2f6159",
        color_accent_soft="#dfeae3",
    )
    for name in [name for name in vars(made) if name.endswith("_dark")]:
        light = getattr(made, name.removesuffix("_dark"), None)
        if light is not None:
            setattr(made, name, light)
    return made


def build(workshop: Workshop) -> gr.Blocks:
    """The whole page."""
    words = Wording()
    with gr.Blocks(title="诗斋 · The Poet's Studio", analytics_enabled=False, delete_cache=(600, 3600)) as page:
        with gr.Row(elem_classes="head"):
            words.add(
                gr.HTML(_masthead("zh"), elem_classes="masthead", apply_default_css=False, min_width=260),
                lambda language: {"value": _masthead(language)},
            )
            with gr.Row(elem_classes="switches quiet"):
                language = gr.Radio(
                    [(name, code) for code, name in LANGUAGES.items()],
                    value="zh",
                    show_label=False,
                    container=False,
                    elem_id="language",
                )
                columns = gr.Radio(
                    radio_choices("zh", "vertical", "horizontal"),
                    value="vertical",
                    show_label=False,
                    container=False,
                    elem_id="layout",
                )
                words.add(columns, lambda language: {"choices": radio_choices(language, "vertical", "horizontal")})
                tones = words.add(
                    gr.Checkbox(value=True, label=say("tones", "zh"), container=False, elem_id="tones"), label="tones"
                )
                pinyin = words.add(
                    gr.Checkbox(value=False, label=say("pinyin", "zh"), container=False, elem_id="pinyin"), label="pinyin"
                )
        look = [language, columns, tones, pinyin]
        redraws = []
        with gr.Tabs():
            for key, make in TABS:
                if key == "training" and workshop.training is None:
                    continue
                with gr.Tab(say(key, "zh"), id=key) as tab:
                    words.add(tab, label=key)
                    redraws.append(make(workshop, words, look, page))
        for seen_of in look:
            for function, inputs, outputs in redraws:
                seen_of.change(function, [*look, *inputs], outputs, **HIDDEN)
        language.change(lambda code: words.updates(language_of(code)), [language], words.components, queue=False, **HIDDEN)
        page.load(_preferred, None, [language], **HIDDEN)
    return page


def _preferred(request: gr.Request) -> str:
    return preferred_language(request.headers.get("accept-language", ""))


def _masthead(language: Language) -> str:
    title, subtitle = escape(say("title", language)), escape(say("subtitle", language))
    return f'<h1 lang="{language}">{title}</h1><p>{subtitle}</p>'
