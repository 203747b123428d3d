"""The command line of `gemma-poetry rate`: its options, and the call of `verbs.rate`.

In: the words behind the verb. Out: STUDY, its page, its report, and simulated studies.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gemma_poetry.cli.options import JsonOption, OverwriteOption, numbers_in
from gemma_poetry.cli.printing import print_json, print_rows, print_tables
from gemma_poetry.languages import _, localized

rate = typer.Typer(help="What people think: blind studies, a rating page, their statistics.", no_args_is_help=True)


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
        print_json(build_record(plan, links))
    else:
        print_rows(str(out), [*summary(plan), (_("private links"), str(out / "links.csv"))])


@rate.command("serve")
def rate_serve(
    study: Annotated[Path, typer.Argument(help="A STUDY folder.")],
    host: Annotated[str, typer.Option("--host", help="The address to listen on; loopback unless named.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="The port to listen on.")] = 7861,
    names: Annotated[
        list[str] | None,
        typer.Option("--name", help="A name that the page is reached under, beside this machine's own; may be repeated."),
    ] = None,
) -> None:
    """Serve the rating page; every click is saved, a link goes on where it was left."""
    from gemma_poetry.verbs.rate import serve

    serve(study, host, port, tuple(names or ()))


@rate.command("report")
def rate_report(
    study: Annotated[Path, typer.Argument(help="A STUDY folder.")],
    out: Annotated[Path | None, typer.Option("--out", help="Where the files go; default STUDY/report.")] = None,
    overwrite: OverwriteOption = False,
    only_attentive: Annotated[
        bool, typer.Option("--only-attentive", help="Leave out raters that the checks speak against.")
    ] = False,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the intervals.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Means, agreement, preferences and the raters' quality, with intervals; a picture and an anonymous data file."""
    from gemma_poetry.evaluation.human.report import report_tables
    from gemma_poetry.verbs.rate import report

    found, folder = report(study, out, seed=seed, only_attentive=only_attentive, overwrite=overwrite)
    if as_json:
        print_json(found.to_record())
    else:
        print_tables(report_tables(found))
        print(localized(_("files in {folder}", folder=folder)))


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
    overwrite: OverwriteOption = False,
    seed: Annotated[int, typer.Option("--seed", help="Seed of every draw.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Simulate raters with known effects: do the statistics find them, and how many raters and poems does that take?"""
    from gemma_poetry.evaluation.human.simulation import SimulationSettings, simulation_tables
    from gemma_poetry.verbs.rate import simulate

    settings = SimulationSettings(
        effect, systems, numbers_in("--raters", raters), numbers_in("--poems", poems), ratings, pairs, studies, seed
    )
    found = simulate(settings, out, overwrite=overwrite)
    if as_json:
        print_json(found.to_record())
    else:
        print_tables(simulation_tables(found))
