"""Classical Chinese poetry, the default domain: 诗 and 词 under tones and rhymes.

In: lines of Han characters. Out: what the other domains say too. Its forms are slots (`prosody.forms`), so the collection
reader, the slot engine and the tonal measures of evaluation serve it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from gemma_poetry.corpus.poem import Poem, SourcePoem
from gemma_poetry.data.prompts import CHINESE, Template
from gemma_poetry.domains.domain import Domain
from gemma_poetry.prosody.classification import classify
from gemma_poetry.prosody.forms import FORM_NAMES, form_name


class ClassicalChinese(Domain):
    """诗 and 词."""

    name = "classical-chinese"
    description = "Classical Chinese poems (诗 词): tones, rhymes and tunes"
    forms = FORM_NAMES
    languages = ("lzh",)
    template: ClassVar[Template] = CHINESE
    tonal = True
    metrics = ("",)

    def sample(self) -> Path | None:
        """The embedded sample is found by the collection reader itself."""
        return None

    def form_name(self, name: str) -> str:
        """The full name of a form given by its full or short name; see `prosody.forms`."""
        return form_name(name)

    def clean(self, source: SourcePoem) -> Poem:
        """A poem whose paragraphs are its lines; sources with notes and marks go through the collection reader."""
        marks = source.marks or "。" * len(source.paragraphs)
        return Poem(source.paragraphs, marks, source.title, source.author, source.era, classify(source.paragraphs), source.tune)

    def check(self, lines: Sequence[str], form: str) -> dict[str, Any]:
        """The scansion of a poem; see `prosody.scansion_record`."""
        from gemma_poetry.prosody.scansion import scan
        from gemma_poetry.prosody.scansion_record import scansion_record

        return scansion_record(scan(lines, form))

    def symbols(self, line: str) -> Sequence[str]:
        """Characters."""
        return line

    def count(self, lines: Sequence[str]) -> int:
        """Han characters, closing marks not counted."""
        return sum(map(len, lines))
