"""This domain takes prose in any language: stories, essays, technical text, Markdown.

In: plain text or Markdown files. Out: passages of whole paragraphs. Markdown stays as it is written: headings, lists and
fenced code are part of the style that is learned. A fenced block is never cut, and a passage remembers the nearest
heading above it as its title. Right-to-left text stays in logical order.

The forms say what a passage is made of, by rule: `technical` where it has code or a table, `markdown` where it has other
marks of Markdown, else `prose`. Nothing is counted, so `check` tells form and script, and judges nothing else.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from gemma_poetry.corpus.poem import Poem, RefusedError, SourcePoem
from gemma_poetry.domains.domain import Domain, check_result, cleaned_text, fault, sample_folder
from gemma_poetry.domains.scripts import normal_text, scripts_of
from gemma_poetry.languages import _
from gemma_poetry.prosody.check_result import CheckResult

PROSE, MARKDOWN, TECHNICAL = "prose", "markdown", "technical"

PASSAGE_CHARACTERS = 600
"""A passage is closed by the first paragraph that takes it past this length, in characters."""

_FENCE = re.compile(r"\s{0,3}(```|~~~)")
_HEADING = re.compile(r"\s{0,3}#{1,6}\s+(.*?)\s*#*")
_TABLE = re.compile(r"\s*\|.*\|\s*")
_INLINE_CODE = re.compile(r"`[^`\n]+`")
_MARKDOWN = re.compile(r"\s{0,3}(#{1,6}\s|[-*+]\s|\d{1,3}[.)]\s|>\s)|.*(\*\*[^*\n]+\*\*|\[[^\]\n]+\]\([^)\n]+\))")


class Prose(Domain):
    """Any plain text, in any language."""

    name = "prose"
    description = _("Prose in any language: plain text, Markdown, technical text")
    forms = (PROSE, MARKDOWN, TECHNICAL)
    endings: ClassVar[tuple[str, ...]] = (*Domain.endings, ".md", ".markdown", ".rst")
    max_tokens = 400

    def sample(self) -> Path:
        """An essay, a technical text in Markdown, a story in several languages."""
        return sample_folder(self.name)

    def divide(self, text: str, name: str) -> Iterator[SourcePoem]:
        """Passages of whole paragraphs, each with the nearest heading above it as its title."""
        number, title, length = 0, "", 0
        gathered: list[str] = []
        for block in _blocks(text.replace("\r\n", "\n").replace("\r", "\n")):
            heading = _HEADING.fullmatch(block[0])
            if gathered and (heading or length >= PASSAGE_CHARACTERS):
                number += 1
                yield SourcePoem(tuple(gathered), f"{name}#{number}", title=title)
                gathered, length = [], 0
            if heading:
                title = heading[1]
            gathered += [*([""] if gathered else []), *block]
            length += sum(map(len, block))
        if gathered:
            yield SourcePoem(tuple(gathered), f"{name}#{number + 1}", title=title)

    def clean(self, source: SourcePoem) -> Poem:
        """The passage with its lines as they are, trailing white space off."""
        lines = [line.rstrip() for line in normal_text("\n".join(source.paragraphs)).split("\n")]
        while lines and not lines[0]:
            lines.pop(0)
        while lines and not lines[-1]:
            lines.pop()
        if not any(unicodedata.category(char).startswith("L") for line in lines for char in line):
            raise RefusedError(_("no text"))
        form = source.form if source.form in self.forms else form_of(lines)
        return cleaned_text(source, lines, form)

    def check(self, lines: Sequence[str], form: str) -> CheckResult:
        """Whether the passage is of its form, and whether its code fences are closed."""
        faults = []
        opened = 0
        for number, line in enumerate(lines, 1):
            if _FENCE.match(line):
                opened = 0 if opened else number
        if opened:
            faults.append(fault(opened, 0, _("code fence"), _("a closing fence"), _("the end of the text")))
        found = form_of(lines)
        if form != found and form == TECHNICAL:
            faults.append(fault(0, 0, _("form"), form, found))
        scripts = sorted(scripts_of("".join(lines)))
        return check_result(form, lines, faults, judged=form == TECHNICAL, scripts=scripts, direction=direction(lines))


def form_of(lines: Sequence[str]) -> str:
    """What a passage is made of."""
    if any(_FENCE.match(line) or _TABLE.fullmatch(line) or _INLINE_CODE.search(line) for line in lines):
        return TECHNICAL
    return MARKDOWN if any(_MARKDOWN.match(line) for line in lines) else PROSE


def direction(lines: Sequence[str]) -> str:
    """`rtl` or `ltr`: the direction of the first letter that has one, as the Unicode bidirectional algorithm takes it."""
    for char in "\n".join(lines):
        kind = unicodedata.bidirectional(char)
        if kind in ("R", "AL"):
            return "rtl"
        if kind == "L":
            return "ltr"
    return "ltr"


def _blocks(text: str) -> Iterator[list[str]]:
    """Paragraphs: runs of lines without a blank one; a fenced block is never cut."""
    block: list[str] = []
    fence = ""
    for line in [*text.split("\n"), ""]:
        found = _FENCE.match(line)
        if found and not fence:
            fence = found[1]
        elif found and found[1] == fence:
            fence = ""
        if line.strip() or fence:
            block.append(line)
        elif block:
            yield block
            block = []
    if block:
        yield block
