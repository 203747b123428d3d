"""Symbols spell words as single characters, so that what compares characters compares words.

In: lines, and how a language divides them into symbols (words of English, characters of Japanese). Out: lines in which each
symbol is one character, the same one wherever it stands, and the way back.

The search for copied runs, distinct n-grams and self-BLEU are written for characters; spelt so, they count words.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

_FIRST, _LAST = 0x40000, 0x10FFFD
"""Code points that no language uses: planes 4 to 16."""

CHARACTERS = "characters"
"""What symbols are called where they are characters."""


class Symbols:
    """The symbols of one evaluation; a new word gets the next free code point.

    Args:
        split: A line's symbols.
        name: What they are called, in the plural: `words`, `characters`, ...
    """

    def __init__(self, split: Callable[[str], Sequence[str]], name: str = CHARACTERS) -> None:
        self.name = name
        self._split = split
        self._codes: dict[str, str] = {}
        self._words: dict[str, str] = {}

    def spell(self, lines: Sequence[str]) -> tuple[str, ...]:
        """The lines, one character a symbol."""
        return tuple("".join(map(self._code, self._split(line))) for line in lines)

    def read(self, text: str) -> str:
        """The symbols of a spelt text: words with a space between, characters without."""
        symbols = [self._words.get(char, char) for char in text]
        between = ["", *(" " if max(map(len, pair)) > 1 else "" for pair in itertools.pairwise(symbols))]
        return "".join(gap + symbol for gap, symbol in zip(between, symbols))

    def metric(self, name: str) -> str:
        """The name of a metric that counts symbols: characters go without saying."""
        return name if self.name == CHARACTERS else f"{name}_{self.name}"

    def _code(self, symbol: str) -> str:
        if len(symbol) == 1:
            return symbol
        if symbol not in self._codes:
            # Beyond 850,000 words two of them share a code point: a run may then look one word longer than it is.
            code = chr(_FIRST + len(self._codes) % (_LAST - _FIRST + 1))
            self._codes[symbol] = code
            self._words.setdefault(code, symbol)
        return self._codes[symbol]
