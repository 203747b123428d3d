"""The command line of `gemma-poetry check`: its options, and the call of `verbs.check`.

In: the words behind the verb. Out: verdicts, and the exit status.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from gemma_poetry.cli.options import BookOption, JsonOption


def check(
    file: Annotated[str, typer.Argument(help="A file of poems, or - for standard input.")] = "-",
    form: Annotated[str, typer.Option("--form", help="auto, or the form or tune that every poem must keep.")] = "auto",
    domain: Annotated[str, typer.Option("--domain", help="Language or style of the texts.")] = "classical-chinese",
    feature: Annotated[
        str,
        typer.Option("--feature", "--season-word", help="What every text must have besides: of haiku a season word or season."),
    ] = "",
    book: BookOption = "",
    as_json: JsonOption = False,
) -> None:
    """Name every fault of form, tones and rhyme, with line and position."""
    from gemma_poetry.verbs.check import check as run

    sys.exit(run(file, form, as_json=as_json, domain=domain, feature=feature, book=book))
