"""The console script `gemma-poetry`: one thin handler a verb.

In: the command line. Out: a call of the module of the same name in `verbs/`, its result on standard output, progress and
messages on standard error, and the exit status: 0 done, 1 a verdict is negative, 2 usage or input error.

Nothing heavy is imported at the top: `--help` answers at once.
"""

from __future__ import annotations

import gc
import os
import sys
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from gemma_poetry.errors import GemmaPoetryError, UsageError

app = typer.Typer(
    name="gemma-poetry",
    help="Fine-tune Gemma to write classical Chinese poetry: prepare, train, evaluate, generate.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

RecipeOption = Annotated[str | None, typer.Option("--recipe", help="A packaged recipe, or a YAML file.", metavar="NAME|FILE")]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", help="Override one setting; may be repeated.", metavar="SECTION.KEY=VALUE")
]
ModelOption = Annotated[str, typer.Option("--model", help="mini, a RUN or model folder, or a Hub id.")]
SeedOption = Annotated[int | None, typer.Option("--seed", help="Seed of every random draw.")]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON lines on standard output.")]
ResumeOption = Annotated[bool, typer.Option("--resume", help="Go on from the newest complete checkpoint.")]


def _recipe(recipe: str | None, overrides: list[str] | None, **settings: Any) -> Any:
    """The recipe with `--set` and the verb's own options (`section__key=value`, `None` left out) on top."""
    from gemma_poetry.config import load_recipe, override

    named = [override(name.replace("__", "."), value) for name, value in settings.items() if value is not None]
    return load_recipe(recipe, [*(overrides or []), *named])


def _names(listed: str | None) -> list[str] | None:
    """The names of an option that takes several, with a comma (Chinese or not) between them."""
    return None if listed is None else [name.strip() for name in listed.replace("，", ",").split(",") if name.strip()]


def _print_json(value: Any) -> None:
    import json

    print(json.dumps(value, ensure_ascii=False))


def _print_all(items: Iterable[Any]) -> None:
    """Text as it is, records as JSON lines."""
    for item in items:
        if isinstance(item, str):
            print(item)
        else:
            _print_json(item)


def _choice(option: str, value: str, known: tuple[str, ...]) -> Any:
    """The value of an option that has a few.

    Raises:
        UsageError: It is none of them.
    """
    if value not in known:
        raise UsageError(f"{option} cannot be {value!r}", expected=f"one of {', '.join(known)}")
    return value


def _console() -> Any:
    """Standard output; where it is no terminal, wide enough for every table."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 140)


def _print_tables(tables: Iterable[Any]) -> None:
    for table in tables:
        _console().print(table)


def _print_rows(title: str, rows: list[tuple[str, str]]) -> None:
    from rich.table import Table

    table = Table(title=title, show_header=False, title_justify="left")
    for name, value in rows:
        table.add_row(name, value)
    _console().print(table)


@app.command()
def prepare(
    source: Annotated[str, typer.Option("--source", help="sample, chinese-poetry, or a folder, archive or file.")],
    out: Annotated[Path, typer.Option("--out", help="The DATA folder to write.")],
    model: ModelOption = "mini",
    domain: Annotated[str, typer.Option("--domain", help="Language or style of the texts; see gemma-poetry domains.")] = (
        "classical-chinese"
    ),
    script: Annotated[str | None, typer.Option("--script", help="simplified or traditional.")] = None,
    forms: Annotated[str | None, typer.Option("--forms", help="Forms to keep, comma between them.")] = None,
    authors: Annotated[str | None, typer.Option("--authors", help="Authors to keep, comma between them.")] = None,
    title_words: Annotated[
        str | None, typer.Option("--title-words", help="Keep poems with one of these words in the title, comma between them.")
    ] = None,
    max_poems: Annotated[int | None, typer.Option("--max-poems", help="Poems to draw at random.")] = None,
    export: Annotated[
        str | None, typer.Option("--export", help="Also for other trainers: arrow, parquet, jsonl, comma between them.")
    ] = None,
    seed: SeedOption = None,
    recipe: RecipeOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Turn a collection into DATA: cleaned, classified, deduplicated, split without leaks, tokenized."""
    from gemma_poetry.domains.registry import load_domain
    from gemma_poetry.model.base import load_tokenizer
    from gemma_poetry.verbs.prepare import check_output, summary
    from gemma_poetry.verbs.prepare import prepare as run

    taught = load_domain(domain)
    wanted = _names(forms)
    options = {
        "script": script,
        "forms": wanted and [taught.form_name(name) for name in wanted],
        "authors": _names(authors),
        "title_words": _names(title_words),
        "max_poems": max_poems,
        "exports": _names(export),
        "seed": seed,
    }
    settings = _recipe(recipe, overrides, **{f"prepare__{name}": value for name, value in options.items()}).prepare
    check_output(out, source)
    stats = run(source, out, settings, load_tokenizer(model), model, taught)
    if as_json:
        _print_json(stats)
    else:
        _print_rows(str(out), summary(stats))


