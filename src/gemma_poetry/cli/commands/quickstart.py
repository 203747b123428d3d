"""The command line of `gemma-poetry quickstart`: its options, and the call of `verbs.quickstart`.

In: the words behind the verb. Out: the quickstart folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gemma_poetry.cli.options import RecipeOption, SetOption


def quickstart(
    out: Annotated[Path, typer.Option("--out", help="The folder to write; an older quickstart is replaced.")] = Path(
        "runs/quickstart"
    ),
    model: Annotated[
        str, typer.Option("--model", help="The base model: `mini`, or `gemma-3-270m` with --recipe gemma.")
    ] = "mini",
    recipe: RecipeOption = "quickstart",
    overrides: SetOption = None,
) -> None:
    """The whole job on embedded data, with the embedded model or another, in minutes."""
    from gemma_poetry.verbs.quickstart import quickstart as run

    run(out, recipe or "quickstart", model, overrides or ())
