"""Folded characters, looked up: `corpus.variants.fold` for many short texts.

In: any text. Out: the same number of characters, variants and scripts folded onto one form. `fold` sets up its converters
anew at each call, which a line at a time cannot afford; here each character is folded once and remembered.
"""

from __future__ import annotations

from collections.abc import Sequence

from gemma_poetry.corpus.variants import fold

_FOLDED: dict[int, str] = {}


def fold_quickly(text: str) -> str:
    """The text with every character in its folded form; equal to `fold`."""
    missing = sorted({char for char in text if ord(char) not in _FOLDED})
    if missing:
        _FOLDED.update({ord(char): folded for char, folded in zip(missing, fold("".join(missing)))})
    return text.translate(_FOLDED)


def fold_all(texts: Sequence[str]) -> list[str]:
    """Many texts without line breaks, their unknown characters folded in one go."""
    return fold_quickly("\n".join(texts)).split("\n") if texts else []
