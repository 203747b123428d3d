"""`gemma-poetry generate`: poems as they were asked for, on the screen or in a file.

In: a model (run, folder, preset or Hub id), the wish that every poem grants, and how the poems are shown. Out: poems on
standard output (plain, annotated, or JSON lines), or a file that appears when the last poem is written: JSON if it is called
.jsonl or .json, else text as on the screen. Progress and notices go to standard error.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from operator import methodcaller
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gemma_poetry as gp
from gemma_poetry.artifacts import check_file
from gemma_poetry.config import Recipe
from gemma_poetry.corpus.poem import Poem
from gemma_poetry.corpus.readers import reader_of
from gemma_poetry.corpus.reading import load_poems
from gemma_poetry.domains.registry import DEFAULT, load_domain
from gemma_poetry.errors import InputError, UsageError
from gemma_poetry.folders import check_data_folder
from gemma_poetry.generation.writer import ENGINES
from gemma_poetry.generation.written import Written
from gemma_poetry.languages import _, localized
from gemma_poetry.progress import track
from gemma_poetry.prosody.forms import FULL_STOP
from gemma_poetry.verbs.check import read_file
from gemma_poetry.verbs.domain_lookup import domain_of_model
from gemma_poetry.verbs.generate_options import GenerateOptions
from gemma_poetry.verbs.generated_output import check_pictures, pictured, write_out

if TYPE_CHECKING:
    from gemma_poetry.evaluation.corpus_index import CorpusIndex


def generate(options: GenerateOptions) -> int:
    """Writes the poems; returns how many.

    Raises:
        UsageError: Fewer than one poem is asked for, or the wish cannot be met in the domain.
        ModelError: The model cannot be used.
        DataError: The DATA folder cannot be read.
        GenerationError: Decoding met dead ends only.
        OutputError: The file cannot be written, or exists and may not be replaced.
    """
    if options.out is not None:
        check_file(options.out, overwrite=options.overwrite)
    check_pictures(options)
    for name, value in (("-n", options.count), ("--best-of", options.best_of), ("--beams", options.beams)):
        if value is not None and value < 1:
            raise UsageError(
                _("{name} {value} is asked for", name=name, value=value), expected=_("{name} of at least 1", name=name)
            )
    options = replace(options, seed=options.settings.drawn_seed(options.seed))
    if not options.records:
        print(localized(_("seed {seed}", seed=options.seed)), file=sys.stderr)
    if options.data is not None and not (options.data / "train.jsonl").is_file():  # all that is read of it
        check_data_folder(options.data)
    domain = domain_of_model(options.model, options.domain)
    # A wish that cannot be met is told before a model is loaded.
    given = [name for name, value in (("--data", options.data), ("--byte-characters", options.byte_characters)) if value]
    ENGINES[domain.engine].check_request(domain, options.request, options.feature, given)
    if options.picture is not None and domain.engine != "slots":
        raise UsageError(
            _("a picture of {domain} is asked for", domain=domain.name),
            expected=_("classical Chinese verse"),
            action=_("leave it out"),
        )
    corpus = _corpus_index(options.data) if options.data else None
    poet = gp.load(
        options.model,
        domain=options.domain,
        data=options.data,
        recipe=Recipe(generate=options.settings),
        beams=options.beams,
        byte_characters=options.byte_characters,
        progress=True,
    )
    if options.request.novel and not poet.known_lines:
        print(localized(_("notice: {reason}", reason=poet.writer.no_guards(domain.name))), file=sys.stderr)
    written = poet.stream(
        options.request,
        n=options.count,
        seed=options.seed,
        best_of=options.best_of,
        assess=options.records,
        feature=options.feature,
    )
    if options.picture is not None:
        written = pictured(options, written)
    shown = methodcaller("annotated") if options.annotated else str
    return write_out(options, track(written, _("Writing"), options.count), lambda one: written_record(one, corpus), shown)


def read_poem_to_answer(path: str) -> str:
    """The lines of the one poem of a file, or of standard input, with their marks; title and author are left out.

    Args:
        path: The file, or `-`.

    Raises:
        InputError: The file cannot be read, or holds no poem or several.
    """
    file = read_file(path)
    reader = reader_of(load_domain(DEFAULT))
    records = list(reader.records(file))
    if len(records) != 1:
        raise InputError(
            _("{where} holds {count} poems", where=file.where, count=len(records)),
            expected=_("the one poem that is answered"),
            action=_("put it in a file of its own; an empty line ends a poem"),
        )
    poem = reader.strictly(records[0])
    return "".join(map("".join, zip(poem.lines, poem.marks or FULL_STOP * len(poem.lines))))


def written_record(written: Written, corpus: CorpusIndex | None = None) -> dict[str, Any]:
    """The JSON record of a text.

    Args:
        written: The text.
        corpus: The training corpus, in which the nearest line is looked up; `None` leaves that out (null).
    """
    found = {"nearest_line": _nearest_line(written.poem, corpus)} if corpus else {}
    return written.to_record() | found


def _corpus_index(data: Path) -> CorpusIndex:
    from gemma_poetry.evaluation.corpus_index import CorpusIndex

    return CorpusIndex(load_poems(data, "train"))


def _nearest_line(poem: Poem, corpus: CorpusIndex) -> dict[str, Any] | None:
    """The line of the corpus that comes nearest to a line of the poem, by the share of characters in the same places."""
    found = [(near, len(line)) for line in poem.lines if (near := corpus.nearest_line(line)) is not None]
    if not found:
        return None
    near, _unused = max(found, key=lambda pair: (pair[0].shared / pair[1], pair[1]))
    return {"text": near.text, "author": near.poem.author, "title": near.poem.title, "shared": near.shared}
