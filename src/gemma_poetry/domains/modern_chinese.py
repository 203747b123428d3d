"""Modern Chinese poetry (现代诗) has free lines and stanzas.

In: texts as sources have them. Out: lines closed by line breaks, a blank line between stanzas. Marks inside lines stay:
they are the poet's. Nothing is counted and nothing rhymes by rule, so `check` looks at what free verse still is: Chinese,
in lines, and not a classical poem or a paragraph of prose.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from gemma_poetry.corpus.poem import Poem, RefusedError, SourcePoem
from gemma_poetry.data.prompts import Template
from gemma_poetry.domains.domain import Domain, check_result, cleaned_text, fault, sample_folder
from gemma_poetry.domains.scripts import normal_text, refuse_other_scripts, script_of, single_spaces
from gemma_poetry.languages import _
from gemma_poetry.prosody.check_result import CheckResult

FREE_VERSE, SHORT_POEM, PROSE_POEM = "现代诗", "小诗", "散文诗"

SHORT_LINES = 6
"""A poem of so many lines at most is a 小诗."""

LINE_CHARACTERS = 40
"""A longer line is a paragraph; a poem of such lines is a 散文诗."""


class ModernChinesePoetry(Domain):
    """现代诗, 小诗, 散文诗."""

    name = "modern-chinese-poetry"
    description = _("Modern Chinese poetry (现代诗): free lines and stanzas")
    forms = (FREE_VERSE, SHORT_POEM, PROSE_POEM)
    languages = ("zh",)
    template: ClassVar[Template] = Template("诗体：", "\n题目：", "\n作者：", "\n诗：\n")
    symbol = "characters"
    max_tokens = 300

    def sample(self) -> Path:
        """Original poems of this project."""
        return sample_folder(self.name)

    def clean(self, source: SourcePoem) -> Poem:
        """The poem, white space and repeated blank lines taken out."""
        text = "\n".join(single_spaces(line) for line in normal_text("\n".join(source.paragraphs)).split("\n"))
        lines = re.sub(r"\n{3,}", "\n\n", text).strip("\n").split("\n")
        letters = [char for line in lines for char in line if script_of(char)]
        if not letters:
            raise RefusedError(_("no text"))
        if sum(script_of(char) == "Han" for char in letters) * 2 < len(letters):
            raise RefusedError(_("not Chinese"))
        # A poem may name an email or a pop song; other scripts are damage or another language.
        refuse_other_scripts(text, {"Han", "Latin"})
        form = source.form if source.form in self.forms else form_of(lines)
        return cleaned_text(source, lines, form)

    def check(self, lines: Sequence[str], form: str) -> CheckResult:
        """Whether lines and their number are those of the form, and whether they are Chinese."""
        faults = []
        for number, line in enumerate(lines, 1):
            long = len(line) > LINE_CHARACTERS
            if long and form != PROSE_POEM:
                faults.append(fault(number, 0, _("line"), _("at most {count} characters", count=LINE_CHARACTERS), len(line)))
            for position, char in enumerate(line, 1):
                if script_of(char) not in ("", "Han", "Latin"):
                    faults.append(fault(number, position, _("script"), "Han", f"{char} ({script_of(char)})"))
        full = [line for line in lines if line.strip()]
        if form == SHORT_POEM and len(full) > SHORT_LINES:
            faults.append(fault(0, 0, _("lines"), _("at most {count}", count=SHORT_LINES), len(full)))
        if form == FREE_VERSE and len(full) < 2:
            faults.append(fault(0, 0, _("lines"), _("at least 2"), len(full)))
        if not any(script_of(char) == "Han" for line in full for char in line):
            faults.append(fault(0, 0, _("script"), "Han", _("none")))
        return check_result(form, lines, faults)

    def symbols(self, line: str) -> Sequence[str]:
        """Han characters and letters, marks left out."""
        return [char for char in line.casefold() if script_of(char)]


def form_of(lines: Sequence[str]) -> str:
    """The form of a poem by its lines."""
    full = [line for line in lines if line]
    if sum(len(line) > LINE_CHARACTERS for line in full) * 2 > len(full):
        return PROSE_POEM
    return SHORT_POEM if len(full) <= SHORT_LINES else FREE_VERSE
