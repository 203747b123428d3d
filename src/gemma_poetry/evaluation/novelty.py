"""Novelty tells how much of what was written stands in the corpus already.

In: written poems and a `CorpusIndex`. Out: for each poem a `Provenance`, and sums for three figures:

    copied_lines    share of the lines (of four characters or more) that the corpus has word for word
    longest_span    mean length of the longest run of characters shared with one poem, in characters
    nearest_line    share of the characters that stand in the same place in the nearest line of the corpus

Real held-out poems are quoted, allude and use set phrases: their own figures say how much is usual. In languages of words the
poems and the corpus are spelt with one character a word (`Symbols`), and every figure counts words.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gemma_poetry.evaluation.corpus_index import SHORTEST_LINE, CorpusIndex, NearestLine, Span
from gemma_poetry.evaluation.statistics import Floats


@dataclass(frozen=True, slots=True)
class Provenance:
    """What of a poem stands in the corpus.

    Attributes:
        lines: The poem, as it is shown.
        nearest: The nearest line of each of its lines that is long enough to be judged, `None` where none is near.
        judged: Those lines.
        span: The longest run of characters that is shared.
    """

    lines: tuple[str, ...]
    judged: tuple[str, ...]
    nearest: tuple[NearestLine | None, ...]
    span: Span | None

    @property
    def copied(self) -> tuple[tuple[str, NearestLine], ...]:
        """The lines that the corpus has word for word, folded characters compared, with where they stand."""
        pairs = zip(self.judged, self.nearest)
        return tuple((line, near) for line, near in pairs if near is not None and near.shared == len(line))

    def to_record(self, read: Callable[[str], str] = str) -> dict[str, Any]:
        """The record that stands in `results.json`."""
        return {
            "lines": list(self.lines),
            "span": self.span and {"text": read(self.span.text), "length": len(self.span.text), **_source(self.span)},
            "copied": [{"line": read(line), **_source(near)} for line, near in self.copied],
            "nearest": [
                {"line": read(line), "text": read(near.text), "shared": near.shared, **_source(near)}
                for line, near in zip(self.judged, self.nearest)
                if near is not None
            ],
        }


def _source(found: Span | NearestLine) -> dict[str, str]:
    return {"author": found.poem.author, "title": found.poem.title, "source_id": found.poem.source_id}


def trace(lines: Sequence[str], index: CorpusIndex, shown: Sequence[str] | None = None) -> Provenance:
    """Looks a poem up in a corpus.

    Args:
        lines: Its lines, as those of the corpus are spelt.
        index: The corpus.
        shown: Its lines, as people read them; `None`: the same.
    """
    judged = tuple(line for line in lines if len(line) >= SHORTEST_LINE)
    nearest = tuple(map(index.nearest_line, judged))
    return Provenance(tuple(lines if shown is None else shown), judged, nearest, index.longest_span(lines))


LONGEST_SPAN = "longest_span"
NOVELTY = ("copied_lines", LONGEST_SPAN, "nearest_line")


def novelty_sums(provenances: Sequence[Provenance]) -> dict[str, Floats]:
    """For each figure, rows (sum, count) for `statistics.mean`, one a poem."""
    copied = [(len(one.copied), len(one.judged)) for one in provenances]
    spans = [(len(one.span.text) if one.span else 0, 1) for one in provenances]
    shared = [(sum(near.shared for near in one.nearest if near is not None), sum(map(len, one.judged))) for one in provenances]
    rows = (np.asarray(sums, dtype=np.float64).reshape(-1, 2) for sums in (copied, spans, shared))
    return dict(zip(NOVELTY, rows))


def most_copied(provenances: Sequence[Provenance], count: int) -> list[Provenance]:
    """The poems with the longest shared spans, longest first."""
    spanning = [one for one in provenances if one.span is not None]
    return sorted(spanning, key=lambda one: -len(one.span.text) if one.span else 0)[:count]
