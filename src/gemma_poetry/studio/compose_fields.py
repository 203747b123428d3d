"""What a poet fills in before a poem is written, in Gradio: form and title first, the rest folded away.

In: a `Workshop`. Out: `Fields`, whose values make a `Wish`; examples that fill them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from gemma_poetry.generation.request import MANNERS
from gemma_poetry.studio.page_parts import (
    HIDDEN,
    Wording,
    book_choices,
    form_choices,
    language_of,
    radio_choices,
    rhyme_choices,
)
from gemma_poetry.studio.texts import Language, say
from gemma_poetry.studio.wish import COUPLET, EXAMPLES, Wish
from gemma_poetry.studio.workshop import PROPOSED_FORM, Workshop

_FOLDS = {
    "fold_style": ("author", "book", "rhyme", "rhyme_words", "answered", "words", "must"),
    "fold_given": ("first_line", "acrostic", "acrostic_end", "template"),
}
"""Which fields are folded away under which heading; an example opens the fold that it fills."""

_FILLED = ("form", "title", "upper", *(name for names in _FOLDS.values() for name in names))
_WHOLE = ("lines", "drafts", "effort", "best_of")


@dataclass(slots=True)
class Fields:
    """The components that a wish is made of.

    Attributes:
        by_name: Each by the name of the field of `Wish` that it fills.
        folds: The folds, by the keys of their headings.
        examples: The buttons that fill the fields, by the keys of `EXAMPLES`.
        write: The button that writes.
    """

    by_name: dict[str, Any] = field(default_factory=dict)
    folds: dict[str, Any] = field(default_factory=dict)
    examples: dict[str, Any] = field(default_factory=dict)
    write: Any = None

    @property
    def components(self) -> list[Any]:
        """All of them, in the order that `wish` takes their values."""
        return list(self.by_name.values())

    def wish(self, values: Sequence[Any]) -> Wish:
        """The page's fields as a wish: whatever a browser sends, of the right kind."""
        return wish_of(dict(zip(self.by_name, values)))


def wish_of(values: dict[str, Any]) -> Wish:
    """A wish from what a browser sent; what is of the wrong kind counts as not filled in."""
    usual = Wish()
    made: dict[str, Any] = {}
    for name, value in values.items():
        if name in _WHOLE:
            made[name] = int(value) if isinstance(value, int | float) and value >= 1 else getattr(usual, name)
        elif name == "temperature":
            made[name] = float(value) if isinstance(value, int | float) and 0 <= value <= 10 else None
        elif isinstance(getattr(usual, name), bool):
            made[name] = bool(value)
        else:
            made[name] = str(value or "")
    effort = made.get("effort")
    return Wish(**{**made, "effort": min(effort, 5) if effort else None})


def compose_fields(workshop: Workshop, words: Wording, language: Any) -> Fields:
    """Lays the fields out, in the column that is open.

    Args:
        workshop: What the page works with.
        words: Takes the words of each component.
        language: The component that says the language of the page.
    """
    made = Fields()
    own = made.by_name

    def text(name: str, **more: Any) -> None:
        box = gr.Textbox(elem_id=name, max_lines=1, min_width=130, max_length=workshop.limits.characters, **more)

        def said(language: Language) -> dict[str, Any]:
            hint = {} if name == "seed" else {"placeholder": say(f"{name}_hint", language)}
            return {"label": say(name, language), **hint}

        own[name] = words.add(box, said)

    own["form"] = words.add(
        gr.Dropdown(form_choices("zh"), value=PROPOSED_FORM, allow_custom_value=True, elem_id="form", num_choices_shown=None),
        lambda language: {
            "label": say("form", language),
            "info": say("form_info", language),
            "choices": form_choices(language),
        },
    )
    own["title"] = words.add(
        gr.Textbox(elem_id="title", max_lines=1, max_length=workshop.limits.characters),
        label="poem_title",
        placeholder="poem_title_hint",
    )
    text("upper", visible=False)
    made.write = words.add(gr.Button(variant="primary", elem_id="write", size="lg"), value="write")
    _examples(made, words)
    for key in _FOLDS:
        with gr.Accordion(say(key, "zh"), open=False, elem_id=key) as fold:
            made.folds[key] = words.add(fold, label=key)
            (_style if key == "fold_style" else _given)(own, words, text)
    with gr.Accordion(say("fold_quality", "zh"), open=False, elem_id="fold_quality") as fold:
        made.folds["fold_quality"] = words.add(fold, label="fold_quality")
        _quality(own, words, text, workshop)
    own["form"].change(_on_form, [own["form"], own["book"], language], [own["rhyme"], own["upper"]], **HIDDEN)
    own["book"].change(_on_book, [own["form"], own["book"], language], own["rhyme"], **HIDDEN)
    filled = {name: own[name] for name in _FILLED}
    for key, button in made.examples.items():
        button.click(_filling(EXAMPLES[key]), None, [*filled.values(), *(made.folds[fold] for fold in _FOLDS)], **HIDDEN)
    return made


