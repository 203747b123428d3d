"""The command line of `gemma-poetry export`: its options, and the call of `verbs.export`.

In: the words behind the verb. Out: the exported files, and what they were compared with.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gemma_poetry.cli.options import JsonOption, RecipeOption, SetOption, choice, chosen_recipe
from gemma_poetry.cli.printing import print_json, print_rows


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
    from gemma_poetry.verbs.export import DTYPES, TARGETS, ExportOptions, export as write

    exported = write(
        ExportOptions(
            run=run,
            to=choice("--to", to, TARGETS),
            out=out,
            dtype=choice("--dtype", dtype, DTYPES),
            repository=repository,
            private=private,
            sampling=chosen_recipe(recipe, overrides).generate,
        )
    )
    if as_json:
        print_json(exported.to_record())
    else:
        print_rows(str(exported.folder), exported.rows())
