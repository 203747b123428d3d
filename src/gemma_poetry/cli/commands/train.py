"""The command line of `gemma-poetry train`: its options, and the call of `api.train`.

In: the words behind the verb. Out: RUN.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from gemma_poetry.cli.options import ModelOption, RecipeOption, ResumeOption, SetOption, chosen_settings
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
        Literal["transformers", "keras"],
        typer.Option("--backend", help="transformers, or keras (its environment: make keras)."),
    ] = "transformers",
) -> None:
    """Fine-tune a model with LoRA on a prepared collection."""
    from gemma_poetry.api import train as run

    settings = chosen_settings(overrides, train__vocabulary="whole" if keep_vocabulary else None)
    done = run(data, model, out, recipe=recipe, settings=settings, resume=resume, backend=backend, progress=True)
    if done.manifest:
        print_rows(str(out), done.rows())
