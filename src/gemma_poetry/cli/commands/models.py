"""The command line of `gemma-poetry models`: its options, and the call of `verbs.models`.

In: the words behind the verb. Out: the table of families and presets.
"""

from __future__ import annotations

from typing import Annotated

import typer

from gemma_poetry.cli.options import JsonOption, RecipeOption, SetOption, chosen_recipe
from gemma_poetry.cli.printing import print_all, print_tables


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

    settings = chosen_recipe(recipe, overrides)
    machine = this_machine(settings)
    records = model_records(settings, machine, tokens=tokens, vocabulary_rows=vocabulary_rows)
    if as_json:
        print_all(records)
    else:
        print_tables([models_table(list(records), settings, machine, tokens=tokens)])
