"""Characters that a person gives are put into their slots: first line, acrostic, template, rhyme words, words
that have their place.

In: the wishes of a request and a form. Out: the form with these characters fixed; or a refusal that names the two wishes
that contradict each other, or the place that a wish has not got.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gemma_poetry.errors import ConstraintError
from gemma_poetry.languages import _
from gemma_poetry.prosody.characters import is_han
from gemma_poetry.prosody.forms import COMMA, FULL_STOP, Form, Slot, alternating_marks
from gemma_poetry.prosody.rhyme_book import RhymeBook

if TYPE_CHECKING:
    from gemma_poetry.generation.request import PoemRequest

BLANK = "□"
_BLANKS = "□＿_○*"
_COMMAS, _STOPS = "，,、：:", "。.？?！!；;"


@dataclass(frozen=True, slots=True)
class Template:
    """Lines with blanks.

    Attributes:
        lines: The lines, `□` for each blank.
        marks: One closing mark a line.
    """

    lines: tuple[str, ...]
    marks: str


def parse_template(text: str) -> Template:
    """Reads `空山□□□，□□□□秋。`; lines may also be divided by line breaks or blanks, then their marks alternate.

    Raises:
        ConstraintError: The template holds something that is neither a Han character nor a blank nor a mark.
    """
    lines: list[str] = []
    marks: list[str] = []
    line = ""
    for place, char in enumerate(text, 1):
        if char in _COMMAS or char in _STOPS or char.isspace():
            if line:
                lines.append(line)
                marks.append(COMMA if char in _COMMAS else FULL_STOP if char in _STOPS else "")
                line = ""
        elif char in _BLANKS or is_han(char):
            line += BLANK if char in _BLANKS else char
        else:
            raise ConstraintError(
                _("the template has {char!r} at character {place}", char=char, place=place),
                expected=_("Han characters, □ for blanks, ， and 。"),
                action="e.g. 空山□□□，□□□□秋。",
            )
    if line:
        lines.append(line)
        marks.append("")
    if not lines:
        raise ConstraintError(_("the template is empty"), expected=_("at least one line"), action="e.g. 空山□□□，□□□□秋。")
    alternating = alternating_marks(len(lines))
    return Template(tuple(lines), "".join(mark or usual for mark, usual in zip(marks, alternating)))


def place_given_characters(form: Form, request: PoemRequest, template: Template | None, book: RhymeBook) -> Form:
    """The form with every given character in its slot.

    Raises:
        ConstraintError: A wish does not fit the form's lines, or two wishes ask for different characters in one place.
    """
    fixed: dict[tuple[int, int], tuple[str, str]] = {}
    for line, position, char, wish in _given(form, request, template):
        other = fixed.setdefault((line, position), (char, wish))
        if other[0] != char:
            raise ConstraintError(
                _(
                    "line {line}, character {position}: {wish} asks for {char}, {other} for {other_other}",
                    line=line,
                    position=position,
                    wish=wish,
                    char=char,
                    other=other[1],
                    other_other=other[0],
                )
            )
        own = form.lines[line - 1][position - 1].char
        if own not in (None, char):
            raise ConstraintError(
                _(
                    "line {line}, character {position}: {wish} asks for {char}, the answered poem for {own}",
                    line=line,
                    position=position,
                    wish=wish,
                    char=char,
                    own=own,
                )
            )
    lines = tuple(
        tuple(
            replace(slot, char=fixed[line, position][0]) if (line, position) in fixed else slot
            for position, slot in enumerate(slots, 1)
        )
        for line, slots in enumerate(form.lines, 1)
    )
    return replace(form, lines=tuple(_read_by_words(slots, book) for slots in lines))


def _read_by_words(slots: tuple[Slot, ...], book: RhymeBook) -> tuple[Slot, ...]:
    """The slots of a line, with the tones that given characters have beside each other (乘 in 乘舟)."""
    if sum(slot.char is not None for slot in slots) < 2 or not any(slot.char and slot.tone for slot in slots):
        return slots
    told = book.tones_by_words("".join(slot.char or BLANK for slot in slots))
    return tuple(replace(slot, read=told[place]) if slot.char and place in told else slot for place, slot in enumerate(slots))


def _given(form: Form, request: PoemRequest, template: Template | None) -> Iterator[tuple[int, int, str, str]]:
    """(line, position, character, wish) of every character that is given, after its length has been checked."""
    first_line = request.first_line.strip().rstrip(_COMMAS + _STOPS)
    if first_line:
        _check_han(first_line, _("the first line"))
        if len(first_line) != form.line_lengths[0]:
            raise ConstraintError(
                _(
                    "the first line has {count} characters, line 1 of {name} has {line_lengths}",
                    count=len(first_line),
                    name=form.name,
                    line_lengths=form.line_lengths[0],
                )
            )
        for position, char in enumerate(first_line, 1):
            yield 1, position, char, _("the first line")
    for chars, last, wish in (
        (request.acrostic, False, _("the acrostic")),
        (request.acrostic_end, True, _("the acrostic of last characters")),
    ):
        _check_han(chars, wish)
        if len(chars) > len(form.lines):
            raise ConstraintError(
                _(
                    "{wish} has {count} characters, {name} has {lines_count} lines",
                    wish=wish,
                    count=len(chars),
                    name=form.name,
                    lines_count=len(form.lines),
                )
            )
        for line, char in enumerate(chars, 1):
            yield line, form.line_lengths[line - 1] if last else 1, char, wish
    if template:
        yield from _template_characters(form, template)
    if request.rhyme_words:
        yield from _rhyme_words(form, request.rhyme_words)
    for word, line, position in request.placed:
        yield from _placed_word(form, word, line, position)


def _check_han(text: str, wish: str) -> None:
    for place, char in enumerate(text, 1):
        if not is_han(char):
            raise ConstraintError(
                _("{wish} has {char!r} at character {place}", wish=wish, char=char, place=place),
                expected=_("Han characters only"),
            )


def _template_characters(form: Form, template: Template) -> Iterator[tuple[int, int, str, str]]:
    if len(template.lines) > len(form.lines):
        raise ConstraintError(
            _(
                "the template has {count} lines, {name} has {lines_count}",
                count=len(template.lines),
                name=form.name,
                lines_count=len(form.lines),
            )
        )
    for line, (text, length) in enumerate(zip(template.lines, form.line_lengths), 1):
        if len(text) != length:
            raise ConstraintError(
                _(
                    "line {line} of the template has {count} characters, {name} has {length} there",
                    line=line,
                    count=len(text),
                    name=form.name,
                    length=length,
                )
            )
        for position, char in enumerate(text, 1):
            if char != BLANK:
                yield line, position, char, _("the template")


def _placed_word(form: Form, word: str, line: int, position: int) -> Iterator[tuple[int, int, str, str]]:
    wish = _("the word {word}", word=word)
    _check_han(word, wish)
    if not 1 <= line <= len(form.lines) or not 1 <= position <= form.line_lengths[line - 1] - len(word) + 1:
        raise ConstraintError(
            _(
                "{name} has no room for {wish} at character {position} of line {line}",
                name=form.name,
                wish=wish,
                position=position,
                line=line,
            )
        )
    for place, char in enumerate(word, position):
        yield line, place, char, wish


def _rhyme_words(form: Form, words: str) -> Iterator[tuple[int, int, str, str]]:
    _check_han(words, _("the rhyme words"))
    repeating = {line for line, _ in form.echoes}
    places = [
        (line, position)
        for line, slots in enumerate(form.lines, 1)
        for position, slot in enumerate(slots, 1)
        if slot.rhyme and line not in repeating
    ]
    if len(places) != len(words):
        raise ConstraintError(
            _(
                "{count} rhyme words are given, {pattern} rhymes {places_count} times",
                count=len(words),
                pattern=form.pattern or form.name,
                places_count=len(places),
            )
        )
    for (line, position), char in zip(places, words):
        yield line, position, char, _("the rhyme words")
