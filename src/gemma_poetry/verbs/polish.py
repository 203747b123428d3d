"""`gemma-poetry polish`: the weakest lines of a poem, rewritten under its form.

In: a file of poems, or `-` for standard input, read as `check` reads them; a model; which lines may change. Out: for each the
poem that became of it, every change with its reason, and the verdict; or one JSON object a poem. The seed, notices and
progress go to standard error.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass

import gemma_poetry as gp
from gemma_poetry.config import GenerateSettings, Recipe
from gemma_poetry.errors import visible
from gemma_poetry.languages import _, localized
from gemma_poetry.prosody.rhyme_books import rhyme_book
from gemma_poetry.prosody.scansion import check_form
from gemma_poetry.verbs.check import classical_poems, read_file


@dataclass(frozen=True, slots=True)
class PolishOptions:
    """What the command line asks for.

    Attributes:
        file: The file, or `-` for standard input.
        model: A run, a model folder, a preset or a Hub id.
        lines: The lines that may change, from 1; empty: all.
        rounds: Places that are tried; `None`: by the lines.
        form: The form or tune that every poem is held to; empty: its own.
        title: The title of every poem; empty: its own.
        settings: Sampling.
        book: The rhyme book of every poem; empty: the usual one of its form.
        as_json: JSON lines in place of text.
    """

    file: str
    model: str
    lines: tuple[int, ...]
    rounds: int | None
    form: str
    title: str
    settings: GenerateSettings
    book: str = ""
    as_json: bool = False


def polish(options: PolishOptions) -> int:
    """Polishes the poems of a file; returns how many there are.

    Raises:
        UsageError: No form or rhyme book is called so, or a poem has no such line.
        InputError: The file or a poem cannot be read, or a poem has not the shape of the form.
        ModelError: The model cannot be used.
    """
    poems = classical_poems(read_file(options.file))
    if options.form:
        check_form(options.form)
    rhyme_book(options.book, song=True)
    seed = options.settings.drawn_seed()
    poet = gp.load(options.model, recipe=Recipe(generate=options.settings), progress=True)
    if not options.as_json:
        print(localized(_("seed {seed}", seed=seed)), file=sys.stderr)
    for number, poem in enumerate(poems):
        found = poet.polish(
            poem,
            form=options.form,
            book=options.book,
            title=options.title,
            lines=options.lines,
            rounds=options.rounds,
            seed=seed,
        )
        if options.as_json:
            print(json.dumps(found.to_record(), ensure_ascii=False), flush=True)
        else:
            rows = [*([""] if number else []), *str(found).split("\n")]
            print("\n".join(map(visible, rows)), flush=True)
    return len(poems)
