"""Prosody reads tones and rhymes: a library of its own that needs no model.

In: lines of Han characters. Out: forms as slots, readings, rhyme groups, a scansion with each fault, and how to mend it.
Also the measures of other languages: what a line costs in syllables or morae.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gemma_poetry.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from gemma_poetry.prosody.characters import is_han as is_han
    from gemma_poetry.prosody.classification import classify as classify
    from gemma_poetry.prosody.findings import Fault as Fault, Place as Place, Scansion as Scansion
    from gemma_poetry.prosody.forms import (
        FORM_NAMES as FORM_NAMES,
        SHORT_NAMES as SHORT_NAMES,
        Form as Form,
        Slot as Slot,
        Tone as Tone,
        form_name as form_name,
    )
    from gemma_poetry.prosody.lexicon import Reading as Reading, readings as readings
    from gemma_poetry.prosody.measures import Measure as Measure, MeasuredLine as MeasuredLine
    from gemma_poetry.prosody.mending import Mend as Mend, mends as mends
    from gemma_poetry.prosody.rhyme_book import RhymeBook as RhymeBook
    from gemma_poetry.prosody.rhyme_books import BOOKS as BOOKS
    from gemma_poetry.prosody.rules import Rule as Rule, Verdict as Verdict
    from gemma_poetry.prosody.scansion import scan as scan, scan_auto as scan_auto
    from gemma_poetry.prosody.tunes import find_tune as find_tune, shipped_tunes as shipped_tunes
    from gemma_poetry.prosody.wordstock import Wordstock as Wordstock
else:
    __getattr__, __dir__ = lazy_exports(__name__)
