"""A whole collection: read, cleaned, clustered, split, converted and classified.

    source ──read──> SourcePoem ──clean──> lines, marks ──fold──> canonical lines ──cluster──> cluster ids
                                     │                                                            │
                                     └──convert script──> classify form ──> Poem <──drop duplicates, assign splits
                                                                             │
                                                        forms, eras, max_poems: choose ──> Collection

In: a source name and `PrepareSettings`. Out: a `Collection`. Clusters and splits come from the whole source, before
any choice of forms, eras or a number of poems, so that a subset never moves a poem between splits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gemma_poetry.config import PrepareSettings
from gemma_poetry.corpus import dedup
from gemma_poetry.corpus.cleaning import RejectedError, Rejection, clean_lines
from gemma_poetry.corpus.poem import Poem
from gemma_poetry.corpus.script import Script, convert, detect_script
from gemma_poetry.corpus.sources import SourcePoem
from gemma_poetry.corpus.splits import SPLITS, assign_splits
from gemma_poetry.corpus.titles import clean_author, clean_title, is_fragment, split_tune, standard_tunes
from gemma_poetry.corpus.variants import folding
from gemma_poetry.prosody.forms import classify

_SCRIPT_SAMPLE_POEMS = 300


@dataclass(slots=True)
class _Draft:
    """A poem that was cleaned and is not yet placed."""

    lines: tuple[str, ...]
    marks: str
    title: str
    source: SourcePoem
    script: Script = "simplified"
