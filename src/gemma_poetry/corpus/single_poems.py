"""Single poems are read where nothing may be left out: those that are checked, and those of other systems.

In: records of classical Chinese poems, as a file has them. Out: `Poem`s in the script of their source; read strictly, with an
error that says what is in the way, or leniently, with lines that cannot be cleaned kept as they are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from gemma_poetry.corpus.cleaning import RejectedError, clean_lines, layout_of
from gemma_poetry.corpus.poem import Poem, SourcePoem
from gemma_poetry.corpus.script import Script, convert, detect_script
from gemma_poetry.corpus.tune_names import split_tune
from gemma_poetry.errors import UnreadableError
from gemma_poetry.languages import _
from gemma_poetry.prosody.characters import UNIFIED
from gemma_poetry.prosody.classification import classify
from gemma_poetry.prosody.forms import SHORT_NAMES, alternating_marks
from gemma_poetry.prosody.tune_scan import named_tune
from gemma_poetry.prosody.tunes import find_tune

_MARKS = re.compile(r"[，。？！；：、,.?!;:\s]+")


def read_strictly(poem: SourcePoem) -> Poem:
    """One poem; its tune is the one that its source names, or its title if the lines have a shape of it; its form is left open.

    Its rows and marks are kept as its layout, but for a source that keeps lines and marks apart and has no rows.

    Raises:
        UnreadableError: The text is no poem.
    """
    try:
        lines, marks = clean_lines(poem.marked)
    except RejectedError as rejection:
        raise UnreadableError(
            _("it cannot be read: {rejection}{offending}", rejection=rejection, offending=_offending(poem.paragraphs)),
            expected=_("lines of Chinese characters, apart by punctuation or white space"),
            action=_("take everything else out"),
            where=f"《{poem.title}》" if poem.title else poem.source_id,
        ) from rejection
    layout = "" if poem.marks else layout_of("\n".join(poem.paragraphs), lines)
    tune = _tune_of(poem, lines)
    return Poem(lines, marks, poem.title, poem.author, tune=tune, script="", source_id=poem.source_id, layout=layout)


def read_leniently(poems: Sequence[SourcePoem], judged: Sequence[Poem] = ()) -> list[Poem]:
    """Poems of another system, each under the form that it names or has.

    Args:
        poems: The poems as their file has them.
        judged: The poems that they stand beside, whose script they get.
    """
    texts = [_lines(poem) for poem in poems]
    if judged:
        script: Script = "traditional" if judged[0].script == "traditional" else "simplified"
        if detect_script(line for lines, _ in texts for line in lines) != script:
            poems, texts = _converted(poems, texts, script)
    return [
        Poem(lines, marks, poem.title, poem.author, form=_form_of(poem, lines), source_id=poem.source_id)
        for poem, (lines, marks) in zip(poems, texts)
    ]


def _form_of(poem: SourcePoem, lines: Sequence[str]) -> str:
    return poem.tune or SHORT_NAMES.get(poem.form, poem.form) or classify(lines)


def offence(paragraphs: Sequence[str]) -> tuple[int, int]:
    """Row and position, from 1, of the first character that is neither Chinese nor a usual mark; zeros without one."""
    for number, paragraph in enumerate(paragraphs, 1):
        for position, char in enumerate(paragraph, 1):
            if not re.match(f"[{UNIFIED}]", char) and char not in _USUAL:
                return number, position
    return 0, 0


def _tune_of(poem: SourcePoem, lines: Sequence[str]) -> str:
    """The tune that a source names, if it is known, or that a title names, if the lines have a shape of it."""
    named = split_tune(poem.tune)[0] if poem.tune else ""
    if named and find_tune(named):
        return named
    title = split_tune(poem.title)[0] if poem.title else ""
    tune = named_tune(title, lines) if title else None
    return tune.name if tune else ""


def _offending(paragraphs: Sequence[str]) -> str:
    """Where the first character stands that is neither Chinese nor a usual mark, as words."""
    number, position = offence(paragraphs)
    return (
        _(
            " ({paragraphs!r} in row {number}, position {position})",
            paragraphs=paragraphs[number - 1][position - 1],
            number=number,
            position=position,
        )
        if number
        else ""
    )


_USUAL = frozenset("，。、；：？！,.;:?!《》「」『』“”‘’\"'·・（）()〈〉【】〖〗〔〕[]［］ 　\t")


def _lines(poem: SourcePoem) -> tuple[tuple[str, ...], str]:
    """The lines and closing marks of a poem; lines that cannot be cleaned are kept as they are."""
    try:
        return clean_lines(poem.marked)
    except RejectedError:
        lines = tuple(line for line in _MARKS.split("\n".join(poem.marked)) if line)
        return lines, alternating_marks(len(lines))


def _converted(
    poems: Sequence[SourcePoem], texts: Sequence[tuple[tuple[str, ...], str]], script: Script
) -> tuple[list[SourcePoem], list[tuple[tuple[str, ...], str]]]:
    bodies = [body.split("/") for body in convert(["/".join(lines) for lines, _ in texts], script)]
    titles, tunes = convert([poem.title for poem in poems], script), convert([poem.tune for poem in poems], script)
    forms = convert([poem.form for poem in poems], script)
    renamed = [replace(poem, title=title, tune=tune, form=form) for poem, title, tune, form in zip(poems, titles, tunes, forms)]
    return renamed, [(tuple(lines), marks) for lines, (_, marks) in zip(bodies, texts)]
