"""The command line of `gemma-poetry pretrain`: its options, and the call of `training.pretraining`.

In: the words behind the verb. Out: MODEL.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gemma_poetry.cli.options import RecipeOption, ResumeOption, SetOption, chosen_recipe
from gemma_poetry.cli.printing import print_rows
from gemma_poetry.languages import _


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
    from gemma_poetry.verbs.train import kept_row

    manifest = run(data, out, chosen_recipe(recipe, overrides, pretrain__preset=preset).pretrain, resume=resume, start=start)
    if manifest:
        rows = [(_("parameters"), f"{manifest['parameters']:,}"), (_("steps"), f"{manifest['steps']:,}"), *kept_row(manifest)]
        print_rows(str(out), [*rows, *((name, f"{value:.1f}") for name, value in manifest["validation"].items())])
