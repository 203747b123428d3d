"""Classical Chinese poetry is the default domain: 诗, 词 and 曲 under tones and rhymes.

In: lines of Han characters, and a rhyme book where another than the usual one is wanted. Out: what the other domains say
too. Its forms are slots (`prosody.forms`), so the collection reader, the slot engine and the measures of tones and rhymes in
evaluation serve it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from gemma_poetry.corpus.poem import Poem, SourcePoem
from gemma_poetry.data.prompts import CHINESE, CLASSICAL, Conditions, Template
from gemma_poetry.domains.domain import Domain
from gemma_poetry.languages import _
from gemma_poetry.prosody.check_result import ScansionResult, scansion_result
from gemma_poetry.prosody.classification import classify
from gemma_poetry.prosody.forms import FIXED_SHAPES, FORM_NAMES, SHORT_NAMES
from gemma_poetry.prosody.mending import mends
from gemma_poetry.prosody.rhyme_books import rhyme_book
from gemma_poetry.prosody.scansion import check_form, scan, scan_auto, with_passing_books


class ClassicalChinese(Domain):
    """诗, 词 and 曲.

    Args:
        book: The name of the rhyme book that they are judged by; empty: 平水韵 for 诗, 词林正韵 for 词, 中原音韵 for
            曲.
    """

    name = CLASSICAL
    description = _("Classical Chinese poems (诗 词 曲): tones, rhymes and tunes")
    forms = FORM_NAMES
    languages = ("lzh",)
    template: ClassVar[Template] = CHINESE
    reader = "han-verse"
    engine = "slots"
    symbol = "characters"
    metrics = ("",)

    def __init__(self, book: str = "") -> None:
        self.book = book

    def by_book(self, name: str) -> ClassicalChinese:
        """The domain as it judges by a rhyme book."""
        return ClassicalChinese(rhyme_book(name, song=True).name) if name else self

    def sample(self) -> Path | None:
        """The embedded sample is found by the collection reader itself."""
        return None

    @property
    def example(self) -> Conditions:
        """A quatrain in the manner of 杜甫."""
        return Conditions("七言绝句", "秋夜", "杜甫")

    def form_name(self, name: str) -> str:
        """The full name of a form given by its full or short name, or a tune's name as it is."""
        check_form(name)
        return SHORT_NAMES.get(name, name)

    def clean(self, source: SourcePoem) -> Poem:
        """A poem whose paragraphs are its lines; sources with notes and marks go through the collection reader."""
        marks = source.marks or "。" * len(source.paragraphs)
        return Poem(source.paragraphs, marks, source.title, source.author, source.era, classify(source.paragraphs), source.tune)

    def check(self, lines: Sequence[str], form: str) -> ScansionResult:
        """The scansion of a poem; see `prosody.scansion_record`."""
        return scansion_result(scan(lines, form, book=self.book))

    def judges(self, poem: Poem) -> bool:
        """Not a couplet, nor a shape that a template gave."""
        return bool(poem.tune) or poem.form in FIXED_SHAPES or poem.form.endswith("排律")

    def check_poem(self, poem: Poem, form: str = "", feature: str = "") -> ScansionResult:
        """The scansion against a form, else the poem's own, else the form that the lines suggest; of a poem that fails with
        the rhyme books by which it passes."""
        named, book = form or poem.kind, self.book
        scansion = scan(poem.lines, named, poem.marks, book) if named else scan_auto(poem.lines, poem.marks, book)
        scansion = with_passing_books(scansion, named, poem.marks)
        return scansion_result(scansion, mends(scansion), poem.title, poem.author, poem.layout)

    def symbols(self, line: str) -> Sequence[str]:
        """Characters."""
        return line

    def count(self, lines: Sequence[str]) -> int:
        """Han characters, closing marks not counted."""
        return sum(map(len, lines))
