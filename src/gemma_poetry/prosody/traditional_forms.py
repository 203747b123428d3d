"""Which traditional form a simplified character stands for in its company.

In: a simplified line and OpenCC's conversion of it. Out: the conversion, with the forms put right that cannot be meant
there; and for each place the other forms that can be meant there too.

    assets/prosody/company.txt, made by scripts/collect_company.py from 309,000 traditional poems: how often each form of
    a character is met, and which neighbours are evidence for it or against it, in bits.

The bits of a form in its place are those of its share among all the forms of the character, and those of its neighbours
before and behind. Neighbours that no poem knows say nothing: then the share alone speaks. A form that no poem has at all
is never meant (亏 as another way to write 于), unless no poem has any of them.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources

from gemma_poetry.errors import DataError
from gemma_poetry.languages import _

TABLE = "assets/prosody/company.txt"

LINE_END = "|"
"""What stands in the table behind the last character of a line, where it may tell of the rhyme."""

DOUBT_BITS = 0.5
"""A form can be meant too if it falls short of the most probable one by so many bits at most."""

OVERRULING_BITS = 0.5
"""OpenCC's phrases are overruled where another form is so many bits ahead of theirs."""

MISPRINT_BITS = 5
"""A form that stands in traditional text is a fault of conversion where another is so many bits ahead (公干 for 公幹)."""

_GROUP = re.compile(r"([+-]\d):(\S+)")


@dataclass(frozen=True, slots=True)
class _Form:
    """A traditional form.

    Attributes:
        form: The form.
        bits: The logarithm to the base 2 of its share among the forms of its character.
        before: What a neighbour before it adds.
        behind: What a neighbour behind it adds.
    """

    form: str
    bits: float
    before: Mapping[str, int]
    behind: Mapping[str, int]

    def bits_between(self, before: str, behind: str) -> float:
        """Its bits between two neighbours; one that is empty says nothing."""
        return self.bits + self.before.get(before, 0) + self.behind.get(behind, 0)


@functools.cache
def _rows() -> dict[str, list[list[str]]]:
    """The rows of the table by simplified character, not yet read further: a poem needs few of them."""
    rows: dict[str, list[list[str]]] = {}
    text = resources.files("gemma_poetry").joinpath(TABLE).read_text(encoding="utf-8")
    for number, line in enumerate(text.splitlines(), 1):
        if line[:1] != "#":
            char, *row = line.split("\t")
            if len(row) != 4 or not row[1].isdecimal():
                raise DataError(
                    _("no table of company: {line!r}", line=line[:20]),
                    expected=_("the file that scripts/collect_company.py writes"),
                    action=_("install the package again"),
                    where=f"{TABLE}:{number}",
                )
            rows.setdefault(char, []).append(row)
    return rows


@functools.cache
def _forms(char: str) -> tuple[_Form, ...]:
    """The forms of a character that poems have; none where they have none of them, or it has no forms to choose from."""
    rows = _rows().get(char, [])
    total = sum(int(met) for _, met, _, _ in rows)
    return tuple(
        _Form(form, math.log2(int(met) / total), _neighbours(before), _neighbours(behind))
        for form, met, before, behind in rows
        if int(met)
    )


def _neighbours(text: str) -> dict[str, int]:
    return {char: int(bits) for bits, chars in _GROUP.findall(text) for char in chars}


@functools.cache
def usual_forms(char: str) -> str:
    """The forms that a simplified character may stand for in some company; empty where every form that it has may."""
    return "".join(found.form for found in _forms(char))


@functools.cache
def _ambiguous() -> frozenset[str]:
    return frozenset(char for char in _rows() if len(_forms(char)) > 1 or usual_forms(char) not in ("", char))


def _chosen(line: str, read: str) -> Iterator[tuple[int, str, dict[str, float]]]:
    """The places of a line where there is a choice: index from 0, the form that it is read with, the bits of each form."""
    ambiguous = _ambiguous()
    for index, char in enumerate(line):
        if char in ambiguous:
            yield index, read[index], _bits(char, line[index - 1 : index], line[index + 1 : index + 2] or LINE_END)


@functools.lru_cache(maxsize=65536)
def _bits(char: str, before: str, behind: str) -> dict[str, float]:
    return {found.form: found.bits_between(before, behind) for found in _forms(char)}


def put_right(line: str, read: str) -> str:
    """OpenCC's conversion of a line, with the forms put right that cannot be meant where they stand.

    Args:
        line: The line in simplified characters.
        read: OpenCC's conversion of it, as long.
    """
    changes = {}
    for index, own, bits in _chosen(line, read):
        best = max(bits, key=lambda form: bits[form])
        if best != own and bits[best] - bits.get(own, -math.inf) >= OVERRULING_BITS:
            changes[index] = best
    return "".join(changes.get(index, char) for index, char in enumerate(read)) if changes else read


def misprinted_forms(line: str, plain: str) -> dict[int, str]:
    """The forms that traditional text must mean where what it has cannot be meant, by index from 0."""
    found = {}
    for index, own, bits in _chosen(plain, line):
        best = max(bits, key=lambda form: bits[form])
        if own in bits and bits[best] - bits[own] >= MISPRINT_BITS:
            found[index] = best
    return found


def other_forms(line: str, read: str) -> dict[int, str]:
    """The forms that can be meant beside the one that a line is read with, by index from 0.

    Args:
        line: The line in simplified characters.
        read: The line in traditional characters, as `put_right` gives it.
    """
    found = {}
    for index, own, bits in _chosen(line, read):
        least = max(bits.values()) - DOUBT_BITS
        others = "".join(form for form, amount in bits.items() if amount >= least and form != own)
        if others:
            found[index] = others
    return found
