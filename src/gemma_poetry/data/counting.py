"""A counting says what perplexity is divided by: Han characters, words of English verse, whatever a domain counts.

In: the lines of a text. Out: how many units they have, what the figure is called (`ppl_char`, `ppl_word`), and the figure.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass


def count_characters(lines: Sequence[str]) -> int:
    """The characters of some lines, closing marks not counted."""
    return sum(map(len, lines))


def perplexity(nats: float, units: float) -> float:
    """exp(nats / units), infinite where that is beyond all numbers: a model that went astray is no error of arithmetic."""
    try:
        return math.exp(nats / units)
    except OverflowError:
        return math.inf


@dataclass(frozen=True, slots=True)
class Counting:
    """One way to count a text.

    Attributes:
        unit: What is counted, as it stands behind `ppl_`.
        count: Counts the units of a text's lines.
    """

    unit: str = "char"
    count: Callable[[Sequence[str]], int] = count_characters


CHARACTERS = Counting()
