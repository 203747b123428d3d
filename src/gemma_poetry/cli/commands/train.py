"""The command line of `gemma-poetry train`: its options, and the call of `verbs.train` or `verbs.train_keras`.

In: the words behind the verb. Out: RUN.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gemma_poetry.cli.options import ModelOption, RecipeOption, ResumeOption, SetOption, choice, chosen_recipe
from gemma_poetry.cli.printing import print_rows


def train(
    data: Annotated[Path, typer.Option("--data", help="A DATA folder.")],
    out: Annotated[Path, typer.Option("--out", help="The RUN folder to write.")],
    model: ModelOption = "mini",
    recipe: RecipeOption = None,
    overrides: SetOption = None,
    resume: ResumeOption = False,
    keep_vocabulary: Annotated[
        bool, typer.Option("--keep-vocabulary", help="Train over all rows of the vocabulary, not those that DATA can need.")
    ] = False,
    backend: Annotated[
        str, typer.Option("--backend", help="transformers, or keras (its environment: make keras).")
    ] = "transformers",
) -> None:
    """Fine-tune a model with LoRA on a prepared collection."""
    if choice("--backend", backend, ("transformers", "keras")) == "keras":
        from gemma_poetry.verbs.train_keras import summary, train_with_keras as run
    else:
        from gemma_poetry.verbs.train import summary, train as run

    settings = chosen_recipe(recipe, overrides, train__vocabulary="whole" if keep_vocabulary else None)
    manifest = run(data, model, out, settings, resume=resume, recipe_name=recipe or "")
    if manifest:
        print_rows(str(out), summary(manifest))
