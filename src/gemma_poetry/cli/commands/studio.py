"""The command line of `gemma-poetry studio`: its options, and the call of `verbs.studio`.

In: the words behind the verb. Out: the page, until it is stopped.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gemma_poetry.cli.options import RecipeOption, SetOption, chosen_recipe
from gemma_poetry.folders import MODELS


def studio(
    models: Annotated[
        list[str] | None,
        typer.Option("--model", help=f"A model that can be chosen; may be repeated; default mini. Models: {MODELS}."),
    ] = None,
    runs: Annotated[
        list[Path] | None,
        typer.Option("--run", help="A RUN: it and its base can be chosen, its curves are shown; may be repeated."),
    ] = None,
    host: Annotated[str, typer.Option("--host", help="Address to listen on; beyond this machine a password is required.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option("--port", help="Port to listen on.", min=1, max=65535)] = 7860,
    names: Annotated[
        list[str] | None,
        typer.Option("--name", help="A name that the page is reached under, beside this machine's own; may be repeated."),
    ] = None,
    password_file: Annotated[Path | None, typer.Option("--password-file", help="A file with the password in line 1.")] = None,
    max_requests: Annotated[int, typer.Option("--max-requests", help="Requests a visitor and minute.")] = 30,
    max_poems: Annotated[int, typer.Option("--max-poems", help="Poems a request.")] = 4,
    max_characters: Annotated[int, typer.Option("--max-characters", help="Characters of input a request.")] = 2000,
    folder: Annotated[
        Path, typer.Option("--folder", help="Where trainings from the page are kept; DATA folders in it can be chosen.")
    ] = Path("runs/studio"),
    allow_training: Annotated[
        bool | None,
        typer.Option("--allow-training/--no-training", help="Trainings from the page; by default on this machine alone."),
    ] = None,
    recipe: RecipeOption = None,
    overrides: SetOption = None,
) -> None:
    """Open a page to compose, check and compare poems, in Chinese and English."""
    from gemma_poetry.verbs.studio import StudioOptions, studio as serve

    serve(
        StudioOptions(
            models=tuple(models or ()),
            runs=tuple(runs or ()),
            host=host,
            port=port,
            password_file=password_file,
            names=tuple(names or ()),
            folder=folder,
            training=allow_training,
            requests=max_requests,
            poems=max_poems,
            characters=max_characters,
            settings=chosen_recipe(recipe, overrides).generate,
        )
    )
