"""The command line of `gemma-poetry serve`: its options, and the call of `verbs.serve`.

In: the words behind the verb. Out: the API, until it is stopped.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gemma_poetry.cli.options import ModelOption, RecipeOption, SetOption, chosen_recipe


def serve(
    model: ModelOption = "mini",
    host: Annotated[str, typer.Option("--host", help="Address to listen on; beyond this machine a key is required.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option("--port", help="Port to listen on.", min=1, max=65535)] = 8000,
    key: Annotated[
        str,
        typer.Option("--api-key", envvar="GEMMA_POETRY_API_KEY", help="What requests must know (Authorization: Bearer KEY)."),
    ] = "",
    names: Annotated[
        list[str] | None,
        typer.Option("--name", help="A name that the server is reached under, beside this machine's own; may be repeated."),
    ] = None,
    queue: Annotated[int, typer.Option("--queue", help="Requests that wait at most; further ones are told 429.", min=1)] = 64,
    time_limit: Annotated[
        float, typer.Option("--time-limit", help="Seconds that a request may take, its wait counted.", min=0.1, max=86400)
    ] = 120.0,
    batch: Annotated[
        int | None, typer.Option("--batch", help="Texts decoded at a time; a poem of effort 3 is chosen among 16.", min=1)
    ] = None,
    effort: Annotated[
        int | None, typer.Option("--effort", min=1, max=5, help="Effort of requests that name none: 1 writes once.")
    ] = None,
    data: Annotated[Path | None, typer.Option("--data", help="A DATA folder whose training lines are kept out.")] = None,
    domain: Annotated[str, typer.Option("--domain", help="Language or style; default that of the run.")] = "",
    recipe: RecipeOption = None,
    overrides: SetOption = None,
) -> None:
    """Serve poems to programs over HTTP, also in the shape of chat completions."""
    from gemma_poetry.verbs.serve import ServeOptions, serve as run

    run(
        ServeOptions(
            model=model,
            host=host,
            port=port,
            key=key,
            queue=queue,
            time_limit=time_limit,
            names=tuple(names or ()),
            data=data,
            domain=domain,
            settings=chosen_recipe(recipe, overrides, generate__batch_size=batch, generate__effort=effort).generate,
        )
    )
