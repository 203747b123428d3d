"""The command line of `gemma-poetry polish`: its options, and the call of `verbs.polish`.

In: the words behind the verb. Out: poems, better where that was possible.
"""

from __future__ import annotations

from typing import Annotated

import typer

from gemma_poetry.cli.options import (
    BookOption,
    JsonOption,
    ModelOption,
    RecipeOption,
    SeedOption,
    SetOption,
    chosen_recipe,
    numbers_in,
)


def polish(
    file: Annotated[str, typer.Argument(help="A file of poems, or - for standard input.")] = "-",
    model: ModelOption = "mini",
    lines: Annotated[str, typer.Option("--lines", help="The lines that may change, e.g. 2,4; default all.")] = "",
    rounds: Annotated[
        int | None, typer.Option("--rounds", min=1, help="Places that are tried; default 2, with --lines two for each.")
    ] = None,
    form: Annotated[str, typer.Option("--form", help="The form or tune that the poem is held to; default its own.")] = "",
    title: Annotated[str, typer.Option("--title", help="题目; default the one above the poem.")] = "",
    book: BookOption = "",
    seed: SeedOption = None,
    recipe: RecipeOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Rewrite the weakest lines of a poem under its form; keep what makes it better."""
    from gemma_poetry.verbs.polish import PolishOptions, polish as run

    settings = chosen_recipe(recipe, overrides, generate__seed=seed).generate
    chosen = numbers_in("--lines", lines) if lines else ()
    run(PolishOptions(file, model, chosen, rounds, form, title, settings, book, as_json))
