"""The poem, as every stage passes it on.

In: lines of characters with their closing marks, and what is known of them (title, author, era, form).
Out: an immutable `Poem`, its running text, and its JSON record; `SourcePoem` is the same before anything is cleaned.

Texts of other domains (a sonnet, a passage of prose) are poems too: their lines are lines or paragraphs, and the mark that
closes one is a line break or a space.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gemma_poetry.errors import visible
from gemma_poetry.prosody.forms import alternating_marks

FIELDS = ("title", "author", "era", "form", "tune", "lines", "marks", "script", "source_id", "cluster_id")
"""The fields of a poem's record; all but `lines` are texts."""

CELL, SAME = "□", "々"
"""In a layout: the place of a character, and of one that is written 々 where it says the one before it again."""

_CLOSER = re.compile("[^（(〈【〖〔［[，。；：？！、,;:?!.｡．]*([，。；：？！、,;:?!.｡．])")
_FULL_WIDTH = str.maketrans(",;:?!.｡．", "，；：？！。。。")


@dataclass(frozen=True, slots=True)
class Poem:
    """One poem (诗 or 词).

    Attributes:
        lines: The lines (句), Han characters only; in other domains whatever those allow.
        marks: One closing mark a line, `，` or `。` (in other domains any one character); as long as `lines`.
        title: 题目, empty where there is none.
        author: 作者, empty where unknown.
        era: 朝代 as the source says it (`唐`, `宋`, ...), empty where unknown.
        form: 体裁, one of `prosody.forms.FORM_NAMES` (a 词 has the form `词`), or a form of another domain.
        tune: 词牌, empty for poems that are no 词.
        script: `simplified` or `traditional`; empty in other domains.
        source_id: Where the poem stands in its source, stable between runs.
        cluster_id: The near-duplicate cluster it belongs to; empty before deduplication.
        layout: How a person set it: rows, marks and notes as they stood, a `CELL` or `SAME` for each character of its lines;
            empty where that is not known, as of all that is no person's own. It is no field of the record.
    """

    lines: tuple[str, ...]
    marks: str
    title: str = ""
    author: str = ""
    era: str = ""
    form: str = ""
    tune: str = ""
    script: str = "simplified"
    source_id: str = ""
    cluster_id: str = ""
    layout: str = ""

    def __post_init__(self) -> None:
        assert len(self.lines) == len(self.marks), (self.lines, self.marks)

    @property
    def text(self) -> str:
        """The running text: each line followed by its closing mark."""
        return "".join(line + mark for line, mark in zip(self.lines, self.marks))

    @property
    def laid_out(self) -> str:
        """The lines in their layout; empty where it has none, or one of another number of characters."""
        characters = "".join(self.lines)
        if sum(map(self.layout.count, (CELL, SAME))) != len(characters):
            return ""
        shown, place = [], 0
        for cell in self.layout:
            if cell in (CELL, SAME):
                again = cell == SAME and characters[place] == characters[place - 1]
                shown.append(SAME if again else characters[place])
                place += 1
            else:
                shown.append(cell)
        return "".join(shown)

    @property
    def own_marks(self) -> str:
        """The mark that closes each line in the layout, full-width; that of `marks` where the layout has none."""
        places = [place for place, cell in enumerate(self.layout) if cell in (CELL, SAME)]
        if len(places) != self.characters:
            return self.marks
        marks, ended = "", 0
        for line, usual in zip(self.lines, self.marks):
            ended += len(line)
            behind = self.layout[places[ended - 1] + 1 : places[ended] if ended < len(places) else None]
            closer = _CLOSER.match(behind)
            marks += closer[1].translate(_FULL_WIDTH) if closer else usual
        return marks

    @property
    def characters(self) -> int:
        """The number of Han characters, closing marks not counted."""
        return sum(map(len, self.lines))

    @property
    def kind(self) -> str:
        """What the prompt names as 体裁: the tune of a 词, else the form."""
        return self.tune or self.form

    def to_record(self) -> dict[str, Any]:
        """The JSON record that stands in `DATA/{train,val,test}.jsonl`."""
        record = {name: getattr(self, name) for name in FIELDS}
        record["lines"] = list(self.lines)
        return record

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Poem:
        """The inverse of `to_record`. A record without marks gets alternating ones.

        Raises:
            KeyError: The record has no `lines`.
        """
        lines = tuple(record["lines"])
        fields = {name: record[name] for name in FIELDS if name in record}
        fields["lines"] = lines
        fields.setdefault("marks", alternating_marks(len(lines)))
        return cls(**fields)


@dataclass(frozen=True, slots=True)
class SourcePoem:
    """One poem as its source has it, nothing cleaned yet but that what names it can be shown (see `errors.visible`).

    Attributes:
        paragraphs: The text as the source divides it.
        marks: One closing mark a paragraph, where the source keeps lines and marks apart; else empty.
        source_id: Where it stands, stable between runs: `file#number`, counted from 1.
        title: 题目, with whatever serial numbers and notes the source has.
        author: 作者.
        era: 朝代.
        tune: 词牌 as the source writes it, aliases included; empty for poems that are no 词.
        form: 体裁 where the source names it (曲, 词, ...), else empty.
    """

    paragraphs: tuple[str, ...]
    source_id: str
    marks: str = ""
    title: str = ""
    author: str = ""
    era: str = ""
    tune: str = ""
    form: str = ""

    def __post_init__(self) -> None:
        for name in ("source_id", "title", "author", "era", "tune", "form"):
            shown = visible(getattr(self, name))
            if shown != getattr(self, name):
                object.__setattr__(self, name, shown)

    @property
    def marked(self) -> tuple[str, ...]:
        """Its paragraphs, each with the mark that its source keeps apart, so that one cleaning serves every source."""
        return tuple(map("".join, zip(self.paragraphs, self.marks))) if self.marks else self.paragraphs


class RefusedError(Exception):
    """Carries out of a domain's cleaning why a text is left out; `prepare` counts it, nobody else sees it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
