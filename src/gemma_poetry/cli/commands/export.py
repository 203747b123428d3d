"""The command line of `gemma-poetry export`: its options, and the call of `verbs.export`.

In: the words behind the verb. Out: the exported files, and what they were compared with.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from gemma_poetry.cli.options import JsonOption, RecipeOption, SetOption, chosen_recipe
from gemma_poetry.cli.printing import print_json, print_rows


def export(
    run: Annotated[Path, typer.Option("--run", help="The RUN to export.")],
    to: Annotated[
        Literal["peft", "merged", "ollama", "gguf", "gguf-adapter", "hub"], typer.Option("--to", help="What it is to become.")
    ],
    out: Annotated[Path | None, typer.Option("--out", help="The folder to write; default RUN/export/TO.")] = None,
    dtype: Annotated[
        Literal["auto", "float32", "bfloat16", "q8_0", "q5_k_m", "q4_k_m"],
        typer.Option("--dtype", help="Of merged weights; auto: as in the base model; q8_0, q5_k_m, q4_k_m: GGUF alone."),
    ] = "auto",
    repository: Annotated[str, typer.Option("--repo", help="owner/name on the Hub.")] = "",
    private: Annotated[bool, typer.Option("--private/--public", help="Whether a new repository is private.")] = True,
    with_base: Annotated[
        bool, typer.Option("--with-base", help="Write the base model's GGUF file too, beside a gguf-adapter.")
    ] = False,
    recipe: RecipeOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a run for other programs, and compare what they will load with the run."""
    from gemma_poetry.verbs.export import ExportOptions, export as write

    exported = write(
        ExportOptions(
            run=run,
            to=to,
            out=out,
            dtype=dtype,
            repository=repository,
            private=private,
            with_base=with_base,
            sampling=chosen_recipe(recipe, overrides).generate,
        )
    )
    if as_json:
        print_json(exported.to_record())
    else:
        print_rows(str(exported.folder), exported.rows())
