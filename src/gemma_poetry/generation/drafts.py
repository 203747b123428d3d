"""A draft is a poem that may become better: its lines, the form that they should keep, what was asked for.

In: a poem of whoever wrote it, with its scansion. Out: a `Draft`, whose slots say what a line that is rewritten must keep:
those of the pattern that the poem follows; where it follows none (古体, 杂言), its shape, and the rhyme that it has.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from gemma_poetry.corpus.poem import Poem
from gemma_poetry.corpus.script import Script
from gemma_poetry.errors import UsageError
from gemma_poetry.generation.given_characters import BLANK
from gemma_poetry.generation.prescription import Prescription, prescribe
from gemma_poetry.generation.request import PoemRequest, simplify
from gemma_poetry.prosody.findings import Scansion
from gemma_poetry.prosody.forms import Form
from gemma_poetry.prosody.interpretation import is_traditional


@dataclass(frozen=True, slots=True)
class Draft:
    """A poem that may become better.

    Attributes:
        lines: Its lines, in the script of the request.
        form: What they keep, or should; characters that are fixed in it stay.
        request: What was asked for: title, words, readings, distinct characters, new lines, script.
        prescription: Prompt name, rhyme book and rhymes.
    """

    lines: tuple[str, ...]
    form: Form
    request: PoemRequest
    prescription: Prescription


def draft_of(poem: Poem, scansion: Scansion, *, novel: bool) -> Draft:
    """The draft that a person's poem is.

    Args:
        poem: The poem.
        scansion: What was found in it: its form, pattern and rhyme, by which rhyme book.
        novel: No new line may stand in the training corpus.

    Raises:
        UsageError: Its form has no shape that could be kept.
    """
    script: Script = "traditional" if is_traditional("".join(poem.lines)) else "simplified"
    blanks = "".join(BLANK * len(line) + mark for line, mark in zip(poem.lines, poem.marks))
    plain = PoemRequest(scansion.form, poem.title, poem.author, book=scansion.book.name, novel=novel, script=script)
    request = replace(plain, lines=len(poem.lines), template=blanks)
    refused: UsageError | None = None
    for wishes in _wishes(request, scansion):
        try:
            prescription = prescribe(simplify(wishes))
        except UsageError as refusal:
            # 中原音韵 too is refused, without the 曲 that goes by it.
            refused = refused or refusal
        else:
            # What was asked for is in the form; the text of the poem is what it is.
            return Draft(poem.lines, prescription.forms[0], replace(plain, form=prescription.form), prescription)
    assert refused is not None
    raise refused


def _wishes(request: PoemRequest, scansion: Scansion) -> Iterator[PoemRequest]:
    """What the poem could be said to have been asked for, the narrowest first."""
    rhymes = (scansion.rhyme_group,) if scansion.rhyme_group else ()
    if scansion.pattern:
        yield replace(request, pattern=scansion.pattern)
    for form in (request.form, ""):
        for own in dict.fromkeys((rhymes, ())):
            yield replace(request, form=form, rhymes=own, metre="free")
