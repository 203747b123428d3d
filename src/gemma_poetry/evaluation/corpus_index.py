"""A corpus index tells where in a corpus a few characters come from.

In: the poems that a model may have learned from. Out: for a line, whether the corpus has it and which line comes nearest;
for a poem, the longest run of characters that it shares with any poem; for a poem, others of its shape that share most.

    poems ──fold variants and script──> character numbers (positions,) ──sorted by pairs──> positions of each pair

Everything is compared in folded characters, so that 窻前 and 窗前, traditional and simplified, count as the same.
The collection of 290,000 poems takes about 17 million positions, and some 0.4 GB while it is asked.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gemma_poetry.corpus.poem import Poem
from gemma_poetry.corpus.variants import fold

_BETWEEN = 0
"""The number that stands between two poems; characters count from 1."""

SHORTEST_LINE = 4
"""Shorter lines are phrases that anybody uses: they are never called copied, in characters."""

_LONGEST_LINE = 255
"""Characters of a line that are compared with other lines."""

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Span:
    """A run of characters that a corpus has too.

    Attributes:
        text: The run, as the asking poem writes it; it may go on from one line to the next.
        poem: The poem of the corpus that has it.
    """

    text: str
    poem: Poem


@dataclass(frozen=True, slots=True)
class NearestLine:
    """The line of a corpus that has most characters in the same places.

    Attributes:
        text: The line.
        poem: The poem that has it.
        shared: Characters that stand in the same place.
    """

    text: str
    poem: Poem
    shared: int


class CorpusIndex:
    """Poems, ready to be asked.

    Args:
        poems: The poems; among equals the first one is named.
    """

    def __init__(self, poems: Sequence[Poem]) -> None:
        self.poems = poems
        texts = ["".join(poem.lines) for poem in poems]
        codes = _code_points(fold("\n".join(["", *texts, ""])))
        self._alphabet, numbers = np.unique(codes, return_inverse=True)
        # A line feed is smaller than every character, so that it has the number of `_BETWEEN`.
        self._numbers: npt.NDArray[np.int32] = numbers.astype(np.int32)
        lengths = np.array([len(line) for poem in poems for line in poem.lines], dtype=np.int64)
        poem_of_line = np.repeat(np.arange(len(poems)), [len(poem.lines) for poem in poems])
        # Each poem is followed by one separator, and one stands in front of the first.
        self._line_begins = np.concatenate([[0], np.cumsum(lengths)[:-1]])[: len(lengths)] + 1 + poem_of_line
        self._line_lengths, self._poem_of_line = lengths, poem_of_line
        self._first_lines = np.searchsorted(poem_of_line, np.arange(len(poems)))
        self._poem_begins = np.concatenate([[0], np.cumsum([len(text) + 1 for text in texts])]).astype(np.int64) + 1
        pairs = self._numbers[:-1].astype(np.int64) * len(self._alphabet) + self._numbers[1:]
        self._pair_positions = np.argsort(pairs, kind="stable").astype(np.int32)
        self._pairs = pairs[self._pair_positions]
        self._members: dict[int, Numbers] = {}
        self._places: dict[tuple[int, int], tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]] = {}

    def _query(self, text: str) -> npt.NDArray[np.int32]:
        """Character numbers of a text, -1 for characters that the corpus does not have."""
        codes = _code_points(fold(text))
        found = np.searchsorted(self._alphabet, codes)
        found[found == len(self._alphabet)] = 0
        return np.where(self._alphabet[found] == codes, found, -1).astype(np.int32)

    def _positions(self, first: int, second: int) -> npt.NDArray[np.int32]:
        """Where a pair of characters stands, ascending."""
        if first < 0 or second < 0:
            return np.empty(0, dtype=np.int32)
        key = first * len(self._alphabet) + second
        begin, end = np.searchsorted(self._pairs, [key, key + 1])
        return self._pair_positions[begin:end]

    def _poem_at(self, position: int) -> Poem:
        return self.poems[int(np.searchsorted(self._poem_begins, position, side="right")) - 1]

    def longest_span(self, lines: Sequence[str]) -> Span | None:
        """The longest run of at least two characters that some poem has too; among equals the first in the lines."""
        text = "".join(lines)
        query = self._query(text)
        best, where, source = 1, 0, -1
        for begin in range(len(query) - 1):
            candidates = self._positions(int(query[begin]), int(query[begin + 1]))
            length = 2
            while len(candidates):
                if length > best:
                    best, where, source = length, begin, int(candidates[0])
                if begin + length == len(query):
                    break
                candidates = candidates[self._numbers[candidates + length] == query[begin + length]]
                length += 1
        return Span(text[where : where + best], self._poem_at(source)) if source >= 0 else None

    def nearest_line(self, line: str) -> NearestLine | None:
        """The line of the same length with most characters in the same places; `None` where none shares any."""
        members = self._of_length(len(line))
        agreements = np.zeros(len(members), dtype=np.uint8)
        for place, number in enumerate(self._query(line[:_LONGEST_LINE]).tolist()):
            chars, order = self._sorted_at(len(line), place)
            begin, end = np.searchsorted(chars, [number, number + 1]) if number > _BETWEEN else (0, 0)
            agreements[order[begin:end]] += 1
        if not agreements.any():
            return None
        best = int(agreements.argmax())
        number = int(members[best])
        owner = int(self._poem_of_line[number])
        poem = self.poems[owner]
        return NearestLine(poem.lines[number - int(self._first_lines[owner])], poem, int(agreements[best]))

    def _of_length(self, length: int) -> Numbers:
        """The numbers of the lines of a length."""
        if length not in self._members:
            self._members[length] = np.flatnonzero(self._line_lengths == length)
        return self._members[length]

    def _sorted_at(self, length: int, place: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        """The characters at a place of all lines of a length, sorted, and the lines (of that length) they belong to."""
        if (length, place) not in self._places:
            chars = self._numbers[self._line_begins[self._of_length(length)] + place]
            order = np.argsort(chars, kind="stable").astype(np.int32)
            self._places[length, place] = chars[order], order
        return self._places[length, place]

    def similar_poems(self, lines: Sequence[str], count: int, skipped_lines: int = 0) -> list[Poem]:
        """Poems that share most pairs of characters with these lines, best first.

        Args:
            lines: The lines; only poems with lines of the same lengths, behind those skipped, are considered.
            count: How many at most.
            skipped_lines: Lines at the beginning of a poem that are not compared.
        """
        query = self._query("".join(lines))
        found = [self._positions(int(first), int(second)) for first, second in itertools.pairwise(query)]
        positions = np.concatenate(found) if found else np.empty(0, dtype=np.int32)
        owner_lines = np.searchsorted(self._line_begins, positions, side="right") - 1
        owners = self._poem_of_line[owner_lines]
        owners = owners[owner_lines - self._first_lines[owners] >= skipped_lines]
        numbers, shares = np.unique(owners, return_counts=True)
        shape = list(map(len, lines))
        best: list[Poem] = []
        for number in numbers[np.argsort(-shares, kind="stable")].tolist():
            if len(best) == count:
                break
            if list(map(len, self.poems[number].lines[skipped_lines:])) == shape:
                best.append(self.poems[number])
        return best


def _code_points(text: str) -> npt.NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)
