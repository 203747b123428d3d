"""Errors as messages on the page.

In: an error. Out: HTML that says what was met, what should have been, and what to do. Errors that nobody raised on purpose
go to the log with their trace; the page says only that something failed, or that memory ran out.
"""

from __future__ import annotations

import logging

from gemma_poetry.errors import GemmaPoetryError
from gemma_poetry.languages import _, localized
from gemma_poetry.studio.texts import Language, complaint, say
from gemma_poetry.studio.verse import escape

_LOG = logging.getLogger("gemma_poetry.studio")
# Advice that speaks of the command line, as the page can follow it.
_ON_THE_PAGE = {
    "give --template, e.g. □□□□，□□□□□□。, or choose another form": _(
        "give a template with blanks, e.g. □□□□，□□□□□□。, or choose another form"
    ),
    "see `gemma-poetry tunes list`": _("choose one of the list"),
    "choose one of `gemma-poetry tunes list`, or induce templates from a larger corpus": _("choose another tune of the list"),
    "name a form, e.g. --form 七言绝句": _("choose a form, e.g. 七言绝句"),
}
_CPU_MEMORY = "DefaultCPUAllocator: can't allocate memory"


def problem_html(error: Exception, language: Language) -> str:
    """A message for a person."""
    if not isinstance(error, GemmaPoetryError):
        _LOG.error("the studio failed", exc_info=error)
        if _wants_memory(error):
            return problem_html(complaint("no_memory", language), language)
        return f'<div class="problem" role="alert"><p>{escape(say("failure", language))}</p></div>'
    rows = [f"<p><strong>{escape(say('problem', language))}</strong> {escape(_on_the_page(error.found, language))}</p>"]
    for key, text in (("expected", error.expected), ("action", error.action)):
        if text:
            rows.append(f"<p><em>{escape(say(key, language))}</em> {escape(_on_the_page(text, language))}</p>")
    return f'<div class="problem" role="alert" data-kind="{type(error).__name__}">{"".join(rows)}</div>'


def _on_the_page(text: str, language: Language) -> str:
    return localized(_ON_THE_PAGE.get(text, text), language)


def _wants_memory(error: Exception) -> bool:
    """Whether an error tells of memory that ran out: of Python, of a GPU, or of torch on a CPU, where it has no class."""
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError" or _CPU_MEMORY in str(error)
