"""The command line of `gemma-poetry tunes`: its options, and the call of `verbs.tunes`.

In: the words behind the verb. Out: tunes, or a file of templates.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gemma_poetry.cli.options import BookOption, JsonOption, OverwriteOption
from gemma_poetry.cli.printing import print_all, print_rows
from gemma_poetry.languages import _

tunes = typer.Typer(help="词牌: the tunes that are known, and templates of one's own.", no_args_is_help=True)


@tunes.command("list")
def tunes_list(as_json: JsonOption = False) -> None:
    """The tunes that have a template."""
    from gemma_poetry.prosody.tunes import shipped_tunes
    from gemma_poetry.verbs.tunes import list_lines, list_records

    print_all(list_records(shipped_tunes()) if as_json else list_lines(shipped_tunes()))


@tunes.command("show")
def tunes_show(name: Annotated[str, typer.Argument(help="词牌")], book: BookOption = "", as_json: JsonOption = False) -> None:
    """One tune: its variants, tones and rhymes; by a rhyme book, what rhymes in it and what it makes of the exemplar."""
    from gemma_poetry.verbs.tunes import known_tune, show_lines, show_record

    tune = known_tune(name)
    print_all([show_record(tune, book)] if as_json else show_lines(tune, book))


@tunes.command("induce")
def tunes_induce(
    source: Annotated[str, typer.Argument(help="A collection, as prepare takes it.")],
    out: Annotated[Path, typer.Option("--out", help="The JSON file to write.")],
    overwrite: OverwriteOption = False,
    era: Annotated[str, typer.Option("--era", help="Only poems of this era.")] = "",
    songs: Annotated[bool, typer.Option("--songs", help="曲牌, from the 元曲 of the chinese-poetry collection.")] = False,
) -> None:
    """Learn templates from a collection of 词, or of 曲."""
    from gemma_poetry.verbs.tunes import induce

    table = induce(source, out, era=era, songs=songs, overwrite=overwrite)
    print_rows(str(out), [(_("tunes"), f"{len(table.tunes):,}"), (_("judged"), f"{len(table.judged):,}")])
