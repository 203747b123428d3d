"""`gemma-poetry generate`: poems as they were asked for, on the screen or in a file.

In: a model (run, folder, preset or Hub id), the wish that every poem grants, and how the poems are shown. Out: poems on
standard output (plain, annotated, or JSON lines), or a file that appears when the last poem is written: JSON if it is called
.jsonl or .json, else text as on the screen. Progress and notices go to standard error.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemma_poetry.artifacts import check_file
from gemma_poetry.corpus.poem import Poem
from gemma_poetry.corpus.reading import load_poems
from gemma_poetry.errors import UsageError
from gemma_poetry.generation.carried_lines import find_guards
from gemma_poetry.generation.placement import place_words
from gemma_poetry.generation.prescription import prescribe
from gemma_poetry.generation.request import simplify, words_record
from gemma_poetry.progress import track
from gemma_poetry.prosody.forms import FULL_STOP
from gemma_poetry.prosody.tunes import stanza_ends
from gemma_poetry.verbs.domain_lookup import domain_of_model
from gemma_poetry.verbs.generate_options import GenerateOptions
from gemma_poetry.verbs.generated_output import write_out

if TYPE_CHECKING:
    from gemma_poetry.evaluation.corpus_index import CorpusIndex
    from gemma_poetry.generation.poem_generator import GeneratedPoem
    from gemma_poetry.prosody.findings import Scansion


def generate(options: GenerateOptions) -> int:
    """Writes the poems; returns how many.

    Raises:
        UsageError: Fewer than one poem is asked for, or the wish cannot be met.
        ModelError: The model cannot be used.
        DataError: The DATA folder cannot be read.
        GenerationError: Decoding met dead ends only.
        OutputError: The file cannot be written, or exists and may not be replaced.
    """
    if options.out is not None:
        check_file(options.out, overwrite=options.overwrite)
    for name, value in (("-n", options.count), ("--best-of", options.best_of), ("--beams", options.beams)):
        if value is not None and value < 1:
            raise UsageError(f"{name} {value} is asked for", expected=f"{name} of at least 1")
    options = replace(options, seed=options.settings.drawn_seed(options.seed))
    if not options.records:
        print(f"seed {options.seed}", file=sys.stderr)
    domain = domain_of_model(options.model, options.domain)
    if not domain.tonal:
        from gemma_poetry.verbs.generate_texts import generate_texts

        return generate_texts(options, domain)
    # A wish that cannot be met is told before a model is loaded.
    if options.feature:
        domain.feature_name(options.feature)
    place_words(options.request)
    prescribe(simplify(options.request))
    corpus = _corpus_index(options.data) if options.data else None
    poems = track(_poems(options), "Writing poems", options.count)
    shown = annotated_poem if options.annotated else plain_poem
    return write_out(options, poems, lambda poem: poem_record(poem, corpus), shown)


def poem_record(generated: GeneratedPoem, corpus: CorpusIndex | None = None) -> dict[str, Any]:
    """The JSON record of a poem.

    Args:
        generated: The poem.
        corpus: The training corpus, in which the nearest line is looked up; `None` leaves that out (null).
    """
    from gemma_poetry.prosody.scansion_record import scansion_record

    poem = generated.poem
    scansion = scansion_of(poem)
    return {
        "title": poem.title,
        "form": poem.kind,
        "author": poem.author,
        "script": poem.script,
        "seed": generated.seed,
        "words": words_record(generated.request),
        "lines": list(poem.lines),
        "ppl_char": generated.merits.ppl_char if generated.merits else None,
        "scansion": scansion_record(scansion) if scansion else None,
        "nearest_line": _nearest_line(poem, corpus) if corpus else None,
    }


def scansion_of(poem: Poem) -> Scansion | None:
    """The scansion of a poem; `None` for a form that no rule judges (a couplet, a shape that a template gave)."""
    from gemma_poetry.prosody.forms import FIXED_SHAPES
    from gemma_poetry.prosody.scansion import scan

    if poem.tune or poem.form in FIXED_SHAPES or poem.form.endswith("排律"):
        return scan(poem.lines, poem.kind)
    return None


def plain_poem(generated: GeneratedPoem) -> str:
    """Title and author where given, then one sentence a line: of a 诗 a couplet, of a 词 what the tune closes with 。.

    The stanzas of a 词 stand apart.
    """
    poem = generated.poem
    head = "　".join(part for part in (poem.title and f"《{poem.title}》", poem.author and f"拟{poem.author}") if part)
    ends = stanza_ends(poem.tune, list(map(len, poem.lines)), poem.marks) if poem.tune else ()
    marked = [line + mark + ("\n" if mark == FULL_STOP else "") for line, mark in zip(poem.lines, poem.marks)]
    text = "".join(line + ("\n" if number in ends else "") for number, line in enumerate(marked, 1))
    sentences = text.splitlines()
    return "\n".join([head, *sentences] if head else sentences)


def annotated_poem(generated: GeneratedPoem) -> str:
    """The poem with tones and rhyme beside each line, as `check` shows it."""
    from gemma_poetry.verbs.check_layout import CheckedPoem, rows

    poem = generated.poem
    scansion = scansion_of(poem)
    if scansion is None:
        return plain_poem(generated)
    return "\n".join(row.plain for row in rows(CheckedPoem(poem.title, poem.author, scansion)))


def _poems(options: GenerateOptions) -> Iterator[GeneratedPoem]:
    from gemma_poetry.generation.poem_generator import PoemGenerator
    from gemma_poetry.model.loading import load_model

    request = options.request
    guards = find_guards(options.model, options.data) if request.novel else []
    if request.novel and not guards:
        print("notice: no list of known lines is at hand, so new lines are not promised (give --data)", file=sys.stderr)
        request = replace(request, novel=False)
    loaded = load_model(options.model)
    generator = PoemGenerator(
        loaded.model,
        loaded.tokenizer,
        options.settings,
        byte_characters=options.byte_characters,
        guards=guards,
        beams=options.beams,
    )
    return generator.write([request] * options.count, seed=options.seed, best_of=options.best_of, assess=options.records)


def _corpus_index(data: Path) -> CorpusIndex:
    from gemma_poetry.evaluation.corpus_index import CorpusIndex

    return CorpusIndex(load_poems(data, "train"))


def _nearest_line(poem: Poem, corpus: CorpusIndex) -> dict[str, Any] | None:
    """The line of the corpus that comes nearest to a line of the poem, by the share of characters in the same places."""
    found = [(near, len(line)) for line in poem.lines if (near := corpus.nearest_line(line)) is not None]
    if not found:
        return None
    near, _ = max(found, key=lambda pair: (pair[0].shared / pair[1], pair[1]))
    return {"text": near.text, "author": near.poem.author, "title": near.poem.title, "shared": near.shared}
