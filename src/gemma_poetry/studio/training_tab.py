"""The tab that trains, in Gradio.

In: a `Workshop` whose trainings are allowed. Out: its components and what they do, over `training_job` and `training_page`.
What a training is stands in its files: the page asks them while one is at work, and when it is loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from gemma_poetry.config import recipe_names, recipe_with
from gemma_poetry.studio.compare_page import Pair, compare, pair_html
from gemma_poetry.studio.page_parts import HIDDEN, Redraw, Wording, form_choices, language_of, seen, side_by_side, visitor
from gemma_poetry.studio.problems import problem_html
from gemma_poetry.studio.runs_page import COLOURS, curves
from gemma_poetry.studio.texts import Language, complaint, say
from gemma_poetry.studio.training_job import EXPORTS, SAMPLE, UPLOAD_ENDINGS, JobState, TrainingJobs
from gemma_poetry.studio.training_page import data_label, findings_html, log_html, poems_html, state_html
from gemma_poetry.studio.training_wish import JobRequest
from gemma_poetry.studio.verse import escape, notice_html
from gemma_poetry.studio.wish import Wish
from gemma_poetry.studio.workshop import PROPOSED_FORM, Workshop

_SECONDS = 2.0
"""Between two looks at a training that is at work."""


def training_tab(workshop: Workshop, words: Wording, look: list[Any], page: gr.Blocks) -> Redraw:
    jobs = workshop.training
    assert jobs is not None, "the page has this tab where trainings are allowed"
    language_choice = look[0]
    with gr.Row(equal_height=False):
        with gr.Column(scale=4, min_width=320):
            fields, evaluate, upload = _fields(jobs, words)
            begin = _button(words, "train_look", "train-look", variant="primary", size="lg")
        with gr.Column(scale=6, min_width=320):
            message = gr.HTML("", elem_id="train-message", apply_default_css=False, visible=False)
            chosen = words.add(
                gr.Dropdown([], elem_id="train-job", visible=False, min_width=200, filterable=False), label="train_job"
            )
            state = gr.HTML(_nothing("zh"), elem_id="train-state", elem_classes="paper", apply_default_css=False)
            with gr.Row(elem_classes="actions"):
                start = _button(words, "train_start", "train-start", variant="primary", visible=False)
                stop = _button(words, "train_stop", "train-stop", variant="stop", visible=False)
                resume = _button(words, "train_resume", "train-resume", variant="primary", visible=False)
            findings = gr.HTML("", elem_id="train-findings", apply_default_css=False)
            curve = gr.LinePlot(
                x="steps", y="value", color="curve", elem_id="train-curve", height=260, min_width=300, visible=False, buttons=[]
            )
            poems = gr.HTML("", elem_id="train-poems", apply_default_css=False)
            with gr.Column(visible=False, elem_id="train-done") as done:
                go, asked, target, export = _after(words)
            pair = gr.State(None)
            sides = gr.HTML("", elem_id="train-pair", apply_default_css=False)
            log = gr.HTML("", elem_id="train-log", apply_default_css=False)
    # What the page shows: it is drawn anew only where that changed.
    drawn_last = gr.State(None)
    timer = gr.Timer(_SECONDS, active=False)
    view = [chosen, state, start, stop, resume, findings, curve, poems, done, log, timer, drawn_last]

    def drawn(code: str, name: str | None, before: Any = None) -> list[Any]:
        """Updates of `view`."""
        language = language_of(code)
        names = jobs.names()
        name = name if name in names else (names[0] if names else None)
        if name is None:
            return [gr.update(choices=[], value=None, visible=False), _nothing(language), *[gr.skip()] * (len(view) - 2)]
        found = jobs.look(name, language)
        now = (code, name, found)
        if now == before:
            return [gr.skip()] * len(view)
        same_curve = isinstance(before, tuple) and (before[0], before[1], before[2].points) == (code, name, found.points)
        return [
            gr.update(choices=names, value=name, visible=len(names) > 1),
            state_html(found, jobs.run_folder(name), language),
            gr.update(visible=found.status == "looked"),
            gr.update(visible=found.status == "running"),
            gr.update(visible=found.goes_on and found.status != "looked"),
            findings_html(found, language),
            gr.skip() if same_curve else _curve(found, jobs.run_folder(name), language),
            poems_html(found, language),
            gr.update(visible=bool(found.manifest) and found.status != "running"),
            log_html(found, language),
            gr.update(active=found.status == "running"),
            now,
        ]

    def acting(act: Callable[[Language, tuple[Any, ...]], str | None]) -> Callable[..., list[Any]]:
        """A button's function: does something to a training, then shows it; what went wrong stands above."""

        def on_click(request: gr.Request, code: str, name: str | None, *values: Any) -> list[Any]:
            language = language_of(code)
            try:
                workshop.line.count(visitor(request), language)
                shown = act(language, (name, *values)) or name
            except Exception as error:
                return [gr.update(value=problem_html(error, language), visible=True), *drawn(code, name)]
            return [gr.update(value="", visible=False), *drawn(code, shown)]

        return on_click

    def on_begin(language: Language, values: tuple[Any, ...]) -> str:
        _unused, *typed, evaluated = values
        data, model, recipe, rate, epochs, rank, steps = (str(value or "") for value in typed)
        return jobs.begin(JobRequest(data, model, recipe, rate, epochs, rank, steps, bool(evaluated)), language)

    inputs = [language_choice, chosen]
    outputs = [message, *view]
    begin.click(acting(on_begin), [*inputs, *fields, evaluate], outputs, **HIDDEN)
    for button in (start, resume):
        button.click(acting(lambda language, values: jobs.go_on(str(values[0]), language)), inputs, outputs, **HIDDEN)
    stop.click(acting(lambda language, values: jobs.stop(str(values[0]), language)), inputs, outputs, **HIDDEN)
    export.click(
        acting(lambda language, values: jobs.export(str(values[0]), str(values[1]), language)),
        [*inputs, target],
        outputs,
        **HIDDEN,
    )
    timer.tick(drawn, [*inputs, drawn_last], view, **HIDDEN)
    chosen.input(lambda code, name: [*drawn(code, name), None, ""], inputs, [*view, pair, sides], **HIDDEN)
    page.load(lambda code: drawn(code, None), [language_choice], view, **HIDDEN)
    page.load(lambda code: _data_choices(jobs, language_of(code)), [language_choice], [fields[0]], **HIDDEN)

    def on_upload(code: str, sent: str, request: gr.Request) -> tuple[Any, Any]:
        language = language_of(code)
        try:
            workshop.line.count(visitor(request), language)
            kept = jobs.keep_upload(Path(sent), language)
        except Exception as error:
            return gr.update(value=problem_html(error, language), visible=True), gr.skip()
        told = say("train_kept", language, sent=Path(sent).name, name=Path(kept).name)
        return gr.update(value=notice_html(told), visible=True), gr.update(choices=_named(jobs, language), value=kept)

    upload.upload(on_upload, [language_choice, upload], [message, fields[0]], **HIDDEN)

    def on_compare(
        code: str, columns: str, tones: bool, pinyin: bool, name: str, form: str, title: str, request: gr.Request
    ) -> Iterator[tuple[Any, Any]]:
        language, layout = seen(code, columns, tones, pinyin)
        try:
            wish = Wish(form=str(form or ""), title=str(title or ""))
            pair_of = _pair_of(workshop, str(name), language)
            yield from side_by_side(compare(workshop, wish, pair_of, visitor(request), language), layout, language)
        except Exception as error:
            yield None, problem_html(error, language)

    go.click(
        on_compare,
        [*look, chosen, *asked],
        [pair, sides],
        **HIDDEN,
        concurrency_limit=workshop.limits.waiting + 1,
        concurrency_id="writing",
    )

    def redraw(code: str, columns: str, tones: bool, pinyin: bool, name: str | None, pair: Pair | None) -> list[Any]:
        language, layout = seen(code, columns, tones, pinyin)
        shown = pair_html(pair, layout, language) if pair else gr.skip()
        return [*drawn(code, name), _data_choices(jobs, language), shown]

    return redraw, [chosen, pair], [*view, fields[0], sides]


