"""`gemma-poetry generate`: poems as they were asked for, on the screen or in a file.

In: a model (run, folder, preset or Hub id), the wish that every poem grants, and how the poems are shown. Out: poems on
standard output (plain, annotated, or JSON lines), or a file that appears when the last poem is written: JSON if it is called
.jsonl or .json, else text as on the screen; and pictures. Progress and notices go to standard error.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gemma_poetry as gp
from gemma_poetry.artifacts import atomic_writer, check_file
from gemma_poetry.config import GenerateSettings, Recipe
from gemma_poetry.corpus.poem import Poem
from gemma_poetry.corpus.readers import reader_of
from gemma_poetry.corpus.reading import load_poems
from gemma_poetry.domains.registry import DEFAULT, load_domain
from gemma_poetry.errors import InputError, UsageError
from gemma_poetry.extras import require
from gemma_poetry.folders import check_data_folder
from gemma_poetry.generation.request import PoemRequest
from gemma_poetry.generation.writer import ENGINES
from gemma_poetry.generation.written import Written, check_drafts
from gemma_poetry.languages import _, localized
from gemma_poetry.progress import track
from gemma_poetry.prosody.check_result import ScansionResult
from gemma_poetry.prosody.forms import FULL_STOP
from gemma_poetry.verbs.check import read_file
from gemma_poetry.verbs.domain_lookup import domain_of_model

if TYPE_CHECKING:
    from gemma_poetry.evaluation.corpus_index import CorpusIndex


PICTURES = (".png", ".svg")
"""The kinds of pictures, by the endings of their files."""

_JSON = (".json", ".jsonl", ".ndjson")


@dataclass(frozen=True, slots=True)
class GenerateOptions:
    """What the command line asks for.

    Attributes:
        model: A run, a model folder, a preset or a Hub id.
        request: The wish that every poem grants.
        count: Poems to write.
        seed: Seed of sampling; `None`: that of the recipe, or one drawn at random.
        as_json: JSON lines in place of plain poems.
        out: A file to write to, in place of standard output; its ending says whether that is text or JSON.
        overwrite: Whether a file that stands there already is replaced.
        settings: Sampling and batch size.
        picture: A file for a picture of the poem, .png or .svg; of several poems each has its number in its name.
        annotated: Show tones and rhyme beside each line, as `check` does.
        best_of: Poems written for each that is kept; `None`: as the effort of the settings says.
        beams: Beams of each poem; 1 samples.
        byte_characters: Also write characters that the vocabulary has only as bytes.
        data: A DATA folder: its training lines are kept out, and the nearest of them is named.
        domain: The language or style; empty: that of the run.
        feature: What the domain can be asked for beside form, title and author: a season word; empty: nothing.
    """

    model: str
    request: PoemRequest
    count: int = 1
    seed: int | None = None
    as_json: bool = False
    out: Path | None = None
    overwrite: bool = False
    settings: GenerateSettings = field(default_factory=lambda: GenerateSettings())
    picture: Path | None = None
    annotated: bool = False
    best_of: int | None = None
    beams: int = 1
    byte_characters: bool = False
    data: Path | None = None
    domain: str = ""
    feature: str = ""

    @property
    def pictures(self) -> list[Path]:
        """The files of the pictures, one a poem."""
        if self.picture is None or self.count == 1:
            return [self.picture] if self.picture else []
        return [self.picture.with_stem(f"{self.picture.stem}-{number}") for number in range(1, self.count + 1)]

    @property
    def records(self) -> bool:
        """Whether JSON is written."""
        return self.as_json or (self.out is not None and self.out.suffix.lower() in _JSON)


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
    _check_pictures(options)
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
    # Of the settings only what somebody asked for is a wish.
    effort = options.settings.effort if "effort" in options.settings.model_fields_set and domain.engine == "slots" else None
    check_drafts(options.settings, options.beams, effort=effort, best_of=options.best_of)
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
        written = _pictured(options, written)
    return _write_out(options, track(written, _("Writing"), options.count), corpus)


def read_poem_to_answer(path: str) -> str:
    """The lines of the one poem of a file, or of standard input, with their marks; title and author are left out.

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


def _write_out(options: GenerateOptions, written: Iterable[Written], corpus: CorpusIndex | None) -> int:
    """Puts what was written where the command line says, one by one; returns how many there are."""
    count = 0
    if options.out is None:
        for text in _spelt(options, written, corpus):
            print(text, end="", flush=True)
            count += 1
        return count
    with atomic_writer(options.out, overwrite=options.overwrite) as stream:
        if options.out.suffix.lower() == ".json":
            records = [written_record(one, corpus) for one in written]
            stream.write(json.dumps(records, ensure_ascii=False, indent=2) + "\n")
            return len(records)
        for text in _spelt(options, written, corpus):
            stream.write(text)
            count += 1
    return count


def _check_pictures(options: GenerateOptions) -> None:
    """Refuses pictures that could not be drawn or written, before a model is loaded."""
    if options.picture is None:
        return
    if options.picture.suffix.lower() not in PICTURES:
        raise UsageError(
            _("--picture {path} is asked for", path=options.picture),
            expected=_("a file that is called .png or .svg"),
            action=_("choose another ending"),
        )
    require("fontTools", "resvg_py", "pypinyin", extra="studio", purpose=_("a picture"))
    from gemma_poetry.studio.glyphs import face

    face(options.request.script)
    for path in options.pictures:
        check_file(path, overwrite=options.overwrite)


def _pictured(options: GenerateOptions, written: Iterable[Written]) -> Iterator[Written]:
    """The same poems, each drawn into its file as it comes."""
    from gemma_poetry.studio.card import card_png, card_svg
    from gemma_poetry.studio.picture import poem_card

    for path, one in zip(options.pictures, written):
        scansion = one.check.scansion if isinstance(one.check, ScansionResult) else None
        byline = f"拟{one.poem.author}" if one.poem.author else ""
        model = Path(options.model).name
        card = poem_card(one.poem, scansion, byline=byline, model=model, seed=one.seed, pinyin=False)
        svg = card_svg(card, vertical=True)
        with atomic_writer(path, binary=True, overwrite=options.overwrite) as stream:
            stream.write(card_png(svg) if path.suffix.lower() == ".png" else svg.encode())
        yield one


def _spelt(options: GenerateOptions, written: Iterable[Written], corpus: CorpusIndex | None) -> Iterator[str]:
    """Each as a line of JSON, or as text with an empty line before it."""
    for number, one in enumerate(written):
        if options.records:
            yield json.dumps(written_record(one, corpus), ensure_ascii=False) + "\n"
        else:
            yield ("\n" if number else "") + (one.annotated() if options.annotated else str(one)) + "\n"
