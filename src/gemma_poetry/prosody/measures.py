"""A measure counts lines by what they cost: in syllables, morae, or whatever a language counts.

In: how much each line of a form costs, which lines rhyme, where the beats fall.
Out: a `Measure`, which constrained generation obeys; a `Unit` says what a word (or a kana) costs.

Slots (`forms`) serve a script in which a character is a syllable. Where a word has one syllable or six, a line is a sum
to be paid: 17 morae in portions of 5, 7 and 5, or ten syllables whose stresses fall on every second place.
"""

from __future__ import annotations

from dataclasses import dataclass

STRONG, WEAK = "/", "x"


@dataclass(frozen=True, slots=True)
class Unit:
    """What one word (or kana, or syllable block) costs, however it is pronounced.

    Attributes:
        cost: Syllables or morae, at least 1.
        rhyme: The rhyme group that it may end a line in; empty: it rhymes with nothing, or its pronunciations disagree.
        accents: Its syllables, from 0, that must stand on a strong place of the metre.
    """

    cost: int
    rhyme: str = ""
    accents: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class MeasuredLine:
    """One line of a measure.

    Attributes:
        cost: What its units cost together.
        mark: The one character that closes it.
        rhyme: The name of a rhyme variable; lines that share it rhyme. Empty: no rhyme.
        metre: One `x` (weak) or `/` (strong) a syllable; empty: stresses are free.
        groups: The rhyme groups that it may end in, by name, where it has a rhyme; empty: any.
    """

    cost: int
    mark: str = "\n"
    rhyme: str = ""
    metre: str = ""
    groups: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        assert not self.metre or len(self.metre) == self.cost, (self.metre, self.cost)
        assert self.rhyme or not self.groups, self.groups


@dataclass(frozen=True, slots=True)
class Measure:
    """A form of counted lines.

    Attributes:
        name: The form, as prompts name it.
        lines: The lines.
    """

    name: str
    lines: tuple[MeasuredLine, ...]

    @property
    def marks(self) -> str:
        """The closing marks, one a line."""
        return "".join(line.mark for line in self.lines)

    def rhyming(self, variable: str) -> tuple[MeasuredLine, ...]:
        """The lines that share a rhyme variable."""
        return tuple(line for line in self.lines if line.rhyme == variable)


def split_measured(text: str, marks: str) -> tuple[tuple[str, ...], str]:
    """The lines of a running text, cut at the closing marks in their order.

    Args:
        text: The running text.
        marks: The closing marks of the form.

    Returns:
        The lines and their marks; what stands behind the last mark is a line more, closed by a line break.
    """
    lines: list[str] = []
    begin = 0
    for mark in marks:
        end = text.find(mark, begin)
        if end < 0:
            break
        lines.append(text[begin:end])
        begin = end + 1
    closed = marks[: len(lines)]
    if text[begin:].strip():
        rest = text[begin:].rstrip("\n").split("\n")
        return (*lines, *rest), closed + "\n" * len(rest)
    return tuple(lines), closed