@app.command()
def pretrain(
    data: Annotated[Path, typer.Option("--data", help="A DATA folder.")],
    out: Annotated[Path, typer.Option("--out", help="The MODEL folder to write.")],
    preset: Annotated[str | None, typer.Option("--preset", help="mini or 350m.")] = None,
    recipe: RecipeOption = None,
    overrides: SetOption = None,
    resume: ResumeOption = False,
    start: Annotated[Path | None, typer.Option("--from", help="Begin with the weights of this pretrained MODEL.")] = None,
) -> None:
    """Train a Gemma 3 model from scratch on a prepared collection."""
    from gemma_poetry.training.pretraining import pretrain as run

    manifest = run(data, out, _recipe(recipe, overrides, pretrain__preset=preset).pretrain, resume=resume, start=start)
    if manifest:
        rows = [("parameters", f"{manifest['parameters']:,}"), ("steps", f"{manifest['steps']:,}")]
        _print_rows(str(out), [*rows, *((name, f"{value:.1f}") for name, value in manifest["validation"].items())])


@app.command()
def train(
    data: Annotated[Path, typer.Option("--data", help="A DATA folder.")],
    out: Annotated[Path, typer.Option("--out", help="The RUN folder to write.")],
    model: ModelOption = "mini",
    recipe: RecipeOption = None,
    overrides: SetOption = None,
    resume: ResumeOption = False,
    keep_vocabulary: Annotated[
        bool, typer.Option("--keep-vocabulary", help="Train over all rows of the vocabulary, not those that DATA can need.")
    ] = False,
    backend: Annotated[
        str, typer.Option("--backend", help="transformers, or keras (its environment: make keras).")
    ] = "transformers",
) -> None:
    """Fine-tune a model with LoRA on a prepared collection."""
    if _choice("--backend", backend, ("transformers", "keras")) == "keras":
        from gemma_poetry.verbs.train_keras import summary
        from gemma_poetry.verbs.train_keras import train_with_keras as run
    else:
        from gemma_poetry.verbs.train import summary
        from gemma_poetry.verbs.train import train as run

    settings = _recipe(recipe, overrides, train__vocabulary="whole" if keep_vocabulary else None)
    manifest = run(data, model, out, settings, resume=resume, recipe_name=recipe or "")
    if manifest:
        _print_rows(str(out), summary(manifest))


