"""The command line of `gemma-poetry prepare`: its options, and the call of `api.prepare`.

In: the words behind the verb. Out: DATA.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gemma_poetry.cli.options import JsonOption, ModelOption, RecipeOption, SeedOption, SetOption, chosen_settings, names_in
from gemma_poetry.cli.printing import print_json, print_rows


def prepare(
    source: Annotated[str, typer.Option("--source", help="sample, chinese-poetry, or a folder, archive or file.")],
    out: Annotated[Path, typer.Option("--out", help="The DATA folder to write.")],
    model: ModelOption = "mini",
    domain: Annotated[str, typer.Option("--domain", help="Language or style of the texts; see gemma-poetry domains.")] = (
        "classical-chinese"
    ),
    script: Annotated[str | None, typer.Option("--script", help="simplified or traditional.")] = None,
    forms: Annotated[str | None, typer.Option("--forms", help="Forms to keep, comma between them.")] = None,
    authors: Annotated[str | None, typer.Option("--authors", help="Authors to keep, comma between them.")] = None,
    title_words: Annotated[
        str | None, typer.Option("--title-words", help="Keep poems with one of these words in the title, comma between them.")
    ] = None,
    max_poems: Annotated[int | None, typer.Option("--max-poems", help="Poems to draw at random.")] = None,
    export: Annotated[
        str | None, typer.Option("--export", help="Also for other trainers: arrow, parquet, jsonl, comma between them.")
    ] = None,
    seed: SeedOption = None,
    recipe: RecipeOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Turn a collection into DATA: cleaned, classified, deduplicated, split without leaks, tokenized."""
    from gemma_poetry.api import prepare as run

    options = {
        "script": script,
        "forms": names_in(forms),
        "authors": names_in(authors),
        "title_words": names_in(title_words),
        "max_poems": max_poems,
        "exports": names_in(export),
        "seed": seed,
    }
    settings = chosen_settings(overrides, **{f"prepare__{name}": value for name, value in options.items()})
    data = run(source, out, model=model, domain=domain, recipe=recipe, settings=settings, progress=True)
    if as_json:
        print_json(data.stats)
    else:
        print_rows(str(out), data.rows())
