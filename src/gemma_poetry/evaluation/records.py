"""Records are the files that evaluation reads: what models made of the poems of a split.

    RUN/eval/likelihoods.jsonl    one record a poem and system: nats, tokens, characters
    RUN/eval/generations.jsonl    one record a poem, system and protocol: what was written, and what it is held against
    RUN/eval/title_ranks.jsonl    one record a poem and system: where its title stands among others, by likelihood

In: JSON lines. Out: `Likelihood`s, `Generation`s, `TitleRank`s. Models never come in here: whoever has one writes these files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from enum import Enum
from pathlib import Path
from typing import TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from gemma_poetry.artifacts import read_jsonl, write_jsonl
from gemma_poetry.errors import DataError
from gemma_poetry.languages import _, listed

LIKELIHOODS = "likelihoods.jsonl"
GENERATIONS = "generations.jsonl"
TITLE_RANKS = "title_ranks.jsonl"

_STRICT_FIELDS = ConfigDict(extra="forbid")

_Record = TypeVar("_Record", "Likelihood", "Generation", "TitleRank")


class Protocol(str, Enum):
    """What a system is given of the reference poem.

    `TITLE`: form and title; it writes the whole poem. `COUPLET`: the first two lines besides; it writes the rest.
    """

    TITLE = "title"
    COUPLET = "couplet"


def repeated(source_id: str, times: int) -> str:
    """The id of what a system wrote for a poem, where it wrote for it so many `times` before."""
    return f"{source_id}~{times + 1}" if times else source_id


def without_repeat(source_id: str) -> str:
    """The id of the poem, whichever of several that were written for it has this one."""
    return re.sub(r"~[0-9]+$", "", source_id)


class _OfPoem:
    """What is known of one poem of the split."""

    __slots__ = ()
    source_id: str
    cluster_id: str

    @property
    def unit(self) -> str:
        """What is drawn as one when poems are resampled."""
        return self.cluster_id or self.source_id


@dataclass(frozen=True, slots=True)
class Likelihood(_OfPoem):
    """How likely a system finds one poem.

    Attributes:
        system: `base`, `tuned`, ...
        source_id: The poem.
        cluster_id: Its near-duplicate cluster.
        form: 体裁 or 词牌.
        nll: Negative log-likelihood of the completion, terminator included, in nats.
        tokens: Its tokens, terminator included.
        characters: Its Han characters.
    """

    __pydantic_config__ = _STRICT_FIELDS

    system: str
    source_id: str
    cluster_id: str
    form: str
    nll: float
    tokens: int
    characters: int


@dataclass(frozen=True, slots=True)
class Generation(_OfPoem):
    """What a system wrote for one poem of the split.

    Attributes:
        system: `base`, `tuned`, `human`, ...
        protocol: What it was given.
        source_id: The reference poem.
        cluster_id: The cluster of the reference poem.
        title: 题目 that was asked for.
        form: 体裁 or 词牌 that was asked for.
        opening: The lines that were given.
        lines: The lines that were written.
        marks: One closing mark a written line.
        reference: The lines of the reference poem that `lines` are held against.
        origin: Where the lines come from if no model wrote them (author, title, source_id of a
            poem, and how much it shares).
    """

    __pydantic_config__ = _STRICT_FIELDS

    system: str
    protocol: Protocol
    source_id: str
    cluster_id: str
    title: str
    form: str
    opening: tuple[str, ...]
    lines: tuple[str, ...]
    marks: str
    reference: tuple[str, ...]
    origin: Mapping[str, str | float] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The written characters, closing marks left out."""
        return "".join(self.lines)

    @property
    def reference_text(self) -> str:
        """The characters that `text` is held against."""
        return "".join(self.reference)


@dataclass(frozen=True, slots=True)
class TitleRank(_OfPoem):
    """Whether a poem fits its title better than it fits others.

    Attributes:
        system: The system that wrote the poem.
        source_id: The reference poem that the title is from.
        cluster_id: The cluster of the reference poem.
        form: 体裁 or 词牌.
        rank: The place, from 1, of the poem's own title among `among` titles, by the likelihood of the poem under each.
        among: Titles that were compared.
    """

    __pydantic_config__ = _STRICT_FIELDS

    system: str
    source_id: str
    cluster_id: str
    form: str
    rank: int
    among: int


def write_records(path: Path, records: Iterable[Likelihood | Generation | TitleRank]) -> int:
    """Writes records as JSON lines; returns how many.

    Raises:
        OutputError: The file cannot be written.
    """
    return write_jsonl(path, map(asdict, records))


def read_records(path: Path, kind: type[_Record]) -> list[_Record]:
    """Reads `likelihoods.jsonl`, `generations.jsonl` or `title_ranks.jsonl`.

    Raises:
        DataError: The file is missing or a record lacks a field.
    """
    records = TypeAdapter(kind)
    found = []
    for number, record in enumerate(read_jsonl(path), 1):
        try:
            found.append(records.validate_python(record))
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(map(str, first["loc"]))
            raise DataError(
                _(
                    "record {number} is no {name} ({field}: {msg})",
                    number=number,
                    name=kind.__name__.lower(),
                    field=field,
                    msg=first["msg"].lower(),
                ),
                where=path,
                expected=_("the fields {dataclass_fields}", dataclass_fields=listed(kind.__dataclass_fields__)),
                action=_("evaluate again"),
            ) from error
    return found
