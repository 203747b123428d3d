"""The command line of `gemma-poetry tune`: its options, and the call of `api.tune`.

In: the words behind the verb. Out: OUT with the best recipe and its run, and a table of the trials.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gemma_poetry.cli.options import JsonOption, ModelOption, RecipeOption, ResumeOption, SetOption, chosen_settings
from gemma_poetry.cli.printing import print_json, print_tables


def tune(
    data: Annotated[Path, typer.Option("--data", help="A DATA folder.")],
    out: Annotated[Path, typer.Option("--out", help="The folder to write: trials, picture, best recipe, best run.")],
    model: ModelOption = "mini",
    minutes: Annotated[float | None, typer.Option("--minutes", help="Time for all trials together.")] = None,
    trials: Annotated[int | None, typer.Option("--trials", help="Trials at most.")] = None,
    recipe: RecipeOption = None,
    overrides: SetOption = None,
    resume: ResumeOption = False,
    as_json: JsonOption = False,
) -> None:
    """Search for the recipe that fine-tunes a model best on a collection, within a time."""
    from dataclasses import asdict

    from gemma_poetry.api import tune as search
    from gemma_poetry.verbs.tune import table

    settings = chosen_settings(overrides, tune__minutes=minutes, tune__trials=trials)
    found = search(data, model, out, recipe=recipe, settings=settings, resume=resume, progress=True)
    if as_json:
        for trial in found:
            print_json(asdict(trial))
    else:
        print_tables([table(found)])