def _fields(jobs: TrainingJobs, words: Wording) -> tuple[list[Any], Any, Any]:
    """What is asked for, in the order of `JobRequest`; the box for an evaluation; the button that sends a text."""
    names = recipe_names()
    recipe = "quickstart" if "quickstart" in names else names[0]
    data = words.add(gr.Dropdown(_named(jobs, "zh"), value=SAMPLE, elem_id="train-data", filterable=False), label="train_data")
    upload = gr.UploadButton(file_types=list(UPLOAD_ENDINGS), elem_id="train-upload", size="md", type="filepath")
    megabytes = jobs.largest_upload // 2**20
    words.add(
        upload,
        lambda language: {
            "label": f"{say('train_upload', language)} "
            f"({say('train_upload_info', language, endings=' '.join(UPLOAD_ENDINGS), megabytes=megabytes)})"
        },
    )
    with gr.Row(equal_height=False):
        models = list(jobs.models)
        model = words.add(
            gr.Dropdown(models, value=models[0], elem_id="train-model", min_width=150, filterable=False), label="train_model"
        )
        chosen = words.add(
            gr.Dropdown(names, value=recipe, elem_id="train-recipe", min_width=150, filterable=False), label="train_recipe"
        )
    numbers = []
    with gr.Row(equal_height=False):
        for key in ("rate", "epochs", "rank", "steps"):
            field = gr.Textbox(elem_id=f"train-{key}", max_lines=1, min_width=130, placeholder=_own(recipe)[key])
            numbers.append(words.add(field, label=f"train_{key}"))
    chosen.input(
        lambda name: [gr.update(placeholder=_own(str(name))[key]) for key in ("rate", "epochs", "rank", "steps")],
        [chosen],
        numbers,
        **HIDDEN,
    )
    evaluate = words.add(gr.Checkbox(value=False, elem_id="train-evaluate", container=False), label="train_evaluate")
    return [data, model, chosen, *numbers], evaluate, upload


