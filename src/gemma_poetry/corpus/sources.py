"""Where poems come from.

In: what the person named as source. Out: `SourcePoem`s, one poem each as its source has it, and a `SourceInfo` that
says what was read (for the manifest).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SourcePoem:
    """One poem as its source has it, nothing cleaned yet.

    Attributes:
        paragraphs: The text as the source divides it.
        source_id: Where it stands, stable between runs: `file#number`, counted from 1.
        title: 题目, with whatever serial numbers and notes the source has.
        author: 作者.
        era: 朝代.
        tune: 词牌 as the source writes it, aliases included; empty for poems that are no 词.
        form: 体裁 where the source names it (曲, 词, ...), else empty.
    """

    paragraphs: tuple[str, ...]
    source_id: str
    title: str = ""
    author: str = ""
    era: str = ""
    tune: str = ""
    form: str = ""
