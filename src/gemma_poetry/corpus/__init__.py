"""The corpus turns sources into poems that are clean, of one script, and split without leaks.

In: files of any collection. Out: `Poem`s in the splits train, val and test, statistics, a dataset card.
Also the lines that a model has read (`KnownLines`), small enough to ship.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gemma_poetry.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from gemma_poetry.corpus.collection import Collection as Collection, build_collection as build_collection
    from gemma_poetry.corpus.known_lines import KnownLines as KnownLines
    from gemma_poetry.corpus.poem import Poem as Poem, RefusedError as RefusedError, SourcePoem as SourcePoem
    from gemma_poetry.corpus.reading import load_poems as load_poems
    from gemma_poetry.corpus.script import convert as convert
    from gemma_poetry.corpus.sources import open_source as open_source
    from gemma_poetry.corpus.splits import SPLITS as SPLITS
    from gemma_poetry.corpus.texts import DomainTexts as DomainTexts, TextDomain as TextDomain
else:
    __getattr__, __dir__ = lazy_exports(__name__)
