"""The answering line of a couplet (对联) takes its slots from the tones of the upper line.

In: an upper line (上联). Out: forms of two lines, the first given, the second in contrast with it; a character that comes
again in the upper line does so in the lower one, at the same places.
"""

from __future__ import annotations

from collections.abc import Sequence

from gemma_poetry.errors import ConstraintError
from gemma_poetry.languages import _
from gemma_poetry.prosody.characters import is_han
from gemma_poetry.prosody.forms import COMMA, FULL_STOP, Form, Slot, Tone
from gemma_poetry.prosody.rhyme_book import RhymeBook
from gemma_poetry.prosody.rhyme_books import PINGSHUI

# Whole poems of these forms open with such a couplet, so a model of poems has met it there.
_PROMPT_FORMS = {5: "五言律诗", 7: "七言律诗"}
_LONGEST = 32
_OTHER = {Tone.LEVEL: Tone.OBLIQUE, Tone.OBLIQUE: Tone.LEVEL}


def answering_forms(upper: str, book: RhymeBook = PINGSHUI, *, free: bool = False) -> tuple[str, tuple[Form, ...]]:
    """The forms of a couplet whose upper line is given.

    The lower line has the opposite tone at every beat (characters 2, 4, 6, ...) and at its end; where the upper line has
    a character of two tones, the place is free, since nothing certain can stand opposite to it, and the end is level. Of
    five or seven characters, the lower line keeps clear of 孤平 and 三平尾 besides.

    Args:
        upper: The upper line, with or without its mark.
        book: The rhyme book that tones are by.
        free: Leave tones alone.

    Returns:
        The form that the prompt names, and the forms.

    Raises:
        ConstraintError: The upper line is no line of Han characters.
    """
    line = upper.strip().rstrip("，。,.；;！!？?")
    strange = [char for char in line if not is_han(char)]
    if strange or not 1 <= len(line) <= _LONGEST:
        raise ConstraintError(
            _("the upper line has {strange!r} in it", strange=strange[0])
            if strange
            else _("the upper line has {count} characters", count=len(line)),
            expected=_("one line of 1 to {longest} Han characters", longest=_LONGEST),
        )
    name = _PROMPT_FORMS.get(len(line), "杂言诗")
    given = tuple(Slot(char=char) for char in line)
    again = repeated_places(line)
    lowers = [(Slot(),) * len(line)] if free else _lower_lines(line, again, book)
    repeats = tuple((2, position, earlier) for position, earlier in again)
    return name, tuple(Form("对联", (given, lower), COMMA + FULL_STOP, repeats=repeats) for lower in lowers)


def repeated_places(line: str) -> tuple[tuple[int, int], ...]:
    """The places of a line, from 1, whose character comes again (重字), each with the place before it that has it."""
    last: dict[str, int] = {}
    found = []
    for position, char in enumerate(line, 1):
        if char in last:
            found.append((position, last[char]))
        last[char] = position
    return tuple(found)


def _lower_lines(upper: str, again: Sequence[tuple[int, int]], book: RhymeBook) -> list[tuple[Slot, ...]]:
    beats = [_opposite(char, book) if place % 2 == 0 or place == len(upper) else None for place, char in enumerate(upper, 1)]
    # A last character that is read 平 and 仄 closes an upper line as 仄: the couplet ends level.
    beats[-1] = beats[-1] or Tone.LEVEL
    lines = [beats]
    if len(upper) in (5, 7) and beats[-1] is Tone.LEVEL:
        lines = [line for core in _level_endings(beats[-5:]) for line in [[*beats[:-5], *core]]]
    united = [line for line in (_united(line, again) for line in lines) if line is not None]
    if not united:
        # What the repeated characters ask for stands against the tail's own rules, or the upper line has irregular beats.
        ends: list[Tone | None] = [*[None] * (len(upper) - 1), beats[-1]]
        united = [_united(beats, again) or ends]
    return [tuple(Slot(tone) for tone in line) for line in united]


def _united(line: Sequence[Tone | None], again: Sequence[tuple[int, int]]) -> list[Tone | None] | None:
    """The tones of a line where places that repeat each other ask for the same; `None`: they cannot."""
    tones_now = list(line)
    for place, earlier in (*again, *reversed(again)):
        asked = {tones_now[place - 1], tones_now[earlier - 1]} - {None}
        if len(asked) > 1:
            return None
        tones_now[place - 1] = tones_now[earlier - 1] = next(iter(asked), None)
    return tones_now


def _level_endings(beats: list[Tone | None]) -> list[list[Tone | None]]:
    """The last five tones of a level-ended line with these beats: 平平○仄平 (no 孤平) or ○仄仄平平 (no 三平尾)."""
    level, oblique = Tone.LEVEL, Tone.OBLIQUE
    kept = []
    for core in ([level, level, None, oblique, level], [None, oblique, oblique, level, level]):
        if all(beat is None or core[place] is beat for place, beat in enumerate(beats) if place % 2 == 1):
            kept.append(core)
    # An upper line with irregular beats of its own is answered beat by beat.
    return kept or [beats]


def _opposite(char: str, book: RhymeBook) -> Tone | None:
    heard = {reading.tone for reading in book.readings(char)}
    return _OTHER[next(iter(heard))] if len(heard) == 1 else None
