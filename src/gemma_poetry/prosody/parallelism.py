"""A heuristic counts how many places of a couplet hold characters of a kind (对仗).

In: the two lines of a couplet. Out: a `Parallelism`.

No well-kept library knows the word classes of classical Chinese, so they are learned: from what stands opposite what in
couplets 2 and 3 of 100,000 律诗 (assets/prosody/counterparts.txt, made by scripts/collect_pairs.py). Two characters
answer each other if that pair is attested, or if their classes stand opposite each other far more often than by chance. A
couplet counts as parallel if three of its five or seven places do so and no character stands opposite itself. Of 3,250
held-out 律诗 72% of couplets 2 and 3 count, 9% of couplets 4, which need not be parallel, and 4% of lines put together at
random: a couplet that counts is very likely parallel, one that does not may still be.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from importlib import resources

from gemma_poetry.prosody.interpretation import simplified
from gemma_poetry.prosody.lexicon import rows_of

TABLE = "assets/prosody/counterparts.txt"
MIN_SHARE = 0.42
"""Three of five places, three of seven."""


@dataclass(frozen=True, slots=True)
class Parallelism:
    """What a couplet has of 对仗.

    Attributes:
        answered: For each place, whether the characters are of a kind.
        repeated: The places, from 1, where a character stands opposite itself.
    """

    answered: tuple[bool, ...]
    repeated: tuple[int, ...]

    @property
    def share(self) -> float:
        """The share of places whose characters are of a kind."""
        return sum(self.answered) / len(self.answered) if self.answered else 0.0

    @property
    def parallel(self) -> bool:
        """Whether the couplet counts as parallel."""
        return self.share >= MIN_SHARE and not self.repeated


def parallelism(first: str, second: str) -> Parallelism:
    """What two lines of one length have of 对仗.

    Args:
        first: The upper line, in either script.
        second: The lower line.
    """
    pairs = list(zip(simplified(first), simplified(second)))
    return Parallelism(
        tuple(one != other and _answers(one, other) for one, other in pairs),
        tuple(position for position, (one, other) in enumerate(pairs, 1) if one == other),
    )


@dataclass(frozen=True, slots=True)
class _Counterparts:
    pairs: frozenset[str]
    classes: dict[str, str]
    opposed: frozenset[tuple[str, str]]


@functools.cache
def _counterparts() -> _Counterparts:
    text = resources.files("gemma_poetry").joinpath(TABLE).read_text(encoding="utf-8")
    rows: dict[str, list[tuple[str, str]]] = {"[pairs]": [], "[classes]": [], "[opposed]": []}
    for _number, section, line in rows_of(text):
        key, _, value = line.partition("\t")
        rows[section].append((key, value))
    return _Counterparts(
        frozenset(first + second for first, found in rows["[pairs]"] for second in found),
        {char: number for number, found in rows["[classes]"] for char in found},
        frozenset((number, other) for number, found in rows["[opposed]"] for other in found.split()),
    )


@functools.cache
def counterparts(char: str) -> frozenset[str]:
    """The characters that answer a character, by attested pairs and by classes; in simplified characters.

    Args:
        char: The character, in simplified form.
    """
    table = _counterparts()
    attested = {pair[1 - pair.index(char)] for pair in table.pairs if char in pair}
    own = table.classes.get(char, "")
    opposed = {other for number, other in table.opposed if number == own}
    classed = {other for other, number in table.classes.items() if number in opposed}
    return frozenset(attested | classed) - {char}


def _answers(one: str, other: str) -> bool:
    table = _counterparts()
    if one + other in table.pairs or other + one in table.pairs:
        return True
    return (table.classes.get(one, ""), table.classes.get(other, "")) in table.opposed