def _after(words: Wording) -> tuple[Any, list[Any], Any, Any]:
    """What can be done with a finished run: the button that writes a pair, what it asks, the export and its kind."""
    words.add(gr.HTML(_heading("zh"), apply_default_css=False, min_width=200), lambda language: {"value": _heading(language)})
    with gr.Row(equal_height=False, elem_classes="ends"):
        form = words.add(
            gr.Dropdown(form_choices(), value=PROPOSED_FORM, elem_id="train-form", min_width=140, num_choices_shown=None),
            label="form",
        )
        title = words.add(
            gr.Textbox(elem_id="train-title", max_lines=1, min_width=140), label="poem_title", placeholder="poem_title_hint"
        )
        go = _button(words, "train_pair_go", "train-compare", variant="primary", min_width=140)
    with gr.Row(equal_height=False, elem_classes="ends"):
        target = words.add(
            gr.Dropdown(list(EXPORTS), value=EXPORTS[0], elem_id="train-target", min_width=140, filterable=False),
            label="train_export_as",
        )
        export = _button(words, "train_export", "train-export", min_width=140)
    return go, [form, title], target, export


def _pair_of(workshop: Workshop, name: str, language: Language) -> tuple[str, str]:
    """The names of a finished run and its base, by which the workshop can write with them."""
    jobs = workshop.training
    assert jobs is not None
    state = jobs.look(name, language)
    if not state.manifest:
        raise complaint("not_trained", language)
    model = str(state.request["model"])
    tuned = f"{model} · {name}"
    workshop.admit({model: str(state.request["spec"]), tuned: str(jobs.run_folder(name))})
    return model, tuned


def _curve(state: JobState, run: Path, language: Language) -> Any:
    """The curve of the loss, from its first point in training on.

    The plot keeps the curves that it was first drawn with: their names are the same for every training and language, and
    validation alone, as it is before the first step, is not drawn.
    """
    losses = curves({"": run}, [""], language)[0] if state.points else None
    keys = ("training_curve", "validation_curve")
    names = {f" · {say(key, language)}": f"{say(key, 'zh')} {say(key, 'en')}" for key in keys}
    if losses is None or next(iter(names)) not in set(losses["curve"]):
        return gr.update(visible=False)
    return gr.update(
        visible=True,
        value=losses.assign(curve=losses["curve"].map(names)),
        color_map=dict(zip(names.values(), COLOURS)),
        y_title=say("loss", language),
        x_title=say("steps", language),
        color_title=say("curve", language),
        label=say("loss", language),
    )


def _own(recipe: str) -> dict[str, str]:
    """What a recipe says where the page says nothing."""
    read = recipe_with(recipe if recipe in recipe_names() else None)
    steps = read.train.max_steps
    return {
        "rate": f"{read.train.learning_rate:g}",
        "epochs": f"{read.train.epochs:g}",
        "rank": str(read.lora.rank),
        "steps": str(steps) if steps else "—",
    }


def _named(jobs: TrainingJobs, language: Language) -> list[tuple[str, str]]:
    return [(data_label(name, language), name) for name in jobs.data_names()]


def _data_choices(jobs: TrainingJobs, language: Language) -> Any:
    return gr.update(choices=_named(jobs, language))


def _button(words: Wording, key: str, element: str, **properties: Any) -> Any:
    return words.add(gr.Button(elem_id=element, **properties), value=key)


def _nothing(language: Language) -> str:
    return f'<div class="blank">{notice_html(say("train_none", language))}</div>'


def _heading(language: Language) -> str:
    return f"<h4>{escape(say('train_pair', language))}</h4>"
