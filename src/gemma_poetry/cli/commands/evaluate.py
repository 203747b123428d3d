"""The command line of `gemma-poetry evaluate`: its options, and the call of `api.evaluate`.

In: the words behind the verb. Out: RUN/eval and its tables.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gemma_poetry.cli.options import BookOption, JsonOption, RecipeOption, SeedOption, SetOption, chosen_settings
from gemma_poetry.cli.printing import print_json, print_tables
from gemma_poetry.folders import MODELS


def evaluate(
    runs: Annotated[
        list[str] | None,
        typer.Option("--run", help=f"A RUN (base and tuned side by side), or any model; may be repeated. Models: {MODELS}."),
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
    book: BookOption = "",
    out: Annotated[Path | None, typer.Option("--out", help="Where the figures go; default RUN/eval.")] = None,
    seed: SeedOption = None,
    recipe: RecipeOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Perplexity and BLEU-4 of base and tuned on held-out poems, with intervals, beside the human reference."""
    from gemma_poetry.api import evaluate as judge
    from gemma_poetry.evaluation.table import terminal_tables

    results = judge(
        runs or (),
        data,
        split=split,
        generations=generations or (),
        domain=domain,
        book=book,
        out=out,
        recipe=recipe,
        settings=chosen_settings(overrides, evaluate__seed=seed, generate__seed=seed),
        progress=True,
    )
    if as_json:
        print_json(results.to_record())
    else:
        print_tables(terminal_tables(results))