@app.command()
def evaluate(
    runs: Annotated[
        list[str] | None, typer.Option("--run", help="A RUN (base and tuned side by side), or any model; may be repeated.")
    ] = None,
    data: Annotated[Path | None, typer.Option("--data", help="A DATA folder.")] = None,
    split: Annotated[str, typer.Option("--split", help="train, val or test.")] = "test",
    generations: Annotated[
        list[Path] | None,
        typer.Option("--generations", help="Poems of any other system: JSONL or plain text; may be repeated."),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Where the figures go; default RUN/eval.")] = None,
    seed: SeedOption = None,
    recipe: RecipeOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Perplexity and BLEU-4 of base and tuned on held-out poems, with intervals, beside the human reference."""
    from gemma_poetry.evaluation.table import terminal_tables
    from gemma_poetry.verbs.evaluate import EvaluateOptions
    from gemma_poetry.verbs.evaluate import evaluate as judge

    settings = _recipe(recipe, overrides, evaluate__seed=seed, generate__seed=seed)
    options = EvaluateOptions(
        run=runs[0] if runs else None,
        data=data,
        split=split,
        out=out,
        settings=settings.evaluate,
        sampling=settings.generate,
        others=tuple(runs[1:] if runs else ()),
        generations=tuple(generations or ()),
    )
    results = judge(options)
    if as_json:
        _print_json(results.to_record())
    else:
        _print_tables(terminal_tables(results))


@app.command()
def generate(
    model: ModelOption = "mini",
    form: Annotated[str, typer.Option("--form", help="体裁 or 词牌: 七言绝句, 五律, 菩萨蛮 ...")] = "",
    title: Annotated[str, typer.Option("--title", help="题目")] = "",
    author: Annotated[str, typer.Option("--author", help="作者 whose style is asked for.")] = "",
    pattern: Annotated[str, typer.Option("--pattern", help="平起, 仄起, 首句入韵, 不入韵; of a tune its variant.")] = "",
    metre: Annotated[
        str, typer.Option("--metre", help="strict keeps tones and rhyme; free only lines and characters.")
    ] = "strict",
    lines: Annotated[int | None, typer.Option("--lines", help="Lines of a 排律 or of a form without metre.")] = None,
    first_line: Annotated[str, typer.Option("--first-line", help="The first line, whole.")] = "",
    acrostic: Annotated[str, typer.Option("--acrostic", help="藏头: first characters of the lines.")] = "",
    acrostic_end: Annotated[str, typer.Option("--acrostic-end", help="Last characters of the lines.")] = "",
    rhyme: Annotated[list[str] | None, typer.Option("--rhyme", help="Rhyme group, e.g. 一东; may be repeated.")] = None,
    rhyme_words: Annotated[str, typer.Option("--rhyme-words", help="步韵: the rhyme words in order.")] = "",
    template: Annotated[str, typer.Option("--template", help="Lines with blanks: 空山□□□，□□□□秋。")] = "",
    answer: Annotated[str, typer.Option("--answer", help="上联: write the line that answers it.")] = "",
    polyphones: Annotated[str, typer.Option("--polyphones", help="every or any reading must keep the form.")] = "every",
    distinct: Annotated[bool, typer.Option("--distinct", help="No character twice, reduplication aside.")] = False,
    novel: Annotated[bool, typer.Option("--novel/--no-novel", help="No line of the training corpus.")] = True,
    script: Annotated[str, typer.Option("--script", help="simplified or traditional.")] = "simplified",
    byte_characters: Annotated[
        bool, typer.Option("--byte-characters", help="Also characters that the vocabulary has only as bytes.")
    ] = False,
    data: Annotated[
        Path | None, typer.Option("--data", help="A DATA folder whose training lines are kept out; the nearest is named.")
    ] = None,
    best_of: Annotated[int, typer.Option("--best-of", help="Poems written for each that is kept.")] = 1,
    beams: Annotated[int, typer.Option("--beams", help="Beams of each poem; 1 samples.")] = 1,
    domain: Annotated[str, typer.Option("--domain", help="Language or style; default that of the run.")] = "",
    annotated: Annotated[bool, typer.Option("--annotate", help="Show tones and rhyme as check does.")] = False,
    count: Annotated[int, typer.Option("-n", "--count", help="Poems to write.")] = 1,
    out: Annotated[Path | None, typer.Option("--out", help="A JSONL file to write to.")] = None,
    seed: SeedOption = None,
    recipe: RecipeOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write poems whose form, tones and rhyme cannot be wrong."""
    from gemma_poetry.generation.requests import PoemRequest
    from gemma_poetry.verbs.generate import GenerateOptions
    from gemma_poetry.verbs.generate import generate as write

    settings = _recipe(recipe, overrides, generate__seed=seed).generate
    request = PoemRequest(
        form=form,
        title=title,
        author=author,
        pattern=pattern,
        metre=_choice("--metre", metre, ("strict", "free")),
        lines=lines,
        first_line=first_line,
        acrostic=acrostic,
        acrostic_end=acrostic_end,
        rhymes=tuple(rhyme or ()),
        rhyme_words=rhyme_words,
        template=template,
        answer=answer,
        polyphones=_choice("--polyphones", polyphones, ("every", "any")),
        distinct=distinct,
        novel=novel,
        script=_choice("--script", script, ("simplified", "traditional")),
    )
    write(
        GenerateOptions(
            model,
            request,
            count=count,
            seed=seed,
            as_json=as_json,
            out=out,
            settings=settings,
            annotated=annotated,
            best_of=best_of,
            beams=beams,
            byte_characters=byte_characters,
            data=data,
            domain=domain,
        )
    )


@app.command()
def studio(
    models: Annotated[
        list[str] | None, typer.Option("--model", help="A model that can be chosen; may be repeated; default mini.")
    ] = None,
    runs: Annotated[
        list[Path] | None,
        typer.Option("--run", help="A RUN: it and its base can be chosen, its curves are shown; may be repeated."),
    ] = None,
    host: Annotated[str, typer.Option("--host", help="Address to listen on; beyond this machine a password is required.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option("--port", help="Port to listen on.", min=1, max=65535)] = 7860,
    password_file: Annotated[Path | None, typer.Option("--password-file", help="A file with the password in line 1.")] = None,
    max_requests: Annotated[int, typer.Option("--max-requests", help="Requests a visitor and minute.")] = 30,
    max_poems: Annotated[int, typer.Option("--max-poems", help="Poems a request.")] = 4,
    max_characters: Annotated[int, typer.Option("--max-characters", help="Characters of input a request.")] = 2000,
    recipe: RecipeOption = None,
    overrides: SetOption = None,
) -> None:
    """Open a page to compose, check and compare poems, in Chinese and English."""
    from gemma_poetry.verbs.studio import StudioOptions
    from gemma_poetry.verbs.studio import studio as serve

    serve(
        StudioOptions(
            models=tuple(models or ()),
            runs=tuple(runs or ()),
            host=host,
            port=port,
            password_file=password_file,
            requests=max_requests,
            poems=max_poems,
            characters=max_characters,
            settings=_recipe(recipe, overrides).generate,
        )
    )


@app.command()
def export(
    run: Annotated[Path, typer.Option("--run", help="The RUN to export.")],
    to: Annotated[str, typer.Option("--to", help="peft, merged, ollama, gguf or hub.")],
    out: Annotated[Path | None, typer.Option("--out", help="The folder to write; default RUN/export/TO.")] = None,
    dtype: Annotated[
        str, typer.Option("--dtype", help="auto (as in the base model), float32 or bfloat16, of merged weights.")
    ] = "auto",
    repository: Annotated[str, typer.Option("--repo", help="owner/name on the Hub.")] = "",
    private: Annotated[bool, typer.Option("--private/--public", help="Whether a new repository is private.")] = True,
    recipe: RecipeOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a run for other programs, and compare what they will load with the run."""
    from gemma_poetry.verbs.export import DTYPES, TARGETS, ExportOptions
    from gemma_poetry.verbs.export import export as write

    exported = write(
        ExportOptions(
            run=run,
            to=_choice("--to", to, TARGETS),
            out=out,
            dtype=_choice("--dtype", dtype, DTYPES),
            repository=repository,
            private=private,
            sampling=_recipe(recipe, overrides).generate,
        )
    )
    if as_json:
        _print_json(exported.to_record())
    else:
        _print_rows(str(exported.folder), exported.rows())


@app.command()
def doctor(
    data: Annotated[Path, typer.Option("--data", help="A DATA folder.")],
    model: ModelOption = "mini",
    out: Annotated[Path | None, typer.Option("--out", help="Where the RUN would be written: its disk is looked at.")] = None,
    recipe: RecipeOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Look a training over before an hour is spent on it; exit status 1 when it would be in vain."""
    from gemma_poetry.model.findings import has_fault
    from gemma_poetry.verbs.doctor import doctor as examine
    from gemma_poetry.verbs.doctor import findings_table

    findings = []
    for finding in examine(model, data, _recipe(recipe, overrides), out=out):
        findings.append(finding)
        if as_json:
            _print_json(finding.to_record())
    if not as_json:
        _print_tables([findings_table(findings)])
    sys.exit(1 if has_fault(findings) else 0)


rate = typer.Typer(help="What people think: blind studies, a rating page, their statistics.", no_args_is_help=True)
app.add_typer(rate, name="rate")


@rate.command("build")
def rate_build(
    generations: Annotated[
        list[Path], typer.Option("--generations", help="Poems of a system: generations.jsonl or any file; may be repeated.")
    ],
    data: Annotated[Path, typer.Option("--data", help="A DATA folder: real poems, and the corpus to find copied lines in.")],
    out: Annotated[Path, typer.Option("--out", help="The STUDY folder to write.")],
    poems: Annotated[int, typer.Option("--poems", help="Titles, each with a poem by every system and by a poet.")] = 40,
    raters: Annotated[int, typer.Option("--raters", help="Private links.")] = 12,
    ratings: Annotated[int, typer.Option("--ratings", help="Poems a rater rates.")] = 20,
    pairs: Annotated[int, typer.Option("--pairs", help="Pairs a rater compares.")] = 10,
    checks: Annotated[int, typer.Option("--checks", help="Shuffled poems among them, to see who reads.")] = 2,
    repeats: Annotated[int, typer.Option("--repeats", help="Poems that come a second time.")] = 2,
    base_url: Annotated[str, typer.Option("--base-url", help="Where raters will reach the page.")] = "http://127.0.0.1:7861",
    seed: Annotated[int, typer.Option("--seed", help="Seed of every draw but the links.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Mix poems of systems and poets into a blind, balanced study with a private link for each rater."""
    from gemma_poetry.evaluation.human.building import BuildSettings, summary
    from gemma_poetry.verbs.rate import build, build_record

    settings = BuildSettings(poems, raters, ratings, pairs, checks, repeats, seed)
    plan, links = build(generations, data, out, settings, base_url)
    if as_json:
        _print_json(build_record(plan, links))
    else:
        _print_rows(str(out), [*summary(plan), ("private links", str(out / "links.csv"))])


@rate.command("serve")
def rate_serve(
    study: Annotated[Path, typer.Argument(help="A STUDY folder.")],
    host: Annotated[str, typer.Option("--host", help="The address to listen on; loopback unless named.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="The port to listen on.")] = 7861,
) -> None:
    """Serve the rating page; every click is saved, a link goes on where it was left."""
    from gemma_poetry.verbs.rate import serve

    serve(study, host, port)


@rate.command("report")
def rate_report(
    study: Annotated[Path, typer.Argument(help="A STUDY folder.")],
    out: Annotated[Path | None, typer.Option("--out", help="Where the files go; default STUDY/report.")] = None,
    only_attentive: Annotated[
        bool, typer.Option("--only-attentive", help="Leave out raters that the checks speak against.")
    ] = False,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the intervals.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Means, agreement, preferences and the raters' quality, with intervals; a picture and an anonymous data file."""
    from gemma_poetry.evaluation.human.report import report_tables
    from gemma_poetry.verbs.rate import report

    found, folder = report(study, out, seed=seed, only_attentive=only_attentive)
    if as_json:
        _print_json(found.to_record())
    else:
        _print_tables(report_tables(found))
        print(f"files in {folder}")


@rate.command("simulate")
def rate_simulate(
    effect: Annotated[float, typer.Option("--effect", help="Steps (of 1 to 5) between one system and the next.")] = 0.4,
    systems: Annotated[int, typer.Option("--systems", help="Systems, people included.")] = 3,
    raters: Annotated[str, typer.Option("--raters", help="Numbers of raters to try, comma between them.")] = "6,12,24",
    poems: Annotated[str, typer.Option("--poems", help="Numbers of titles to try, comma between them.")] = "20,40",
    ratings: Annotated[int, typer.Option("--ratings", help="Poems a rater rates.")] = 20,
    pairs: Annotated[int, typer.Option("--pairs", help="Pairs a rater compares.")] = 10,
    studies: Annotated[int, typer.Option("--studies", help="Simulated studies of each size.")] = 200,
    out: Annotated[Path | None, typer.Option("--out", help="A JSON file to write to.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of every draw.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Simulate raters with known effects: do the statistics find them, and how many raters and poems does that take?"""
    from gemma_poetry.evaluation.human.simulation import SimulationSettings, simulation_tables
    from gemma_poetry.verbs.rate import simulate

    settings = SimulationSettings(
        effect, systems, _numbers("--raters", raters), _numbers("--poems", poems), ratings, pairs, studies, seed
    )
    found = simulate(settings, out)
    if as_json:
        _print_json(found.to_record())
    else:
        _print_tables(simulation_tables(found))


def _numbers(option: str, text: str) -> tuple[int, ...]:
    """Whole numbers with commas between them.

    Raises:
        UsageError: One of them is no whole number.
    """
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise UsageError(f"{option} cannot be {text!r}", expected="whole numbers with commas between them") from error


@app.command()
def models(
    tokens: Annotated[int, typer.Option("--tokens", help="Length of a poem with its prompt, in tokens.")] = 128,
    vocabulary_rows: Annotated[
        int | None, typer.Option("--vocabulary-rows", help="Rows that vocabulary pruning leaves; default: all.")
    ] = None,
    recipe: RecipeOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Families and presets: parameters, licence, memory for LoRA and QLoRA, and what fits here."""
    from gemma_poetry.verbs.models import model_records, models_table, this_machine

    settings = _recipe(recipe, overrides)
    machine = this_machine(settings)
    records = model_records(settings, machine, tokens=tokens, vocabulary_rows=vocabulary_rows)
    if as_json:
        _print_all(records)
    else:
        _print_tables([models_table(list(records), settings, machine, tokens=tokens)])


@app.command()
def check(
    file: Annotated[str, typer.Argument(help="A file of poems, or - for standard input.")] = "-",
    form: Annotated[str, typer.Option("--form", help="auto, or the form or tune that every poem must keep.")] = "auto",
    domain: Annotated[str, typer.Option("--domain", help="Language or style of the texts.")] = "classical-chinese",
    as_json: JsonOption = False,
) -> None:
    """Name every fault of form, tones and rhyme, with line and position."""
    from gemma_poetry.verbs.check import check as run

    sys.exit(run(file, form, as_json=as_json, domain=domain))


@app.command()
def domains(as_json: JsonOption = False) -> None:
    """The languages and styles that are known, those of other packages included."""
    from gemma_poetry.verbs.domains import domain_lines, domain_records

    _print_all(domain_records() if as_json else domain_lines())


tunes = typer.Typer(help="词牌: the tunes that are known, and templates of one's own.", no_args_is_help=True)
app.add_typer(tunes, name="tunes")


@tunes.command("list")
def tunes_list(as_json: JsonOption = False) -> None:
    """The tunes that have a template."""
    from gemma_poetry.prosody.tunes import shipped_tunes
    from gemma_poetry.verbs.tunes import list_lines, list_records

    _print_all(list_records(shipped_tunes()) if as_json else list_lines(shipped_tunes()))


@tunes.command("show")
def tunes_show(name: Annotated[str, typer.Argument(help="词牌")], as_json: JsonOption = False) -> None:
    """One tune: its variants, tones and rhymes."""
    from gemma_poetry.verbs.tunes import known_tune, show_lines, show_record

    tune = known_tune(name)
    _print_all([show_record(tune)] if as_json else show_lines(tune))


@tunes.command("induce")
def tunes_induce(
    source: Annotated[str, typer.Argument(help="A collection, as prepare takes it.")],
    out: Annotated[Path, typer.Option("--out", help="The JSON file to write.")],
    era: Annotated[str, typer.Option("--era", help="Only poems of this era.")] = "",
) -> None:
    """Learn templates from a collection of 词."""
    from gemma_poetry.verbs.tunes import induce

    table = induce(source, out, era=era)
    _print_rows(str(out), [("tunes", f"{len(table.tunes):,}"), ("judged", f"{len(table.judged):,}")])


@app.command()
def quickstart(
    out: Annotated[Path, typer.Option("--out", help="The folder to write; an older quickstart is replaced.")] = Path(
        "runs/quickstart"
    ),
    recipe: RecipeOption = "quickstart",
    overrides: SetOption = None,
) -> None:
    """The whole job on embedded data and the embedded model, in a few minutes."""
    from gemma_poetry.verbs.quickstart import quickstart as run

    run(out, _recipe(recipe, overrides))


def main() -> None:
    """Runs the console script; our own errors end it with their text and exit status, never a stack trace."""
    # Notices between libraries (a renamed argument, a bar for reading weights) say nothing to the person at the terminal.
    warnings.simplefilter("ignore", FutureWarning)
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    # Importing torch makes millions of objects that live on; looking through them again and again for cycles takes a
    # sixth of the time to the first poem.
    gc.set_threshold(100_000, 50, 100)
    try:
        app()
    except GemmaPoetryError as error:
        print(f"gemma-poetry: {error}", file=sys.stderr)
        sys.exit(error.exit_status)
    except BrokenPipeError:
        # The reader of a pipe left; what it wanted it has.
        sys.stderr.close()
        sys.exit(0)


if __name__ == "__main__":
    main()
