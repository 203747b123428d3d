"""Verification reads a poem once more, by another way than decoding went: is it what was asked for?

In: a running text that decoding ended, and what was asked. Out: the `Poem` in the script that is wanted, and its pattern;
or the line up to which it cannot stay, where it is wrong after all.

The check reads the poem slot by slot against its forms, with no automaton and no tokens, and asks for what only a whole
poem shows: readings beside their neighbours, rhyme words that differ, repeated lines, characters that come once, lines
that no corpus has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gemma_poetry.corpus.known_lines import KnownLines
from gemma_poetry.corpus.poem import Poem
from gemma_poetry.corpus.script import convert
from gemma_poetry.errors import ConstraintError
from gemma_poetry.generation.alphabet import MARKS, Sounds
from gemma_poetry.generation.prescription import Prescription, prescribe
from gemma_poetry.generation.request import PoemRequest, with_given_texts
from gemma_poetry.prosody.character_sounds import BookSounds
from gemma_poetry.prosody.forms import Form

if TYPE_CHECKING:
    from gemma_poetry.generation.logits_processor import Plan


@dataclass(frozen=True, slots=True)
class VerifiedPoem:
    """A poem that is what was asked for.

    Attributes:
        poem: The poem, in the script that is wanted.
        form: The form that it keeps, of those that grant what was asked for; given characters are in simplified script.
    """

    poem: Poem
    form: Form


def verify(text: str, plan: Plan, request: PoemRequest, prescription: Prescription) -> VerifiedPoem | int:
    """The poem that a running text spells, or the line (from 1) up to which it cannot stay.

    Args:
        text: Lines with their closing marks, in simplified characters.
        plan: What decoding obeyed.
        request: What was asked for.
        prescription: The forms that grant it.
    """
    sounds = BookSounds(prescription.book, request.polyphones) if prescription.sounding else None
    wrong = [len(form.lines) for form in prescription.forms[:1]]
    for form in prescription.forms:
        lines = split_lines(text, form)
        if lines is None or not fits(lines, form, sounds, prescription.rhymes):
            continue
        known = known_lines(lines, form, plan.guards)
        if known or (plan.distinct and repeats_characters(lines, form, doubling=plan.doubling)):
            wrong.append(lines.index(known[0]) + 1 if known else len(lines))
            continue
        judged = form
        if request.script == "traditional":
            judged = as_given(form, request)
            lines = tuple(
                "".join(slot.char or char for slot, char in zip(slots, line))
                for slots, line in zip(judged.lines, convert(lines, "traditional"))
            )
        misread = misread_line(lines, judged, sounds)
        if misread or not fits(lines, judged, sounds, prescription.rhymes):
            wrong.append(misread or len(lines))
            continue
        poem = Poem(
            lines,
            form.marks,
            title=request.title,
            author=request.author,
            form="词" if prescription.tune else form.name,
            tune=prescription.tune,
            script=request.script,
        )
        return VerifiedPoem(poem, form)
    return wrong[-1]


def plain_lines(lines: Sequence[str], form: Form) -> tuple[str, ...]:
    """The lines of a poem in simplified characters, those that are given as its form has them.

    乾 by itself is 干 in simplified characters, and 乾 in 乾坤, which an acrostic spells down the lines.
    """
    return tuple(
        "".join(slot.char or char for slot, char in zip(slots, line))
        for slots, line in zip(form.lines, convert(lines, "simplified"))
    )


def misread_line(lines: Sequence[str], form: Form, sounds: BookSounds | None) -> int:
    """The first line that a reading breaks which a character has beside its neighbours alone; 0 if there is none.

    Where any reading may serve, the first line that no reading keeps.

    Read by phrases, 了 in 明了 stands for 瞭, which is 平 or 仄, though 了 by itself is 仄. A character without any reading
    beside its neighbours breaks its line too.
    """
    if sounds is None:
        return 0
    every = sounds.polyphones != "any"
    groups: dict[str, frozenset[str]] = {}
    for number, (slots, heard) in enumerate(zip(form.lines, sounds.book.interpret(lines)), 1):
        # 戯 by itself is known; in a simplified poem it is converted to 戱, which the rhyme books do not have.
        if not all(place.readings for place in heard):
            return number
        for slot, place in zip(slots, heard):
            tones = {place.likely} if slot.read and place.likely else {reading.tone for reading in place.readings}
            # A rhyme word that is given is read as its rhyme asks.
            certain = every and not (slot.char and slot.rhyme)
            if slot.tone is not None and (tones != {slot.tone} if certain else slot.tone not in tones):
                return number
            if slot.rhyme:
                own = frozenset(sounds.group(one) for one in place.readings if slot.tone in (None, one.tone))
                shared = groups[slot.rhyme] = groups.get(slot.rhyme, own) & own
                if not shared or (certain and (len(own) != 1 or shared != own)):
                    return number
    return 0


def split_lines(text: str, form: Form) -> tuple[str, ...] | None:
    """The lines of a running text that has the lines and closing marks of a form, else `None`."""
    lines, begin = [], 0
    for length, mark in zip(form.line_lengths, form.marks):
        line = text[begin : begin + length]
        if any(char in MARKS for char in line) or text[begin + length : begin + length + 1] != mark:
            return None
        lines.append(line)
        begin += length + 1
    return tuple(lines) if begin == len(text) else None


def fits(lines: Sequence[str], form: Form, sounds: Sounds | None, rhymes: Mapping[str, frozenset[str]] | None = None) -> bool:
    """Whether lines of the right lengths keep every slot of a form: characters, tones, rhymes, repeated lines.

    Args:
        lines: The lines, in either script.
        form: The form.
        sounds: Sounds to judge by; `None` where the form asks for none.
        rhymes: Groups that rhyme variables are limited to.
    """
    repeating = {line for line, _ in form.echoes}
    groups = dict(rhymes or {})
    words: list[str] = []
    for number, (line, slots) in enumerate(zip(lines, form.lines), 1):
        for position, (char, slot) in enumerate(zip(line, slots), 1):
            if slot.char is not None and char != slot.char:
                return False
            if sounds is None:
                continue
            if slot.char is None and not sounds.known(char):
                return False
            given = slot.char is not None and slot.rhyme is not None
            read = {slot.read} if slot.char and slot.read else sounds.tones(char, position == len(slots))
            if slot.tone is not None and not given and slot.tone not in read:
                return False
            if slot.rhyme:
                own = sounds.given_rhymes(char, slot.tone) if given else sounds.rhymes(char, slot.tone)
                groups[slot.rhyme] = groups.get(slot.rhyme, own) & own
                if not groups[slot.rhyme] or (char in words and number not in repeating):
                    return False
                words.append(char)
    if any(lines[line - 1][position - 1] != lines[line - 1][earlier - 1] for line, position, earlier in form.repeats):
        return False
    return all(lines[line - 1] == expected for line, expected in form.returned_lines(lines))


def repeats_characters(lines: Sequence[str], form: Form, *, doubling: bool = True) -> bool:
    """Whether a character comes twice that need not: doubled ones (萧萧), given ones, and what the form repeats apart.

    Args:
        lines: The lines.
        form: Their form.
        doubling: Whether doubled characters are left apart.
    """
    repeating = form.repeating
    again = {(line, position) for line, position, _ in form.repeats}
    places = [
        (char, line, position)
        for line, text in enumerate(lines, 1)
        if line not in repeating
        for position, char in enumerate(text, 1)
        if (line, position) not in again
    ]
    for char, line, position in places:
        if form.lines[line - 1][position - 1].char is not None:
            continue
        others = [(other, place) for same, other, place in places if same == char and (other, place) != (line, position)]
        apart = any(other != line or abs(place - position) != 1 for other, place in others)
        if len(others) > 1 or apart or (others and not doubling):
            return True
    return False


def known_lines(lines: Sequence[str], form: Form, guards: Sequence[KnownLines]) -> list[str]:
    """The lines that stand in the corpus, those that were given whole left out."""
    return [
        line
        for line, slots in zip(lines, form.lines)
        if any(slot.char is None for slot in slots) and any(line in guard for guard in guards)
    ]


def as_given(form: Form, request: PoemRequest) -> Form:
    """The form with the characters that a person gave as the person wrote them, in whatever script."""
    try:
        written = prescribe(with_given_texts(request))
    except ConstraintError:
        # 雲 in one wish and 云 in another are one character only once they are simplified.
        return _unfixed(form)
    for candidate in written.forms:
        if (candidate.pattern, candidate.line_lengths) == (form.pattern, form.line_lengths) and _same_words(candidate, form):
            return candidate
    return _unfixed(form)


def _same_words(written: Form, form: Form) -> bool:
    """Whether a form as a person wrote it gives the characters of another, in whatever script (用韵 gives them in orders)."""
    given = ["".join(slot.char or "□" for slots in one.lines for slot in slots) for one in (written, form)]
    return convert(given[:1], "simplified") == given[1:]


def _unfixed(form: Form) -> Form:
    return replace(form, lines=tuple(tuple(replace(slot, char=None) for slot in slots) for slots in form.lines))
