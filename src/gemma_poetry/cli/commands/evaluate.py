"""The command line of `gemma-poetry evaluate`: its options, and the call of `verbs.evaluate`.

In: the words behind the verb. Out: RUN/eval and its tables.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gemma_poetry.cli.options import JsonOption, RecipeOption, SeedOption, SetOption, chosen_recipe
from gemma_poetry.cli.printing import print_json, print_tables


def evaluate(
    runs: Annotated[
        list[str] | None, typer.Option("--run", help="A RUN (base and tuned side by side), or any model; may be repeated.")
    ] = None,
    data: Annotated[Path | None, typer.Option("--data", help="A DATA folder.")] = None,
    split: Annotated[str, typer.Option("--split", help="train, val or test.")] = "test",
    generations: Annotated[
        list[Path] | None,
        typer.Option("--generations", help="Poems of any other system: JSONL or plain text; may be repeated."),
    ] = None,
    domain: Annotated[
        str, typer.Option("--domain", help="Language or style of the --generations where there is no DATA.")
    ] = "",
    out: Annotated[Path | None, typer.Option("--out", help="Where the figures go; default RUN/eval.")] = None,
    seed: SeedOption = None,
    recipe: RecipeOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Perplexity and BLEU-4 of base and tuned on held-out poems, with intervals, beside the human reference."""
    from gemma_poetry.evaluation.table import terminal_tables
    from gemma_poetry.verbs.evaluate import EvaluateOptions, evaluate as judge

    settings = chosen_recipe(recipe, overrides, evaluate__seed=seed, generate__seed=seed)
    options = EvaluateOptions(
        run=runs[0] if runs else None,
        data=data,
        split=split,
        out=out,
        settings=settings.evaluate,
        sampling=settings.generate,
        others=tuple(runs[1:] if runs else ()),
        generations=tuple(generations or ()),
        domain=domain,
    )
    results = judge(options)
    if as_json:
        print_json(results.to_record())
    else:
        print_tables(terminal_tables(results))