def _filling(wish: Wish) -> Callable[[], list[Any]]:
    """What an example does: it fills the fields that say what to write, and opens the folds where it put something."""

    def fill() -> list[Any]:
        values = [gr.update(value=getattr(wish, name)) for name in _FILLED]
        return values + [gr.update(open=any(getattr(wish, name) for name in names)) for names in _FOLDS.values()]

    return fill


def _style(own: dict[str, Any], words: Wording, text: Any) -> None:
    with gr.Row():
        text("author")
        book = gr.Dropdown(book_choices("zh"), value="", elem_id="book", min_width=130)
        own["book"] = words.add(book, lambda language: {"label": say("book", language), "choices": book_choices(language)})
        rhyme = gr.Dropdown(rhyme_choices("", "zh"), value="", elem_id="rhyme", min_width=130, num_choices_shown=None)
        own["rhyme"] = words.add(rhyme, label="rhyme")
    text("rhyme_words")
    box = gr.Textbox(elem_id="answered", lines=1, max_lines=6)
    own["answered"] = words.add(box, label="answered", placeholder="answered_hint")
    own["manner"] = words.add(gr.Radio(list(MANNERS), value=MANNERS[0], elem_id="manner"), label="manner")
    text("words")
    own["must"] = words.add(gr.Checkbox(elem_id="must"), label="must")


def _given(own: dict[str, Any], words: Wording, text: Any) -> None:
    text("first_line")
    with gr.Row():
        text("acrostic")
        text("acrostic_end")
    box = gr.Textbox(elem_id="template", lines=2, max_lines=8)
    own["template"] = words.add(box, label="template", placeholder="template_hint", info="template_info")


def _quality(own: dict[str, Any], words: Wording, text: Any, workshop: Workshop) -> None:
    usual = workshop.settings
    own["effort"] = words.add(gr.Slider(1, 5, value=usual.effort, step=1, elem_id="effort"), label="effort")
    own["temperature"] = words.add(
        gr.Slider(0, max(1.5, usual.temperature), value=usual.temperature, step=0.05, elem_id="temperature"),
        label="temperature",
    )
    own["drafts"] = words.add(gr.Slider(1, max(2, workshop.limits.poems), value=1, step=1, elem_id="drafts"), label="drafts")
    with gr.Row():
        text("pattern")
        own["lines"] = words.add(gr.Number(precision=0, elem_id="lines", min_width=130), label="lines")
    with gr.Row():
        # An empty number is sent as 0, which a minimum would refuse.
        best_of = gr.Number(precision=0, elem_id="best_of", min_width=130)
        own["best_of"] = words.add(best_of, label="best_of")
        text("seed")
    script = gr.Radio(radio_choices("zh", "simplified", "traditional"), value="simplified", elem_id="script")
    own["script"] = words.add(
        script,
        lambda language: {
            "label": say("script", language),
            "choices": radio_choices(language, "simplified", "traditional"),
        },
    )
    for name, value in (("distinct", True), ("lenient", False), ("free", False)):
        own[name] = words.add(gr.Checkbox(value=value, elem_id=name), label=name)
    model = gr.Dropdown(list(workshop.models), value=workshop.models[0], elem_id="model")
    own["model"] = words.add(model, label="model")


def _examples(made: Fields, words: Wording) -> None:
    """Buttons that fill the fields, each with a wish of its own."""
    with gr.Row(elem_id="examples", elem_classes="examples"):
        words.add(gr.HTML(_try("zh"), apply_default_css=False), lambda language: {"value": _try(language)})
        for key in EXAMPLES:
            made.examples[key] = words.add(gr.Button(size="sm", min_width=40, elem_id=key.replace("_", "-")), value=key)


def _try(language: Language) -> str:
    return f"<span>{say('examples', language)}</span>"


def _on_form(form: Any, book: Any, code: str) -> list[Any]:
    return [_on_book(form, book, code), gr.update(visible=str(form or "") == COUPLET)]


def _on_book(form: Any, book: Any, code: str) -> Any:
    named = str(form or "")
    choices = rhyme_choices("" if named == COUPLET else named, language_of(code), str(book or ""))
    return gr.update(choices=choices, value="")
